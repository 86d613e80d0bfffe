//! Clocks whose readings compare between the processes of one host.

use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, the same in all processes of this host.
pub fn now() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// The CPU time of this process so far, of all its threads.
pub fn cpu() -> u64 {
    nanos(clock_gettime(ClockId::ProcessCPUTime))
}

/// Sleeps until [`now`] is `instant`.
pub fn sleep_until(instant: u64) {
    thread::sleep(until(instant));
}

/// How long it is until [`now`] is `instant`.
pub fn until(instant: u64) -> Duration {
    Duration::from_nanos(instant.saturating_sub(now()))
}

pub fn span(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a measurement takes less than 500 years")
}

fn nanos(time: Timespec) -> u64 {
    let nanos = time.tv_sec * 1_000_000_000 + time.tv_nsec;
    u64::try_from(nanos).expect("these clocks begin at zero")
}
