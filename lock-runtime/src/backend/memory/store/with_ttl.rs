//! Values that are gone when their time is over, and the units in which the scripts count time.

use std::time::Duration;

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

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
