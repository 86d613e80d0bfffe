//! What is done under a lock.

use std::time::Duration;

/// What is done under a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Writes to the register, which compares tokens, at the beginning and at the end, late or not.
    pub writes: bool,
    /// Reads the counter at the beginning, and writes one more at the end if the hold is still valid.
    pub counts: bool,
    /// How long it stays.
    pub stay: Duration,
}

impl Deeds {
    /// Counts.
    #[must_use]
    pub fn count(stay: Duration) -> Self {
        Self { counts: true, stay, writes: false }
    }

    /// Writes to the register.
    #[must_use]
    pub fn write(stay: Duration) -> Self {
        Self { writes: true, stay, counts: false }
    }
}
