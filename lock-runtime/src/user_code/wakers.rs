//! Wakers of foreign executors, which may panic, block, or run code when they are dropped.
//!
//! The vtables of tokio's wakers and of our own are known not to. Any other waker is wrapped: on an
//! I/O thread, waking and dropping it happen on a helper thread.

use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};

use crate::user_code::helper::Helpers;
use crate::user_code::off_this_thread;

/// The vtables of wakers that only mark a task or thread as ready.
static HARMLESS: OnceLock<Vec<&'static RawWakerVTable>> = OnceLock::new();

/// Registers vtables whose wakers are woken directly. Only the first call counts.
pub(crate) fn register_harmless(kinds: impl FnOnce() -> Vec<&'static RawWakerVTable>) {
    HARMLESS.get_or_init(kinds);
}

/// The waker to store instead of this one, which can be woken on any thread. It is the same one if
/// its vtable is known.
pub(crate) fn guarded(waker: &Waker) -> Waker {
    if is_harmless(waker) {
        waker.clone()
    } else {
        Waker::from(Arc::new(Guarded(Some(waker.clone()))))
    }
}

/// Polls a future that stores the waker and wakes it by itself, as a channel's receiver does.
pub(crate) fn poll_guarded<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    if is_harmless(context.waker()) {
        return future.poll(context);
    }
    future.poll(&mut Context::from_waker(&guarded(context.waker())))
}

/// The same, to completion.
pub(crate) async fn with_guarded<F: Future + Unpin>(mut future: F) -> F::Output {
    std::future::poll_fn(|context| poll_guarded(Pin::new(&mut future), context)).await
}

fn is_harmless(waker: &Waker) -> bool {
    // All wakers belong to the model checker, and wrapping them would only add schedules.
    if cfg!(any(distlock_shuttle, distlock_loom)) {
        return true;
    }
    let known = HARMLESS.get().into_iter().flatten();
    known.into_iter().any(|kind| ptr::eq(*kind, waker.vtable()))
}

/// `None` when it is being dropped.
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
