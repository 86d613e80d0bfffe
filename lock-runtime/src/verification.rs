//! The parts of the runtime that its verification crates build on. Not part of the API: it exists only under a `distlock_*` cfg,
//! which those crates set for themselves and no cargo feature sets.

use std::time::Duration;

use crate::LockManager;
use crate::manager::Limits;
use crate::options::Options;

pub use crate::driver::{Dispatcher, Mailbox, Message, ReplyTo, pause};
pub use crate::environment::{Environment, TaskId, install};
pub use crate::protocol::{CallError, Machine, Outlook, Timing};
#[cfg(distlock_sim)]
pub use crate::store::{Publish, Twin};
pub use crate::time::Timestamp;
pub use crate::wire::{
    AcquireReply, Call, EVERYONE, Give, INSPECTED, Nonce, Notice, Reply, SMALL_BLOCK, WAITER_LEASE,
    bound_for,
};

/// A manager without an I/O thread: what its users ask for arrives in `mailbox`, and the caller acts on it.
#[must_use]
pub fn manager(mailbox: Mailbox, timing: &Timing, ttl: Duration, max_handoffs: u32) -> LockManager {
    let limits = Limits { patience: timing.outage + timing.reply, margin: timing.margin };
    let defaults = Options { ttl: Some(ttl), ..Options::DEFAULT };
    LockManager::new(mailbox, max_handoffs, false, defaults, limits, "simulated".to_owned(), None)
}
