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
    pub(crate) struct Scope<F> {
        frame: Arc<Frame>,
        heed: Heed,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                let _inside = Entered::new(Arc::clone(this.frame));
                this.future.set(None);
            }
            if let Heed::Loss(slot) = this.heed {
                this.frame.cell().unwatch(slot.take());
            }
        }
    }
}

/// What a scope heeds beside its future.
pub(crate) enum Heed {
    /// Nothing.
    Nothing,
    /// The loss of the hold.
    Loss(WatchSlot),
}

impl<F: Future> Scope<F> {
    /// Runs to the end, whatever becomes of the hold.
    pub(crate) fn to_the_end(frame: Arc<Frame>, future: F) -> Self {
        Self { frame, heed: Heed::Nothing, future: Some(future) }
    }

    /// Ends at the next await after the loss of the hold.
    pub(crate) fn until_lost(frame: Arc<Frame>, future: F) -> Self {
        Self { frame, heed: Heed::Loss(None), future: Some(future) }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = Result<F::Output, Loss>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inside = Entered::new(Arc::clone(this.frame));
        if let Heed::Loss(_) = this.heed
            && let Some(loss) = this.frame.cell().loss()
        {
            this.future.set(None);
            return Poll::Ready(Err(loss));
        }
        let future = this.future.as_mut().as_pin_mut().expect("polled after it was ready");
        if let Poll::Ready(output) = future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        let Heed::Loss(slot) = this.heed else {
            return Poll::Pending;
        };
        match this.frame.cell().poll_lost(slot, context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(loss) => {
                this.future.set(None);
                drop(inside);
                Poll::Ready(Err(loss))
            }
        }
    }
}
