//! The clock of the in-memory server, values with a TTL, and the fence counter with its quarantine:
//! `next_fences` of `grant.lua`, and `init_fence.lua`.

use std::time::Duration;

use crate::types::fence::{Fence, FenceRange};
use crate::types::time::millis;
use crate::wire::keyspace::{DataLossGrace, SMALL_FENCE_RANGE};

/// Below this a counter cannot have been seeded from a clock.
const PLAUSIBLE: u64 = 1_000_000_000_000_000;

/// How far ahead of the clock larger blocks may carry the counter, in microseconds.
const AHEAD: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum FenceCounter {
    #[default]
    Missing,
    At(u64),
    Wait(DataLossWait),
}

/// A loss of data that is waited out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataLossWait {
    /// When it was noticed, in microseconds.
    loss: u64,
    /// The longest lease of before, in microseconds.
    max_lease: u64,
    /// The highest token known.
    issued: u64,
}

impl DataLossWait {
    const fn until(self) -> u64 {
        self.loss.saturating_add(self.max_lease)
    }
}

impl FenceCounter {
    /// The next tokens, or the instant until which none are issued, in microseconds.
    pub(crate) fn next(
        &mut self,
        now: ServerTime,
        wanted: u32,
        min_fence: Fence,
        data_loss_grace: DataLossGrace,
    ) -> Result<FenceRange, u64> {
        let now = now.micros();
        let known = match self.draw(now, wanted) {
            Some(fences) if fences.first > min_fence && fences.first.get() > PLAUSIBLE => {
                return Ok(fences);
            }
            Some(fences) => DataLossWait {
                loss: now,
                max_lease: 0,
                issued: fences.first.get().saturating_sub(1),
            },
            None => self.waited_out(now),
        };
        let wait = DataLossWait {
            loss: known.loss.min(now),
            max_lease: known.max_lease.max(micros(data_loss_grace.max_lease)),
            issued: known.issued.max(min_fence.get()),
        };
        let over = now >= wait.until();
        if !over && data_loss_grace.waits {
            *self = Self::Wait(wait);
            return Err(wait.until());
        }
        let first = Fence::new(now.max(wait.issued.saturating_add(1)));
        let fences = FenceRange::new(first, wanted.min(SMALL_FENCE_RANGE));
        let issued = fences.last().get();
        *self = if over { Self::At(issued) } else { Self::Wait(DataLossWait { issued, ..wait }) };
        Ok(fences)
    }

    /// The next tokens if they are above this one and the counter is sound, else it stays as it is:
    /// a release.
    pub(crate) fn next_sound(
        &mut self,
        now: ServerTime,
        wanted: u32,
        above: Fence,
    ) -> Option<FenceRange> {
        let before = *self;
        let drawn = self.draw(now.micros(), wanted);
        let sound = drawn.filter(|drawn| drawn.first > above && drawn.first.get() > PLAUSIBLE);
        if sound.is_none() {
            *self = before;
        }
        sound
    }

    /// As many tokens as this if the counter is sound, else it stays as it is: several locks in
    /// `acquire.lua`.
    pub(crate) fn take_all(&mut self, size: u32, min_fence: Fence) -> Option<FenceRange> {
        let Self::At(last) = self else { return None };
        let fences = FenceRange::new(Fence::new(last.saturating_add(1)), size);
        let sound = fences.first > min_fence && fences.first.get() > PLAUSIBLE;
        sound.then(|| {
            *last = fences.last().get();
            fences
        })
    }

    /// A block of this size, or a small one where a large one would carry the counter far ahead of
    /// the clock.
    fn draw(&mut self, now: u64, wanted: u32) -> Option<FenceRange> {
        let before = match self {
            Self::Missing => 0,
            Self::At(number) => *number,
            Self::Wait(_) => return None,
        };
        let far = before.saturating_add(wanted.into()) > now.saturating_add(AHEAD);
        let size = if far { wanted.min(SMALL_FENCE_RANGE) } else { wanted };
        *self = Self::At(before.saturating_add(size.into()));
        Some(FenceRange::new(Fence::new(before.saturating_add(1)), size))
    }

    /// A place in a queue: from the counter, or from the clock while that is not one.
    pub(crate) fn ticket(&mut self, now: ServerTime) -> u64 {
        self.draw(now.micros(), 1).map_or(now.micros(), |ticket| ticket.first.get())
    }

    /// Whether there was none.
    pub(crate) fn open(
        &mut self,
        now: ServerTime,
        min_fence: Fence,
        longest: Duration,
        lost: bool,
    ) -> bool {
        if !matches!(self, Self::Missing) {
            return false;
        }
        let (now, min_fence) = (now.micros(), min_fence.get());
        *self = if lost {
            Self::Wait(DataLossWait { loss: now, max_lease: micros(longest), issued: min_fence })
        } else {
            Self::At(now.max(min_fence.saturating_add(1)))
        };
        true
    }

    const fn waited_out(&self, now: u64) -> DataLossWait {
        match self {
            Self::Wait(wait) => *wait,
            Self::Missing | Self::At(_) => DataLossWait { loss: now, max_lease: 0, issued: 0 },
        }
    }
}

/// An instant of the server's clock. TTLs count its milliseconds, waiters' leases its microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerTime {
    micros: u64,
}

impl ServerTime {
    pub(crate) const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    pub(crate) const fn micros(self) -> u64 {
        self.micros
    }

    const fn millis(self) -> u64 {
        self.micros / 1_000
    }
}

/// A key of the server: a value that is gone when its time is over.
#[derive(Debug)]
pub(crate) struct WithTtl<T> {
    pub(crate) value: T,
    /// The last millisecond at which the value is there; `None` is for ever.
    until_ms: Option<u64>,
}

impl<T> WithTtl<T> {
    pub(crate) fn lasting(value: T) -> Self {
        Self { value, until_ms: None }
    }

    pub(crate) fn expired(&self, now: ServerTime) -> bool {
        self.until_ms.is_some_and(|until| now.millis() > until)
    }

    pub(crate) fn left(&self, now: ServerTime) -> Option<Duration> {
        self.until_ms.map(|until| Duration::from_millis(until.saturating_sub(now.millis())))
    }

    pub(crate) fn set_ttl(&mut self, now: ServerTime, ttl: Duration) {
        self.until_ms = Some(now.millis().saturating_add(millis(ttl)));
    }

    /// As [`Self::set_ttl`], but never to an earlier end.
    pub(crate) fn extend_ttl(&mut self, now: ServerTime, ttl: Duration) {
        let end = now.millis().saturating_add(millis(ttl));
        self.until_ms = Some(self.until_ms.map_or(end, |until| until.max(end)));
    }
}

/// The scripts' microseconds of a span that came as whole milliseconds.
pub(crate) fn micros(span: Duration) -> u64 {
    millis(span).saturating_mul(1_000)
}

pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
