use std::time::Duration;

/// The operations of a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ops {
    /// Write to the fenced register at the beginning and at the end, even if the lease has expired.
    pub writes: bool,
    /// Read the counter at the beginning, and write it plus one at the end if the hold is still
    /// valid.
    pub counts: bool,
    pub stay: Duration,
}

impl Ops {
    #[must_use]
    pub fn count(stay: Duration) -> Self {
        Self { counts: true, stay, writes: false }
    }

    #[must_use]
    pub fn write(stay: Duration) -> Self {
        Self { writes: true, stay, counts: false }
    }
}
