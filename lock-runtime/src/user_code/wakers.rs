//! Wakers that may panic, block, or run code when they are dropped.

use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

use crate::user_code::helper::Helpers;
use crate::user_code::off_this_thread;

/// How wakers work that are known to do no more than to mark a task or a thread as ready.
static KNOWN: OnceLock<Vec<&'static RawWakerVTable>> = OnceLock::new();

/// Has wakers of these kinds be woken directly. The first call counts.
pub(crate) fn know(kinds: impl FnOnce() -> Vec<&'static RawWakerVTable>) {
    KNOWN.get_or_init(kinds);
}

/// A waker to keep and to wake instead of this one, on any thread. It is the waker itself where that is known to be harmless.
pub(crate) fn guarded(waker: &Waker) -> Waker {
    if is_known(waker) {
        waker.clone()
    } else {
        Waker::from(Arc::new(Guarded(Some(waker.clone()))))
    }
}

/// Polls a future whose channel keeps the waker and wakes it by itself.
pub(crate) fn poll_guarded<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    if is_known(context.waker()) {
        return future.poll(context);
    }
    future.poll(&mut Context::from_waker(&guarded(context.waker())))
}

/// The output of such a future.
pub(crate) async fn with_guarded<F: Future + Unpin>(mut future: F) -> F::Output {
    std::future::poll_fn(|context| poll_guarded(Pin::new(&mut future), context)).await
}

fn is_known(waker: &Waker) -> bool {
    // All wakers are the checker's own, and a wrapper around them would only add schedules.
    if cfg!(any(distlock_shuttle, distlock_loom)) {
        return true;
    }
    let known = KNOWN.get().into_iter().flatten();
    known.into_iter().any(|kind| ptr::eq(*kind, waker.vtable()))
}

/// A waker of foreign code. Taken out when it is dropped.
struct Guarded(Option<Waker>);

impl Wake for Guarded {
    fn wake(self: Arc<Self>) {
        off_this_thread(move || self.0.iter().for_each(Waker::wake_by_ref), Helpers::wake);
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let waker = self.0.take();
        off_this_thread(move || drop(waker), Helpers::wake);
    }
}
