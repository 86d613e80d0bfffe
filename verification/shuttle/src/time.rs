//! A clock that moves when a model says so, and a little with every look, so that a schedule is the same when it is run
//! again.

use std::cell::Cell;
use std::time::Duration;

pub(crate) use clock::Timestamp;

#[path = "../../../lock-runtime/src/types/time.rs"]
mod clock;

thread_local! {
    /// All threads of a model run on one of the machine's.
    static NOW: Cell<Timestamp> = const { Cell::new(START) };
}

const START: Timestamp = Timestamp::from_nanos(1_000_000_000);
/// How long it takes to look at the clock. A wait that looks again and again comes to its end by that.
const LOOK: Duration = Duration::from_micros(5);

pub(crate) fn now() -> Timestamp {
    pass(LOOK);
    NOW.get()
}

/// Lets time pass.
pub(crate) fn pass(span: Duration) {
    NOW.set(NOW.get().plus(span));
}

/// Begins anew, for another schedule.
pub(crate) fn restart() {
    NOW.set(START);
}
