//! Blocks a thread on a future.

#[cfg(test)]
mod tests;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use tokio::task::unconstrained;

use crate::types::environment::thread::{self, Thread};
use crate::types::environment::thread_local;
use crate::types::time::{self, Timestamp};

/// About two wake-ups on a machine with deep sleep states.
const SPIN: Duration = Duration::from_micros(50);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Not inlined, so that all these wakers have one vtable. [`waker_kind`] identifies them by it.
#[inline(never)]
fn unpark_this_thread() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

thread_local! {
    static WAKER: Waker = unpark_this_thread();
}

/// The vtable of these wakers.
pub fn waker_kind() -> &'static RawWakerVTable {
    WAKER.with(Waker::vtable)
}

/// Runs a future to completion and parks this thread meanwhile. Unlike `block_on` of a runtime it
/// works on any thread. On a worker of a runtime it blocks that worker.
///
/// The future is polled outside of tokio's cooperative budget. With the budget used up, tokio's
/// channels return `Pending` and leave the wake-up to a scheduler, which cannot run while this
/// thread is parked.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block(pin!(unconstrained(future)), || Timestamp::ZERO)
}

/// The same, but yields for a short time before it parks. For waits that may take less time than
/// falling asleep and being woken.
pub fn block_on_with_spin<F: Future>(future: F) -> F::Output {
    block(pin!(unconstrained(future)), || time::now().plus(SPIN))
}

fn block<F: Future>(mut future: Pin<&mut F>, awake_from_now: impl Fn() -> Timestamp) -> F::Output {
    let waker = WAKER.try_with(Waker::clone);
    let waker = waker.unwrap_or_else(|_| unpark_this_thread());
    let mut context = Context::from_waker(&waker);
    let mut awake_until = awake_from_now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if time::now() < awake_until {
            thread::yield_now();
        } else {
            thread::park();
            // Woken early: the result comes soon.
            awake_until = awake_from_now();
        }
    }
}
