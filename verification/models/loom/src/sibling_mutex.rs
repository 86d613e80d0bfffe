//! The mutex of siblings.

use std::sync::Arc;

use distlock_runtime::verification::SiblingMutex;
use loom::future::block_on;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// The owner of the mutex sees what the previous owners wrote.
pub fn the_sibling_mutex_orders_sections() {
    crate::explore(|| {
        let family = Arc::new(Family { turn: SiblingMutex::default(), sum: AtomicU32::new(0) });
        let sibling = {
            let family = Arc::clone(&family);
            thread::spawn(move || family.waits())
        };
        family.waits();
        sibling.join().expect("it acquires the mutex");
        assert_eq!(family.sum.load(Ordering::Relaxed), 2);
    });
}

/// The same with `try_acquire`.
pub fn try_acquire_of_the_sibling_mutex_orders_sections() {
    crate::explore(|| {
        let family = Arc::new(Family { turn: SiblingMutex::default(), sum: AtomicU32::new(0) });
        let sibling = {
            let family = Arc::clone(&family);
            thread::spawn(move || family.tries())
        };
        let mine = family.tries();
        let both = mine + sibling.join().expect("it tries");
        assert_eq!(family.sum.load(Ordering::Relaxed), both);
        assert!(both > 0, "one of them acquires it");
    });
}

/// The same where a section without a frame, which unlocks it in its own way, comes before another.
pub fn a_section_without_a_frame_orders_the_next() {
    crate::explore(|| {
        let family = Arc::new(Family { turn: SiblingMutex::default(), sum: AtomicU32::new(0) });
        let sibling = {
            let family = Arc::clone(&family);
            thread::spawn(move || family.waits())
        };
        let mine = family.tries_without_a_frame();
        sibling.join().expect("it acquires the mutex");
        assert_eq!(family.sum.load(Ordering::Relaxed), mine + 1);
    });
}

struct Family {
    turn: SiblingMutex,
    sum: AtomicU32,
}

impl Family {
    fn waits(&self) {
        block_on(self.turn.lock());
        self.adds();
    }

    /// How often it acquired the mutex: once or not at all.
    fn tries(&self) -> u32 {
        let free = self.turn.try_lock();
        if free {
            self.adds();
        }
        free.into()
    }

    fn tries_without_a_frame(&self) -> u32 {
        let free = self.turn.try_lock();
        if free {
            self.add();
            if !self.turn.unlock_uncontended() {
                self.turn.unlock();
            }
        }
        free.into()
    }

    fn adds(&self) {
        self.add();
        self.turn.unlock();
    }

    /// Reads and writes in two steps, which only the mutex makes atomic.
    fn add(&self) {
        let sum = self.sum.load(Ordering::Relaxed);
        self.sum.store(sum + 1, Ordering::Relaxed);
    }
}
