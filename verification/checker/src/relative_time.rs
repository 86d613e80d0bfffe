//! Instants as people read them.

use std::fmt;

use crate::Nanos;

/// An instant relative to the start of a run: `+12.345 ms`.
pub(crate) struct RelativeTime {
    pub(crate) at: Nanos,
    pub(crate) start: Nanos,
}

impl fmt::Display for RelativeTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.at < self.start { '-' } else { '+' };
        let micros = self.at.abs_diff(self.start) / 1_000;
        f.pad(&format!("{sign}{}.{:03} ms", micros / 1_000, micros % 1_000))
    }
}
