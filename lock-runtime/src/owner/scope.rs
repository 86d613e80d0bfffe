//! A future that runs inside a frame.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Entered, Frame};
use crate::lease::WatchSlot;
use crate::protocol::Loss;

/// What a scope gets its frame from: the section that is to end with it, or just a frame.
pub(crate) trait Slot {
    /// The place of the frame, empty while it is lent to the thread's context.
    fn slot(&mut self) -> &mut Option<Arc<Frame>>;
}

impl Slot for Option<Arc<Frame>> {
    fn slot(&mut self) -> &mut Self {
        self
    }
}

pin_project! {
    /// Polls a future, and drops it, with its frame as the innermost one. Ends early when the hold is lost, if
    /// it is to heed that: the future is then dropped, inside the frame, where it last waited.
    pub(crate) struct Scope<S: Slot, F> {
        // Taken out at the end.
        owner: Option<S>,
        heed: Heed,
        #[pin]
        future: Option<F>,
    }

    impl<S: Slot, F> PinnedDrop for Scope<S, F> {
        fn drop(this: Pin<&mut Self>) {
            this.abandon();
        }
    }
}

/// What a scope heeds beside its future.
pub(crate) enum Heed {
    /// Nothing: it runs to the end, whatever becomes of the hold.
    Nothing,
    /// The loss of the hold: it ends at the next await after it.
    Loss(WatchSlot),
}

impl Heed {
    /// The loss, with no place among its watchers yet.
    pub(crate) const LOSS: Self = Self::Loss(None);
}

impl<S: Slot, F> Scope<S, F> {
    pub(crate) fn new(owner: S, heed: Heed, future: F) -> Self {
        Self { owner: Some(owner), heed, future: Some(future) }
    }

    /// Ends the scope of a future that is ready, and gives its owner back. What is left of the future has nothing to do
    /// under the lock any more.
    pub(crate) fn finish(mut self: Pin<&mut Self>) -> Option<S> {
        self.as_mut().project().future.set(None);
        self.as_mut().abandon();
        self.project().owner.take()
    }

    /// Drops the future inside the frame, and leaves the watchers of the loss.
    fn abandon(self: Pin<&mut Self>) {
        let mut this = self.project();
        let Some(owner) = this.owner else { return };
        if let (Heed::Loss(slot), Some(frame)) = (this.heed, owner.slot()) {
            frame.lease().unwatch(slot.take());
        }
        if this.future.is_some() {
            let _inside = Entered::new(owner.slot());
            this.future.set(None);
        }
    }

    /// The loss of the hold, if it is heeded and has come.
    fn known_loss(self: Pin<&mut Self>) -> Option<Loss> {
        let this = self.project();
        match (this.heed, this.owner.as_mut()?.slot()) {
            (Heed::Loss(_), Some(frame)) => frame.lease().loss(),
            _ => None,
        }
    }

    /// The loss of the hold, which ends the future; else, if it is heeded, the task is woken when it comes.
    fn poll_lost(mut self: Pin<&mut Self>, context: &Context<'_>) -> Poll<Loss> {
        let this = self.as_mut().project();
        let lost = match (this.heed, this.owner.as_mut().map(Slot::slot)) {
            (Heed::Loss(slot), Some(Some(frame))) => frame.lease().poll_lost(slot, context),
            _ => Poll::Pending,
        };
        if lost.is_ready() {
            self.abandon();
        }
        lost
    }

    /// Polls the future inside the frame.
    fn poll_inside(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output>
    where
        F: Future,
    {
        let this = self.project();
        let _inside = this.owner.as_mut().map(|owner| Entered::new(owner.slot()));
        this.future.as_pin_mut().expect("polled after it was ready").poll(context)
    }
}

impl<S: Slot, F: Future> Future for Scope<S, F> {
    type Output = Result<F::Output, Loss>;

    /// Kept small: it stays on the stack once for every level of nesting.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(loss) = self.as_mut().known_loss() {
            self.abandon();
            return Poll::Ready(Err(loss));
        }
        match self.as_mut().poll_inside(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_lost(context).map(Err),
        }
    }
}
