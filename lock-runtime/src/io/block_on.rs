//! Waiting on a plain thread.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use tokio::task::unconstrained;

use crate::types::sync::thread::Thread;
use crate::types::sync::{thread, thread_local};
use crate::types::time;
use crate::types::time::Timestamp;

/// Two wake-ups on a machine whose cores sleep deep.
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

/// Not inlined, so that all these wakers have one vtable: that is how [`waker_kind`] knows them.
#[inline(never)]
fn unpark_this_thread() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

thread_local! {
    static WAKER: Waker = unpark_this_thread();
}

/// How the wakers of threads that wait here work.
pub fn waker_kind() -> &'static RawWakerVTable {
    WAKER.with(Waker::vtable)
}

/// Runs a future to its end on this thread, which sleeps meanwhile. Unlike the runtimes' own `block_on` it may
/// be called anywhere, as it needs nothing from the thread; a runtime's worker is kept busy all the same.
///
/// Within a task of tokio the future is polled outside of the task's cooperative budget: once that is used up, tokio's channels
/// answer `Pending` and leave the wake-up to a scheduler that cannot run while this thread sleeps.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block(pin!(unconstrained(future)), || Timestamp::ZERO)
}

/// The same for a wait that may be over in less time than it takes to fall asleep and to be woken: it lets others run for a
/// while before it sleeps.
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
            // Roused without an answer: it comes soon.
            awake_until = awake_from_now();
        }
    }
}
