//! The longest lease of a key space.
//!
//! A server that lost its data does not know what it had granted. The longest lease is therefore
//! kept outside of the data: every process knows it, and the server's script cache, which a flush
//! does not clear, has one script for each step that was ever needed. There are few steps, so that
//! one command can check them all.

use std::fmt::{self, Display};
use std::time::Duration;

/// 2^(n/8) in millionths, rounded up.
const EIGHTHS: [u64; 8] =
    [1_000_000, 1_090_508, 1_189_208, 1_296_840, 1_414_214, 1_542_211, 1_681_793, 1_834_009];

/// The lowest step is the lease of a waiter, which a pushed grant may last.
const LOWEST_US: u64 = 2_000_000;

/// Twenty doublings and a half: the highest step, 31 days, is above the longest ttl with its guard.
const STEPS: usize = 164;

/// All steps, from the lowest to the highest.
pub fn lease_steps() -> impl DoubleEndedIterator<Item = Duration> + ExactSizeIterator {
    (0..STEPS).map(|number| {
        let us = (LOWEST_US * EIGHTHS[number % 8]) << (number / 8);
        Duration::from_millis(us / 1_000_000_000)
    })
}

/// The lowest step that covers a lease; the highest where none does.
#[must_use]
pub fn lease_step_for(lease: Duration) -> Duration {
    let mut last = Duration::ZERO;
    for step in lease_steps() {
        last = step;
        if step >= lease {
            break;
        }
    }
    last
}

/// What to do if the server turns out to have lost its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataLossGrace {
    /// The longest lease that any process may have been granted before, as far as known.
    pub max_lease: Duration,
    /// Whether the process waits until such a lease is over, or goes on at once. Others wait in
    /// either case.
    pub waits: bool,
}

/// As the scripts read it: milliseconds, below zero for a process that does not wait.
impl Display for DataLossGrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.waits { "" } else { "-" };
        write!(f, "{sign}{}", self.max_lease.as_millis())
    }
}

#[cfg(test)]
mod tests;
