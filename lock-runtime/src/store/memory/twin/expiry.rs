//! Values that are gone when their time is over, and the units in which the scripts count time.

use std::time::Duration;

/// An instant of the server's clock. TTLs count its milliseconds, waiters' leases its microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    micros: u64,
}

impl Stamp {
    pub(super) const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    pub(super) const fn micros(self) -> u64 {
        self.micros
    }

    const fn millis(self) -> u64 {
        self.micros / 1_000
    }
}

/// A key of the server: a value that is gone when its time is over.
#[derive(Debug)]
pub(super) struct Expiring<T> {
    pub(super) value: T,
    /// The last millisecond at which the value is there; `None` is for ever.
    until_ms: Option<u64>,
}

impl<T> Expiring<T> {
    pub(super) fn lasting(value: T) -> Self {
        Self { value, until_ms: None }
    }

    pub(super) fn expired(&self, now: Stamp) -> bool {
        self.until_ms.is_some_and(|until| now.millis() > until)
    }

    pub(super) fn left(&self, now: Stamp) -> Option<Duration> {
        self.until_ms.map(|until| Duration::from_millis(until.saturating_sub(now.millis())))
    }

    pub(super) fn prolong(&mut self, now: Stamp, ttl: Duration) {
        self.until_ms = Some(now.millis().saturating_add(millis(ttl)));
    }

    /// As [`Self::prolong`], but never to an earlier end.
    pub(super) fn lengthen(&mut self, now: Stamp, ttl: Duration) {
        let end = now.millis().saturating_add(millis(ttl));
        self.until_ms = Some(self.until_ms.map_or(end, |until| until.max(end)));
    }
}

/// The scripts' microseconds of a span that came as whole milliseconds.
pub(super) fn micros(span: Duration) -> u64 {
    millis(span).saturating_mul(1_000)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
