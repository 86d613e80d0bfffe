//! A locked call as a future: acquires, runs the body inside the section, releases.
//!
//! Written by hand instead of as an async block: with nested calls the sizes of all levels add up,
//! in the future and on the stack, and an async block keeps and copies more than it needs.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::acquire::{Acquisition, release, release_and_wait, release_frameless};
use crate::error::LockError;
use crate::macro_support::call_setup::CallSetup;
use crate::macro_support::return_value::ErrorPolicy;
use crate::owner::context::{BodyContext, ErasedFuture};
use crate::owner::frameless::FramelessSection;
use crate::owner::section::{OnLoss, OwnerScope, Section};
use crate::protocol::request::Loss;

/// What is around the body of a locked call.
pub(crate) struct LockedCall<R, O, M: ReleaseMode> {
    policy: ErrorPolicy<R, O>,
    state: CallState<M::Kept<R>>,
}

enum CallState<K> {
    NotPolled(CallSetup),
    Acquiring { acquiring: Acquisition, finish_when_lost: bool },
    Running(OwnerScope<Section>),
    Releasing(Box<PendingRelease<K>>),
    Done,
}

/// A section during the first poll of its body. Unless the body completes, it becomes one that
/// outlasts the poll, also if the body panics.
struct FirstPoll<'a, K> {
    section: Option<FramelessSection>,
    state: &'a mut CallState<K>,
}

impl<K> Drop for FirstPoll<'_, K> {
    fn drop(&mut self) {
        if let Some(section) = self.section.take() {
            let scope = OwnerScope::new(section.into_section(), OnLoss::Ignore);
            *self.state = CallState::Running(scope);
        }
    }
}

/// The value of a body that has run, until the server confirms the release.
struct PendingRelease<K> {
    value: K,
    confirmation: Pin<Box<dyn Future<Output = Result<(), LockError>> + Send>>,
}

const COMPLETED: &str = "a locked call is not polled after completion";

impl<R, O, M: ReleaseMode> LockedCall<R, O, M> {
    pub(crate) const fn new(setup: CallSetup, policy: ErrorPolicy<R, O>) -> Self {
        Self { policy, state: CallState::NotPolled(setup) }
    }

    /// Asks for the lock at the first poll. A nested call that re-enters at once, as most do, gets
    /// its section here, and no state.
    fn start(&mut self) -> Option<FramelessSection> {
        let CallState::NotPolled(setup) = &self.state else { return None };
        let section = setup.reenter_innermost();
        if section.is_some() {
            self.state = CallState::Done;
        } else {
            let finish_when_lost = setup.options().finish_when_lost;
            self.state = CallState::Acquiring { acquiring: setup.acquire(), finish_when_lost };
        }
        section
    }

    /// The first poll of a body in a section without a frame.
    fn poll_frameless(
        &mut self,
        section: FramelessSection,
        body: &mut dyn ErasedFuture<Value = R>,
        context: &mut Context<'_>,
    ) -> Poll<O> {
        let mut first = FirstPoll { section: Some(section), state: &mut self.state };
        let polled = body.poll(context);
        if polled.is_pending() {
            return Poll::Pending;
        }
        body.drop_future();
        let released = first.section.take().map_or(Ok(()), release_frameless);
        polled.map(|value| self.policy.completed(value, released.err()))
    }

    /// Polls the states other than `Running`. `None` if the call is in that one afterwards.
    fn poll_around(&mut self, context: &mut Context<'_>) -> Option<Poll<O>> {
        match &mut self.state {
            CallState::Acquiring { acquiring, finish_when_lost } => match acquiring.poll(context) {
                Poll::Pending => Some(Poll::Pending),
                Poll::Ready(Ok(section)) => {
                    section.begin(None);
                    let on_loss = section.on_loss(*finish_when_lost);
                    self.state = CallState::Running(OwnerScope::new(section, on_loss));
                    None
                }
                Poll::Ready(Err(error)) => Some(self.fail(*error)),
            },
            CallState::Releasing(_) => Some(self.poll_release(context)),
            CallState::NotPolled(_) | CallState::Running(_) | CallState::Done => None,
        }
    }

    fn fail(&mut self, error: LockError) -> Poll<O> {
        self.state = CallState::Done;
        Poll::Ready(self.policy.failed(error))
    }

    /// Releases after the body has completed or was cancelled.
    fn release(
        &mut self,
        ran: Result<R, Box<Loss>>,
        body: &mut dyn ErasedFuture<Value = R>,
        context: &mut Context<'_>,
    ) -> Poll<O> {
        let CallState::Running(scope) = mem::replace(&mut self.state, CallState::Done) else {
            panic!("{COMPLETED}")
        };
        let section = scope.finish(body);
        let value = match ran {
            Ok(value) => value,
            Err(loss) => {
                let lease = section.loss().map_or(section.lease(), |(lease, _)| lease);
                let error = LockError::lost(lease.key(), *loss);
                return self.fail(error);
            }
        };
        match M::keep(value) {
            Ok(value) => {
                let confirmation = Box::pin(release_and_wait(section));
                self.state = CallState::Releasing(Box::new(PendingRelease { value, confirmation }));
                self.poll_release(context)
            }
            Err(value) => Poll::Ready(self.policy.completed(value, release(section).err())),
        }
    }

    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<O> {
        let CallState::Releasing(releasing) = &mut self.state else { panic!("{COMPLETED}") };
        let released = ready!(releasing.confirmation.as_mut().poll(context));
        match mem::replace(&mut self.state, CallState::Done) {
            CallState::Releasing(releasing) => {
                Poll::Ready(self.policy.completed(M::restore(releasing.value), released.err()))
            }
            _ => unreachable!("matched above"),
        }
    }
}

impl<R, O, M: ReleaseMode> BodyContext<R> for LockedCall<R, O, M> {
    type Output = O;

    fn poll(
        &mut self,
        body: &mut dyn ErasedFuture<Value = R>,
        context: &mut Context<'_>,
    ) -> Poll<O> {
        if let Some(section) = self.start() {
            return self.poll_frameless(section, body, context);
        }
        if let Some(polled) = self.poll_around(context) {
            return polled;
        }
        let CallState::Running(scope) = &mut self.state else { panic!("{COMPLETED}") };
        match scope.poll(body, context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(ran) => self.release(ran, body, context),
        }
    }

    fn drop_body(&mut self, body: &mut dyn ErasedFuture<Value = R>) {
        if let CallState::Running(scope) = &mut self.state {
            scope.trace_cancelled();
            scope.drop_body(body);
        }
    }
}

/// Whether a call waits until the server has confirmed the release.
pub trait ReleaseMode {
    /// The value as an async call keeps it while it waits. Nothing where it does not wait, so that
    /// a value that is not `Send` leaves the call `Send`.
    type Kept<R>;

    /// The value to keep, or the value itself if the call does not wait.
    fn keep<R>(value: R) -> Result<Self::Kept<R>, R>;

    /// The value that was kept.
    fn restore<R>(kept: Self::Kept<R>) -> R;
}

/// The default: the release is sent and not waited for.
#[derive(Debug)]
pub enum NotConfirmed {}

/// `release = confirmed`
#[derive(Debug)]
pub enum Confirmed {}

impl ReleaseMode for NotConfirmed {
    type Kept<R> = Infallible;

    fn keep<R>(value: R) -> Result<Infallible, R> {
        Err(value)
    }

    fn restore<R>(kept: Infallible) -> R {
        match kept {}
    }
}

impl ReleaseMode for Confirmed {
    type Kept<R> = R;

    fn keep<R>(value: R) -> Result<R, R> {
        Ok(value)
    }

    fn restore<R>(kept: R) -> R {
        kept
    }
}
