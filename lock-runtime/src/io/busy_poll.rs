//! How long the I/O thread polls for work before it sleeps.
//!
//! Waking a thread costs more than taking a lock. While replies are fast, the I/O thread stays
//! awake for them and for the caller that acts on them: for two average round trips, within limits.
//! With slow replies it polls only for a caller's next message. With one core it does not poll at
//! all. Each poll yields to other threads.

#[cfg(test)]
mod tests;

use std::thread;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct BusyPoll {
    enabled: bool,
    /// Moving average.
    round_trip: Duration,
}

const MAX_POLL: Duration = Duration::from_micros(200);
/// For round trips that are too long to poll for: covers the next message of a caller that just got
/// its reply.
const MIN_POLL: Duration = Duration::from_micros(20);

impl BusyPoll {
    pub(crate) fn new() -> Self {
        let enabled = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        Self { enabled, round_trip: MAX_POLL / 4 }
    }

    pub(crate) fn record_round_trip(&mut self, round_trip: Duration) {
        // So that one stall does not count for long.
        let seen = round_trip.min(MAX_POLL * 4);
        self.round_trip = (self.round_trip * 7 + seen) / 8;
    }

    /// How long to poll after the latest work.
    pub(crate) fn span(&self) -> Duration {
        let wanted = self.round_trip * 2;
        match self.enabled {
            false => Duration::ZERO,
            true if wanted > MAX_POLL * 2 => MIN_POLL,
            true => wanted.clamp(MIN_POLL, MAX_POLL),
        }
    }
}
