//! Whose turn it is among the children of one frame.

use std::future::poll_fn;
use std::pin::pin;

use tokio::sync::Notify;

use crate::types::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::user_code::wakers;

/// A mutex for tasks and threads alike, without a guard: a turn outlives the call that took it.
///
/// Free, taken, or taken while somebody may wait: with this third state a turn that nobody waits for costs one
/// atomic exchange to take and one to give back (Drepper, "Futexes Are Tricky", the second mutex). The waiting is
/// tokio's `Notify`, which passes a wake-up on when the one it was for has gone.
#[derive(Debug)]
pub struct Turn {
    state: AtomicU8,
    /// The address of the frame that has it, or had it last; zero before the first.
    holder: AtomicUsize,
    waiters: Notify,
}

const FREE: u8 = 0;
const TAKEN: u8 = 1;
const AWAITED: u8 = 2;

impl Turn {
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(FREE),
            holder: AtomicUsize::new(0),
            waiters: Notify::const_new(),
        }
    }

    /// Notes whose turn it is.
    pub fn held_by(&self, frame: usize) {
        // Read by another thread only to tell who stands in its way, again and again.
        self.holder.store(frame, Ordering::Relaxed);
    }

    /// Whose turn it is, as far as known.
    pub fn holder(&self) -> Option<usize> {
        let holder = self.holder.load(Ordering::Relaxed);
        (self.state.load(Ordering::Relaxed) != FREE && holder != 0).then_some(holder)
    }

    /// Takes the turn if it is free.
    #[must_use]
    pub fn try_take(&self) -> bool {
        self.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Waits for the turn. Cancelled, it has not taken it.
    pub async fn take(&self) {
        loop {
            let mut woken = pin!(self.waiters.notified());
            // Entered as a waiter before the look, so that a turn given back after the look wakes.
            woken.as_mut().enable();
            if self.state.swap(AWAITED, Ordering::Acquire) == FREE {
                return;
            }
            poll_fn(|context| wakers::poll_guarded(woken.as_mut(), context)).await;
        }
    }

    /// Gives the turn back, to the one that has waited longest if it is still free when that one runs.
    pub fn give_back(&self) {
        if self.state.swap(FREE, Ordering::Release) == AWAITED {
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
    fn many_threads_take_turns_one_at_a_time() {
        let shared = Arc::new((Turn::new(), AtomicUsize::new(0), AtomicUsize::new(0)));
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (turn, inside, done) = &*shared;
                    for _ in 0..2_000 {
                        block_on(turn.take());
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                        turn.give_back();
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
    fn a_waiter_that_goes_away_after_it_was_woken_passes_the_turn_on() {
        let turn = Turn::new();
        assert!(turn.try_take());
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(turn.take());
        let mut second = Box::pin(turn.take());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        turn.give_back();
        drop(first);
        assert!(second.as_mut().poll(&mut context).is_ready());
        assert!(!turn.try_take());
    }
}
