//! The fence counter and its quarantine: `next_fence` of `common.lua`, and `open.lua`.

use std::time::Duration;

use super::expiry::{Stamp, micros};
use crate::Fence;

/// Below this a counter cannot have been seeded from a clock.
const PLAUSIBLE: u64 = 1_000_000_000_000_000;

/// How long a quarantine that another client began is believed, in microseconds.
const LONGEST_WAIT: u64 = 3_600_000_000;

#[derive(Debug, Default)]
pub(super) enum Counter {
    #[default]
    Missing,
    At(u64),
    /// No token is issued before this instant, in microseconds.
    Wait(u64),
}

impl Counter {
    /// The next token, or the instant until which none is issued, in microseconds.
    pub(super) fn next(
        &mut self,
        now: Stamp,
        floor: Fence,
        quarantine: Duration,
    ) -> Result<Fence, u64> {
        let now = now.micros();
        let until = match self.increment() {
            Some(number) if number > floor.get() && number > PLAUSIBLE => {
                return Ok(Fence::new(number));
            }
            Some(_) => now.saturating_add(micros(quarantine)),
            None => self.until().min(now.saturating_add(micros(quarantine).max(LONGEST_WAIT))),
        };
        if now < until {
            *self = Self::Wait(until);
            return Err(until);
        }
        Ok(self.seed(now, floor))
    }

    /// A place in a queue: from the counter, or from the clock while that is not one.
    pub(super) fn ticket(&mut self, now: Stamp) -> u64 {
        self.increment().unwrap_or(now.micros())
    }

    pub(super) fn open(&mut self, now: Stamp, floor: Fence, quarantine: Duration) -> bool {
        if !matches!(self, Self::Missing) {
            return false;
        }
        if quarantine.as_millis() > 0 {
            *self = Self::Wait(now.micros().saturating_add(micros(quarantine)));
        } else {
            self.seed(now.micros(), floor);
        }
        true
    }

    fn seed(&mut self, now: u64, floor: Fence) -> Fence {
        let number = now.max(floor.get().saturating_add(1));
        *self = Self::At(number);
        Fence::new(number)
    }

    /// INCR: a missing counter counts as zero, the quarantine's text is an error.
    fn increment(&mut self) -> Option<u64> {
        let number = match self {
            Self::Missing => 1,
            Self::At(number) => number.saturating_add(1),
            Self::Wait(_) => return None,
        };
        *self = Self::At(number);
        Some(number)
    }

    fn until(&self) -> u64 {
        match self {
            Self::Wait(until) => *until,
            Self::Missing | Self::At(_) => 0,
        }
    }
}
