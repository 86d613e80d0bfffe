//! Clocks with an offset and a drift.

use checker::Nanos;

/// A clock with an offset and a drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    offset: u64,
    ppm: i64,
}

const MILLION: i128 = 1_000_000;

impl Clock {
    /// The clock without offset and drift.
    pub(crate) const TRUE: Self = Self { offset: 0, ppm: 0 };

    pub(crate) const fn new(offset: u64, ppm: i64) -> Self {
        Self { offset, ppm }
    }

    /// Its time at a simulated instant.
    pub(crate) fn read(self, now: Nanos) -> u64 {
        let run = i128::from(now) * (MILLION + i128::from(self.ppm)) / MILLION;
        self.offset + u64::try_from(run).unwrap_or(u64::MAX)
    }

    /// The simulated instant at which it reaches this time.
    pub(crate) fn when(self, shown: u64) -> Nanos {
        let run = i128::from(shown.saturating_sub(self.offset));
        let rate = MILLION + i128::from(self.ppm);
        u64::try_from((run * MILLION + rate - 1) / rate).unwrap_or(u64::MAX)
    }
}
