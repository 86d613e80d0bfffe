//! The turns of siblings.

use std::sync::Arc;

use distlock_runtime::verification::Turn;
use loom::future::block_on;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// Whoever has the turn sees what was done in those before.
pub fn a_turn_comes_after_those_before_it() {
    crate::explore(|| {
        let family = Arc::new(Family { turn: Turn::new(), sum: AtomicU32::new(0) });
        let sibling = {
            let family = Arc::clone(&family);
            thread::spawn(move || family.waits())
        };
        family.waits();
        sibling.join().expect("its turn comes");
        assert_eq!(family.sum.load(Ordering::Relaxed), 2);
    });
}

/// The same for one that does not wait.
pub fn a_turn_that_is_found_free_comes_after_those_before_it() {
    crate::explore(|| {
        let family = Arc::new(Family { turn: Turn::new(), sum: AtomicU32::new(0) });
        let sibling = {
            let family = Arc::clone(&family);
            thread::spawn(move || family.tries())
        };
        let mine = family.tries();
        let both = mine + sibling.join().expect("it tries");
        assert_eq!(family.sum.load(Ordering::Relaxed), both);
        assert!(both > 0, "one of them finds it free");
    });
}

struct Family {
    turn: Turn,
    sum: AtomicU32,
}

impl Family {
    fn waits(&self) {
        block_on(self.turn.take());
        self.adds();
    }

    /// How many turns it had.
    fn tries(&self) -> u32 {
        let free = self.turn.try_take();
        if free {
            self.adds();
        }
        free.into()
    }

    /// Reads and writes in two steps, which only the turn keeps together.
    fn adds(&self) {
        let sum = self.sum.load(Ordering::Relaxed);
        self.sum.store(sum + 1, Ordering::Relaxed);
        self.turn.give_back();
    }
}
