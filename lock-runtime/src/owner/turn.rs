//! Runs the children of one frame one at a time.

use std::future::poll_fn;
use std::pin::pin;

use tokio::sync::Notify;

use crate::types::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::user_code::wakers;

/// A mutex for tasks and threads, without a guard: it stays locked for longer than the call that locks it.
///
/// With its third state, "locked, and somebody may wait", an uncontended lock and unlock cost one atomic
/// exchange each (Drepper, "Futexes Are Tricky", the second mutex). Tokio's `Notify` does the waiting: it
/// passes a wake-up on if the waiter that it was for is gone.
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
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Waker};
    use std::thread;

    use super::*;
    use crate::io::block_on::block_on;

    #[test]
    fn many_threads_hold_it_one_at_a_time() {
        let shared = Arc::new((SiblingMutex::new(), AtomicUsize::new(0), AtomicUsize::new(0)));
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (mutex, inside, done) = &*shared;
                    for _ in 0..2_000 {
                        block_on(mutex.lock());
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                        mutex.unlock();
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().expect("no overlap");
        }
        assert_eq!(shared.2.load(Ordering::SeqCst), 16_000);
    }

    #[test]
    fn a_waiter_dropped_after_it_was_woken_wakes_the_next() {
        let mutex = SiblingMutex::new();
        assert!(mutex.try_lock());
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(mutex.lock());
        let mut second = Box::pin(mutex.lock());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        mutex.unlock();
        drop(first);
        assert!(second.as_mut().poll(&mut context).is_ready());
        assert!(!mutex.try_lock());
    }
}
