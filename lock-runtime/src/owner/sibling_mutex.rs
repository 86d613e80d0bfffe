//! Runs the children of one frame one at a time.

use std::future::poll_fn;
use std::pin::pin;

use tokio::sync::Notify;

use crate::types::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::user_code::wakers;

/// A mutex for tasks and threads, without a guard: it stays locked for longer than the call that
/// locks it.
///
/// With its third state, "locked, and another section may wait", an uncontended lock and unlock
/// cost one atomic exchange each (Drepper, "Futexes Are Tricky", the second mutex). Tokio's
/// `Notify` does the waiting: it passes a wake-up on if the waiter that it was for is gone.
#[derive(Debug)]
pub struct SiblingMutex {
    state: AtomicU8,
    /// The address of the frame that locked it last, or zero.
    holder: AtomicUsize,
    waiters: Notify,
}

const UNLOCKED: u8 = 0;
const LOCKED: u8 = 1;
const CONTENDED: u8 = 2;

impl SiblingMutex {
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(UNLOCKED),
            holder: AtomicUsize::new(0),
            waiters: Notify::const_new(),
        }
    }

    pub fn set_holder(&self, frame: usize) {
        // Other threads read it only to detect deadlocks, repeatedly.
        self.holder.store(frame, Ordering::Relaxed);
    }

    /// The address of the frame that locked it, as far as known.
    pub fn holder(&self) -> Option<usize> {
        let holder = self.holder.load(Ordering::Relaxed);
        (self.state.load(Ordering::Relaxed) != UNLOCKED && holder != 0).then_some(holder)
    }

    #[must_use]
    pub fn try_lock(&self) -> bool {
        self.state.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Cancel safe: a dropped future has not locked it.
    pub async fn lock(&self) {
        loop {
            let mut woken = pin!(self.waiters.notified());
            // Registered before the state is read, so that an unlock after that wakes it.
            woken.as_mut().enable();
            if self.state.swap(CONTENDED, Ordering::Acquire) == UNLOCKED {
                return;
            }
            poll_fn(|context| wakers::poll_guarded(woken.as_mut(), context)).await;
        }
    }

    /// Wakes the longest waiter. Another caller may lock it before that one runs.
    pub fn unlock(&self) {
        if self.state.swap(UNLOCKED, Ordering::Release) == CONTENDED {
            self.waiters.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
