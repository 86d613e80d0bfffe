//! How long the I/O thread looks for work before it sleeps.

use std::thread;
use std::time::Duration;

/// Waking a thread costs more than a lock: while replies come fast, this thread stays awake for them and for the caller
/// that acts on them. The span follows the round trips seen; where they are long it does not pay, and with one
/// core it would only keep that core from the others.
#[derive(Debug)]
pub(crate) struct BusyPoll {
    enabled: bool,
    /// A moving average.
    round_trip: Duration,
}

/// The longest span that is ever spent.
const MAX_POLL: Duration = Duration::from_micros(200);
/// Where round trips are too long to stay awake for: enough for the caller that has just been answered.
const MIN_POLL: Duration = Duration::from_micros(20);

impl BusyPoll {
    pub(crate) fn new() -> Self {
        let enabled = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        Self { enabled, round_trip: MAX_POLL / 4 }
    }

    /// A call was answered after `round_trip`.
    pub(crate) fn record_round_trip(&mut self, round_trip: Duration) {
        // One stall must not count for long.
        let seen = round_trip.min(MAX_POLL * 4);
        self.round_trip = (self.round_trip * 7 + seen) / 8;
    }

    /// How long to look for more after the latest work.
    pub(crate) fn span(&self) -> Duration {
        let wanted = self.round_trip * 2;
        match self.enabled {
            false => Duration::ZERO,
            true if wanted > MAX_POLL * 2 => MIN_POLL,
            true => wanted.clamp(MIN_POLL, MAX_POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_follows_short_round_trips_and_gives_up_on_long_ones() {
        let mut busy_poll = BusyPoll { enabled: true, round_trip: MAX_POLL };
        let mut after = |micros| {
            (0..64).for_each(|_| busy_poll.record_round_trip(Duration::from_micros(micros)));
            busy_poll.span()
        };
        let near = after(30);
        assert!(near >= Duration::from_micros(60) && near < Duration::from_micros(70), "{near:?}");
        assert_eq!(after(150), MAX_POLL);
        assert_eq!(after(5_000), MIN_POLL);
        assert_eq!(BusyPoll { enabled: false, round_trip: near }.span(), Duration::ZERO);
    }
}
