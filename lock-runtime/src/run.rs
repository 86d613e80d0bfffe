//! The async body of an annotated function, from its wait for the lock to its exit.
//!
//! Written by hand, where an async block would do: all levels of nested calls add up, in the size of the future and
//! on the stack, and an async block keeps and copies more than it needs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::LockError;
use crate::entry::{Entered, Entering, leave, leave_confirmed};
use crate::output::Policy;
use crate::owner::{Scope, Section};
use crate::protocol::Loss;

pin_project! {
    /// Waits for the section, makes the body's future, runs it inside, and leaves.
    pub(crate) struct Run<P: Policy, M, F> {
        policy: P,
        finish_when_lost: bool,
        entering: Option<Entering>,
        make: Option<M>,
        #[pin]
        scope: Option<Scope<Section, F>>,
        leaving: Option<Box<Leaving<P::Kept>>>,
    }
}

/// A body that has run, while the server has yet to confirm the release.
struct Leaving<K> {
    kept: K,
    confirmation: Pin<Box<dyn Future<Output = Result<(), LockError>> + Send>>,
}

// Only the future inside the scope is ever pinned, and it is in a field of its own.
impl<K> Unpin for Leaving<K> {}

impl<P, M, F> Run<P, M, F>
where
    P: Policy,
    M: FnOnce(&Section) -> F,
    F: Future<Output = P::Value>,
{
    pub(crate) fn new(entering: Entering, make: M, policy: P, finish_when_lost: bool) -> Self {
        let entering = Some(entering);
        Self { policy, finish_when_lost, entering, make: Some(make), scope: None, leaving: None }
    }

    fn poll_enter(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), P::Output>> {
        let mut this = self.project();
        let Some(entering) = this.entering else { return Poll::Ready(Ok(())) };
        let entered: Entered = ready!(entering.poll(context));
        *this.entering = None;
        Poll::Ready(match entered {
            Ok(section) => {
                let make = this.make.take().expect("the body is made once");
                let future = make(&section);
                let heed = section.heed(*this.finish_when_lost);
                this.scope.set(Some(Scope::new(section, heed, future)));
                Ok(())
            }
            Err(error) => Err(this.policy.failed(*error)),
        })
    }

    /// Ends the section of a body that has run.
    fn exit(mut self: Pin<&mut Self>, ran: Result<P::Value, Loss>) -> Option<P::Output> {
        let section = self.as_mut().end_scope();
        let this = self.project();
        match ran {
            Err(loss) => Some(this.policy.failed(LockError::lost(section.lease().key(), loss))),
            Ok(value) => match P::keep(value) {
                Ok(kept) => {
                    let confirmation = Box::pin(leave_confirmed(section));
                    *this.leaving = Some(Box::new(Leaving { kept, confirmation }));
                    None
                }
                Err(value) => Some(this.policy.done(value, leave(section).err())),
            },
        }
    }

    fn end_scope(self: Pin<&mut Self>) -> Section {
        let mut scope = self.project().scope;
        let section = scope.as_mut().as_pin_mut().and_then(Scope::finish);
        scope.set(None);
        section.expect("a body has its section until it has run")
    }

    /// Nothing is to be waited for any more, or the confirmation is.
    fn poll_exit(
        mut self: Pin<&mut Self>,
        ran: Result<P::Value, Loss>,
        context: &mut Context<'_>,
    ) -> Poll<P::Output> {
        match self.as_mut().exit(ran) {
            Some(output) => Poll::Ready(output),
            None => self.poll_leave(context),
        }
    }

    /// What is before the body: `None` when it can run.
    fn poll_before(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Option<Poll<P::Output>> {
        if self.leaving.is_some() {
            return Some(self.poll_leave(context));
        }
        match self.as_mut().poll_enter(context) {
            Poll::Pending => Some(Poll::Pending),
            Poll::Ready(Err(failed)) => Some(Poll::Ready(failed)),
            Poll::Ready(Ok(())) => None,
        }
    }

    fn poll_leave(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<P::Output> {
        let this = self.project();
        let leaving = this.leaving.as_mut().expect("polled after it was ready");
        let left = ready!(leaving.confirmation.as_mut().poll(context));
        let Leaving { kept, .. } = *this.leaving.take().expect("just seen");
        Poll::Ready(this.policy.done(P::kept(kept), left.err()))
    }
}

impl<P, M, F> Future for Run<P, M, F>
where
    P: Policy,
    M: FnOnce(&Section) -> F,
    F: Future<Output = P::Value>,
{
    type Output = P::Output;

    /// Kept small: it stays on the stack once for every level of nesting.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<P::Output> {
        if let Some(polled) = self.as_mut().poll_before(context) {
            return polled;
        }
        match self.as_mut().project().scope.as_pin_mut().expect("entered before").poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ran) => self.poll_exit(ran, context),
        }
    }
}
