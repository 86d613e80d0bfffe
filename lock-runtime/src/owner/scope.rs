//! A future that runs inside a frame.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Entered, Frame};
use crate::lease::WatchSlot;
use crate::protocol::Loss;

pin_project! {
    /// Polls a future, and drops it, with its frame as the innermost one. Ends early when the hold is lost, if
    /// it is to heed that: the future is then dropped, inside the frame, where it last waited.
    pub(crate) struct Scope<'a, F> {
        // Empty only while it is lent to the thread's context.
        frame: &'a mut Option<Arc<Frame>>,
        heed: Heed,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scope<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Heed::Loss(slot) = this.heed
                && let Some(frame) = this.frame
            {
                frame.lease().unwatch(slot.take());
            }
            if this.future.is_some() {
                let _inside = Entered::new(this.frame);
                this.future.set(None);
            }
        }
    }
}

/// What a scope heeds beside its future.
enum Heed {
    /// Nothing.
    Nothing,
    /// The loss of the hold.
    Loss(WatchSlot),
}

impl<'a, F: Future> Scope<'a, F> {
    /// Runs to the end, whatever becomes of the hold.
    pub(crate) fn to_the_end(frame: &'a mut Option<Arc<Frame>>, future: F) -> Self {
        Self { frame, heed: Heed::Nothing, future: Some(future) }
    }

    /// Ends at the next await after the loss of the hold.
    pub(crate) fn until_lost(frame: &'a mut Option<Arc<Frame>>, future: F) -> Self {
        Self { frame, heed: Heed::Loss(None), future: Some(future) }
    }
}

impl<F: Future> Scope<'_, F> {
    /// The loss of the hold; else the task is woken when it comes.
    fn poll_lost(self: Pin<&mut Self>, context: &Context<'_>) -> Poll<Loss> {
        let this = self.project();
        match (this.heed, this.frame) {
            (Heed::Loss(slot), Some(frame)) => frame.lease().poll_lost(slot, context),
            _ => Poll::Pending,
        }
    }

    /// Drops the future inside the frame.
    fn abandon(self: Pin<&mut Self>) {
        let mut this = self.project();
        let _inside = Entered::new(this.frame);
        this.future.set(None);
    }
}

impl<F: Future> Future for Scope<'_, F> {
    type Output = Result<F::Output, Loss>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let known = match (this.heed, &*this.frame) {
            (Heed::Loss(_), Some(frame)) => frame.lease().loss(),
            _ => None,
        };
        if known.is_none() {
            let inside = Entered::new(this.frame);
            let future = this.future.as_pin_mut().expect("polled after it was ready");
            let polled = future.poll(context);
            drop(inside);
            if let Poll::Ready(output) = polled {
                return Poll::Ready(Ok(output));
            }
        }
        let lost = known.map_or_else(|| self.as_mut().poll_lost(context), Poll::Ready);
        if lost.is_ready() {
            self.abandon();
        }
        lost.map(Err)
    }
}
