//! The clock of a run, which all processes of a machine share.

use std::thread;
use std::time::Duration;

use checker::Nanos;
use rustix::time::{ClockId, clock_gettime};

#[must_use]
pub fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |number: i64| u64::try_from(number).expect("the clock starts at the boot");
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

/// So many nanoseconds.
#[must_use]
pub fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).expect("no span here is longer than 500 years")
}

/// What is left until then; nothing if it is over.
#[must_use]
pub fn left(until: Nanos) -> Duration {
    Duration::from_nanos(until.saturating_sub(now()))
}

/// Waits until then on this thread.
pub fn sleep_until(instant: Nanos) {
    thread::sleep(left(instant));
}

#[cfg(test)]
mod tests;
