//! The async body of an annotated function, from its wait for the lock to its exit.
//!
//! Written by hand, where an async block would do: all levels of nested calls add up, in the size of the future and
//! on the stack, and an async block keeps and copies more than it needs. Only [`Run`] knows the body's own type; the rest
//! is compiled once for each return type.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::acquire::Entering;
use crate::acquire::leave::{leave, leave_confirmed};
use crate::error::LockError;
use crate::macro_support::on_error::Policy;
use crate::owner::scope::{Scope, Work};
use crate::owner::section::Section;
use crate::protocol::request::Loss;

pin_project! {
    /// Waits for the section, runs the body inside it, and leaves.
    pub(crate) struct Run<P: Policy, F: Future<Output = P::Value>> {
        passage: Passage<P>,
        #[pin]
        body: Option<F>,
    }

    impl<P: Policy, F: Future<Output = P::Value>> PinnedDrop for Run<P, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.passage.abandon(&mut this.body);
        }
    }
}

impl<P: Policy, F: Future<Output = P::Value>> Run<P, F> {
    pub(crate) const fn new(passage: Passage<P>, body: F) -> Self {
        Self { passage, body: Some(body) }
    }
}

impl<P: Policy, F: Future<Output = P::Value>> Future for Run<P, F> {
    type Output = P::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<P::Output> {
        let mut this = self.project();
        this.passage.poll(&mut this.body, context)
    }
}

/// What is around the body: where the call stands between the wait for the section and its end.
pub(crate) struct Passage<P: Policy> {
    policy: P,
    finish_when_lost: bool,
    stage: Stage<P::Kept>,
}

enum Stage<K> {
    Entering(Entering),
    Inside(Scope<Section>),
    Leaving(Box<Leaving<K>>),
    Over,
}

/// A body that has run, while the server has yet to confirm the release.
struct Leaving<K> {
    kept: K,
    confirmation: Pin<Box<dyn Future<Output = Result<(), LockError>> + Send>>,
}

const RUNS_ONCE: &str = "a call that is over is not polled again";

// What is pinned here is in a box of its own.
impl<P: Policy> Unpin for Passage<P> {}

impl<P: Policy> Passage<P> {
    pub(crate) const fn new(entering: Entering, policy: P, finish_when_lost: bool) -> Self {
        Self { policy, finish_when_lost, stage: Stage::Entering(entering) }
    }

    /// Kept small: it stays on the stack once for every level of nesting.
    fn poll(
        &mut self,
        body: &mut dyn Work<Value = P::Value>,
        context: &mut Context<'_>,
    ) -> Poll<P::Output> {
        if let Some(polled) = self.poll_before(context) {
            return polled;
        }
        let Stage::Inside(scope) = &mut self.stage else { panic!("{RUNS_ONCE}") };
        match scope.poll(body, context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ran) => self.exit(ran, body, context),
        }
    }

    /// What is not the body's turn: `None` when it is.
    fn poll_before(&mut self, context: &mut Context<'_>) -> Option<Poll<P::Output>> {
        match &mut self.stage {
            Stage::Entering(entering) => match entering.poll(context) {
                Poll::Pending => Some(Poll::Pending),
                Poll::Ready(Ok(section)) => {
                    self.begin(section);
                    None
                }
                Poll::Ready(Err(error)) => Some(self.fail(*error)),
            },
            Stage::Leaving(_) => Some(self.poll_leave(context)),
            Stage::Inside(_) | Stage::Over => None,
        }
    }

    fn fail(&mut self, error: LockError) -> Poll<P::Output> {
        self.stage = Stage::Over;
        Poll::Ready(self.policy.failed(error))
    }

    fn begin(&mut self, section: Section) {
        let heed = section.heed(self.finish_when_lost);
        self.stage = Stage::Inside(Scope::new(section, heed));
    }

    /// Ends the section of a body that has run.
    fn exit(
        &mut self,
        ran: Result<P::Value, Box<Loss>>,
        body: &mut dyn Work<Value = P::Value>,
        context: &mut Context<'_>,
    ) -> Poll<P::Output> {
        let Stage::Inside(scope) = &mut self.stage else { panic!("{RUNS_ONCE}") };
        let section = scope.finish(body).expect(RUNS_ONCE);
        let value = match ran {
            Ok(value) => value,
            Err(loss) => {
                let held = section.loss().map_or(section.lease(), |(lease, _)| lease);
                let error = LockError::lost(held.key(), *loss);
                return self.fail(error);
            }
        };
        match P::keep(value) {
            Ok(kept) => {
                let confirmation = Box::pin(leave_confirmed(section));
                self.stage = Stage::Leaving(Box::new(Leaving { kept, confirmation }));
                self.poll_leave(context)
            }
            Err(value) => {
                self.stage = Stage::Over;
                Poll::Ready(self.policy.done(value, leave(section).err()))
            }
        }
    }

    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<P::Output> {
        let Stage::Leaving(leaving) = &mut self.stage else { panic!("{RUNS_ONCE}") };
        let left = ready!(leaving.confirmation.as_mut().poll(context));
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Leaving(leaving) => {
                Poll::Ready(self.policy.done(P::kept(leaving.kept), left.err()))
            }
            _ => unreachable!("just seen"),
        }
    }

    /// Drops a body that has not run to its end, inside its section.
    fn abandon(&mut self, body: &mut dyn Work<Value = P::Value>) {
        if let Stage::Inside(scope) = &mut self.stage {
            scope.abandon(body);
        }
    }
}
