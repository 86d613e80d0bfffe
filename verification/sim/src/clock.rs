//! Clocks that do not agree.

use checker::Nanos;

/// A clock that began elsewhere and runs at a rate of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    offset: u64,
    ppm: i64,
}

const MILLION: i128 = 1_000_000;

impl Clock {
    /// The world's own.
    pub(crate) const TRUE: Self = Self { offset: 0, ppm: 0 };

    pub(crate) const fn new(offset: u64, ppm: i64) -> Self {
        Self { offset, ppm }
    }

    /// What it shows at an instant of the world.
    pub(crate) fn read(self, now: Nanos) -> u64 {
        let run = i128::from(now) * (MILLION + i128::from(self.ppm)) / MILLION;
        self.offset + u64::try_from(run).unwrap_or(u64::MAX)
    }

    /// The instant of the world at which it first shows this, if that is to come.
    pub(crate) fn when(self, shown: u64) -> Nanos {
        let run = i128::from(shown.saturating_sub(self.offset));
        let rate = MILLION + i128::from(self.ppm);
        u64::try_from((run * MILLION + rate - 1) / rate).unwrap_or(u64::MAX)
    }
}
