//! What a run has to satisfy.

use crate::Nanos;

/// What a run has to satisfy; depends on its faults and on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// No fault made the server lose acknowledged data, and no clock jumped further than the
    /// server's slack. Then two valid holds at once are a violation, and the unfenced counter has
    /// to be exact. Otherwise double holds are counted.
    pub lossless: bool,
    /// How late an outcome or a notification may be: the time the machine needs to run code that is
    /// due.
    pub slack: Nanos,
    /// How many requests made after a waiter was queued may get the lock before it. `None` skips
    /// the check, for runs that lose the queue.
    pub max_bypass: Option<u32>,
    /// How long a key may be without a live holder while a request waits for it: the ttl plus the
    /// server's slack. `None` skips the check.
    pub takeover: Option<Nanos>,
}

impl Default for Rules {
    /// A lossless run with a slack of 100 ms, without the checks of bypass and takeover.
    fn default() -> Self {
        Self { lossless: true, slack: 100_000_000, max_bypass: None, takeover: None }
    }
}
