//! The fence counter and its quarantine: `next_fences` of `common.lua`, and `open.lua`.

use std::time::Duration;

use super::expiry::{Stamp, micros};
use crate::Fence;
use crate::fence::FenceBlock;
use crate::wire::SMALL_BLOCK;

/// Below this a counter cannot have been seeded from a clock.
const PLAUSIBLE: u64 = 1_000_000_000_000_000;

/// How far ahead of the clock larger blocks may carry the counter, in microseconds.
const AHEAD: u64 = 1_000_000;

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
    /// The next tokens, or the instant until which none are issued, in microseconds.
    pub(super) fn next(
        &mut self,
        now: Stamp,
        wanted: u32,
        floor: Fence,
        quarantine: Duration,
    ) -> Result<FenceBlock, u64> {
        let now = now.micros();
        let until = match self.draw(now, wanted) {
            Some(fences) if fences.first() > floor && fences.first().get() > PLAUSIBLE => {
                return Ok(fences);
            }
            Some(_) => now.saturating_add(micros(quarantine)),
            None => self.until().min(now.saturating_add(micros(quarantine).max(LONGEST_WAIT))),
        };
        if now < until {
            *self = Self::Wait(until);
            return Err(until);
        }
        Ok(self.seed(now, floor, wanted.min(SMALL_BLOCK)))
    }

    /// As many tokens as this if the counter is sound, else it stays as it is: `acquire_all.lua`.
    pub(super) fn take_all(&mut self, size: u32, floor: Fence) -> Option<FenceBlock> {
        let Self::At(last) = self else { return None };
        let fences = FenceBlock::new(Fence::new(last.saturating_add(1)), size);
        let sound = fences.first() > floor && fences.first().get() > PLAUSIBLE;
        sound.then(|| {
            *last = fences.last().get();
            fences
        })
    }

    /// A block of this size, or a small one where a large one would carry the counter far ahead of the clock.
    fn draw(&mut self, now: u64, wanted: u32) -> Option<FenceBlock> {
        let before = match self {
            Self::Missing => 0,
            Self::At(number) => *number,
            Self::Wait(_) => return None,
        };
        let far = before.saturating_add(wanted.into()) > now.saturating_add(AHEAD);
        let size = if far { wanted.min(SMALL_BLOCK) } else { wanted };
        *self = Self::At(before.saturating_add(size.into()));
        Some(FenceBlock::new(Fence::new(before.saturating_add(1)), size))
    }

    /// A place in a queue: from the counter, or from the clock while that is not one.
    pub(super) fn ticket(&mut self, now: Stamp) -> u64 {
        self.draw(now.micros(), 1).map_or(now.micros(), |ticket| ticket.first().get())
    }

    pub(super) fn open(&mut self, now: Stamp, floor: Fence, quarantine: Duration) -> bool {
        if !matches!(self, Self::Missing) {
            return false;
        }
        if quarantine.as_millis() > 0 {
            *self = Self::Wait(now.micros().saturating_add(micros(quarantine)));
        } else {
            self.seed(now.micros(), floor, 1);
        }
        true
    }

    fn seed(&mut self, now: u64, floor: Fence, size: u32) -> FenceBlock {
        let first = Fence::new(now.max(floor.get().saturating_add(1)));
        let fences = FenceBlock::new(first, size);
        *self = Self::At(fences.last().get());
        fences
    }

    fn until(&self) -> u64 {
        match self {
            Self::Wait(until) => *until,
            Self::Missing | Self::At(_) => 0,
        }
    }
}
