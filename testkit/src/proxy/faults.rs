//! The faults, and their state for a whole proxy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The direction of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Requests.
    ToServer,
    /// Replies and pushes.
    ToClient,
}

/// When a connection is closed. Each applies once to every connection that is open at the time of
/// the call; later connections are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// At once.
    Now,
    /// At the next request, which the server never sees.
    BeforeApply,
    /// After the server has replied to the next request, before a byte of that reply is forwarded.
    AfterApply,
    /// In the middle of the next reply: half of its bytes are forwarded.
    MidFrame,
}

/// Faults that last until they are turned off.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// In microseconds, by direction.
    to_server: AtomicU64,
    to_client: AtomicU64,
    drop_pushes: AtomicBool,
}

impl Faults {
    pub(crate) fn set_delay(&self, direction: Direction, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.slot(direction).store(micros, Ordering::SeqCst);
    }

    pub(crate) fn delay(&self, direction: Direction) -> Duration {
        Duration::from_micros(self.slot(direction).load(Ordering::SeqCst))
    }

    pub(crate) fn set_drop_pushes(&self, on: bool) {
        self.drop_pushes.store(on, Ordering::SeqCst);
    }

    pub(crate) fn drop_pushes(&self) -> bool {
        self.drop_pushes.load(Ordering::SeqCst)
    }

    fn slot(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}
