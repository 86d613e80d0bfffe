//! What a run is held to.

use crate::Nanos;

/// What a run is held to: depends on the faults it was put through and on the machine it ran on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// No fault made the server lose what it had acknowledged, and no clock jumped further than the guard: two valid holds at
    /// once are violations, and the unfenced counter is exact. If not, such holds are counted.
    pub lossless: bool,
    /// How much later than due an end or a notice may be dated: what the machine needs to run the code that is due.
    pub slack: Nanos,
    /// How many requests that were made after a waiter was queued may have the lock before it; `None` does not look. Runs
    /// that lose the queue have no such bound.
    pub passed_over: Option<u32>,
    /// How long a key may be without a live holder while somebody waits: ttl and guard; `None` does not look.
    pub takeover: Option<Nanos>,
}

impl Default for Rules {
    /// A lossless run with a slack of 100 ms, order and takeover not looked at.
    fn default() -> Self {
        Self { lossless: true, slack: 100_000_000, passed_over: None, takeover: None }
    }
}
