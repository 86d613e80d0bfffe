use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::eventually;

const LIMIT: Duration = Duration::from_secs(60);

/// Where threads of a test wait for each other, again and again.
///
/// With [`std::sync::Barrier`], a thread that fails before it has come leaves the others waiting
/// forever, and the test hangs where it should fail.
///
/// ```
/// use std::thread;
/// use testkit::Barrier;
///
/// let barrier = Barrier::new(2);
/// thread::scope(|scope| {
///     scope.spawn(|| barrier.wait());
///     barrier.wait();
/// });
/// ```
#[derive(Debug)]
pub struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
}

impl Barrier {
    /// A barrier for this many threads.
    ///
    /// # Panics
    ///
    /// If `threads` is zero.
    #[must_use]
    pub fn new(threads: usize) -> Barrier {
        assert!(threads > 0, "a barrier without threads");
        Barrier { threads, arrived: AtomicUsize::new(0) }
    }

    /// Waits until all threads have called this. Returns true in the first one that did.
    ///
    /// # Panics
    ///
    /// If that does not happen within a minute.
    #[track_caller]
    pub fn wait(&self) -> bool {
        let before = self.arrived.fetch_add(1, Ordering::SeqCst);
        let all = (before / self.threads + 1) * self.threads;
        eventually(LIMIT, "all threads are at the barrier", || {
            self.arrived.load(Ordering::SeqCst) >= all
        });
        before.is_multiple_of(self.threads)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn threads_meet_in_each_round_and_one_is_the_first() {
        const ROUNDS: usize = 50;
        let barrier = Barrier::new(3);
        let (first, total) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        total.fetch_add(1, Ordering::SeqCst);
                        first.fetch_add(barrier.wait().into(), Ordering::SeqCst);
                        assert!(total.load(Ordering::SeqCst) >= 3 * (round + 1));
                    }
                });
            }
        });
        assert_eq!(first.into_inner(), ROUNDS);
    }
}
