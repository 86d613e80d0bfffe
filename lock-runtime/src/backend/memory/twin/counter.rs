//! The fence counter and its quarantine: `next_fences` of `common.lua`, and `open.lua`.

use std::time::Duration;

use crate::backend::memory::twin::expiry::{Stamp, micros};
use crate::types::fence::{Fence, FenceBlock};
use crate::wire::bound::Quarantine;
use crate::wire::call::SMALL_BLOCK;

/// Below this a counter cannot have been seeded from a clock.
const PLAUSIBLE: u64 = 1_000_000_000_000_000;

/// How far ahead of the clock larger blocks may carry the counter, in microseconds.
const AHEAD: u64 = 1_000_000;

#[derive(Debug, Default)]
pub(crate) enum Counter {
    #[default]
    Missing,
    At(u64),
    Wait(Wait),
}

/// A loss of data that is waited out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// When it was noticed, in microseconds.
    loss: u64,
    /// The longest lease of before, in microseconds.
    bound: u64,
    /// The highest token known.
    issued: u64,
}

impl Wait {
    const fn until(self) -> u64 {
        self.loss.saturating_add(self.bound)
    }
}

impl Counter {
    /// The next tokens, or the instant until which none are issued, in microseconds.
    pub(crate) fn next(
        &mut self,
        now: Stamp,
        wanted: u32,
        floor: Fence,
        quarantine: Quarantine,
    ) -> Result<FenceBlock, u64> {
        let now = now.micros();
        let known = match self.draw(now, wanted) {
            Some(fences) if fences.first() > floor && fences.first().get() > PLAUSIBLE => {
                return Ok(fences);
            }
            Some(fences) => {
                Wait { loss: now, bound: 0, issued: fences.first().get().saturating_sub(1) }
            }
            None => self.waited_out(now),
        };
        let wait = Wait {
            loss: known.loss.min(now),
            bound: known.bound.max(micros(quarantine.bound)),
            issued: known.issued.max(floor.get()),
        };
        let over = now >= wait.until();
        if !over && quarantine.waits {
            *self = Self::Wait(wait);
            return Err(wait.until());
        }
        let first = Fence::new(now.max(wait.issued.saturating_add(1)));
        let fences = FenceBlock::new(first, wanted.min(SMALL_BLOCK));
        let issued = fences.last().get();
        *self = if over { Self::At(issued) } else { Self::Wait(Wait { issued, ..wait }) };
        Ok(fences)
    }

    /// As many tokens as this if the counter is sound, else it stays as it is: `acquire_all.lua`.
    pub(crate) fn take_all(&mut self, size: u32, floor: Fence) -> Option<FenceBlock> {
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
    pub(crate) fn ticket(&mut self, now: Stamp) -> u64 {
        self.draw(now.micros(), 1).map_or(now.micros(), |ticket| ticket.first().get())
    }

    /// Whether there was none.
    pub(crate) fn open(&mut self, now: Stamp, floor: Fence, longest: Duration, lost: bool) -> bool {
        if !matches!(self, Self::Missing) {
            return false;
        }
        let (now, floor) = (now.micros(), floor.get());
        *self = if lost {
            Self::Wait(Wait { loss: now, bound: micros(longest), issued: floor })
        } else {
            Self::At(now.max(floor.saturating_add(1)))
        };
        true
    }

    const fn waited_out(&self, now: u64) -> Wait {
        match self {
            Self::Wait(wait) => *wait,
            Self::Missing | Self::At(_) => Wait { loss: now, bound: 0, issued: 0 },
        }
    }
}
