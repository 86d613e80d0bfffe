//! What follows from an event of a line, for its owner to do.

use std::time::Duration;

use super::waiting::AcquireParams;
use crate::Fence;
use crate::protocol::Failure;
use crate::time::Timestamp;
use crate::wire::{Busy, Nonce};

/// What is to be done, in this order.
#[derive(Debug)]
pub(super) struct Actions<S> {
    /// To be looked at again at this instant.
    pub(super) alarm: Option<Timestamp>,
    /// This hold's `max_hold` counts from now.
    pub(super) restart: Option<Nonce>,
    /// This hold is to be released, or this request withdrawn.
    pub(super) end: Option<Nonce>,
    /// This is to be asked of the server.
    pub(super) ask: Option<AcquireAction>,
    /// This section may begin.
    pub(super) serve: Option<StartSection<S>>,
}

/// A request for the server.
#[derive(Debug)]
pub(super) struct AcquireAction {
    pub(super) nonce: Nonce,
    pub(super) params: AcquireParams,
    /// Whether others of this process came first.
    pub(super) behind: bool,
    /// Whether the lock is expected to be free.
    pub(super) expects_free: bool,
    /// How many tokens to reserve.
    pub(super) block: u32,
    /// A request that is withdrawn, whose place in the queue this one takes.
    pub(super) replaces: Option<Nonce>,
}

/// A section that has the lock.
#[derive(Debug)]
pub(super) struct StartSection<S> {
    pub(super) slot: S,
    pub(super) nonce: Nonce,
    pub(super) fence: Fence,
    pub(super) valid_until: Timestamp,
}

/// What time has brought.
#[derive(Debug)]
pub(super) struct TickResult<S> {
    pub(super) moves: Actions<S>,
    /// Requests whose deadline is over.
    pub(super) expired: Vec<(S, Failure)>,
    /// Requests that have waited long.
    pub(super) long: Vec<SlowWait>,
}

/// A long wait that is worth a warning.
#[derive(Debug)]
pub struct SlowWait {
    pub waited: Duration,
    pub busy: Option<Busy>,
}

/// What a look at the waits of a queue has found.
#[derive(Debug)]
pub struct TickReport {
    pub long: Vec<SlowWait>,
    pub held_here: Option<LongSection>,
    /// How many calls waited for as long as they were ready to.
    pub gave_up: usize,
}

/// A section of this process that others of it wait for.
#[derive(Debug)]
pub struct LongSection {
    /// The function or caller that is inside.
    pub function: String,
    /// For how long it has been.
    pub held: Duration,
    /// How many calls of this process wait.
    pub calls: usize,
    /// How long the first of them has waited.
    pub waited: Duration,
}

impl<S> Actions<S> {
    pub(super) const fn none() -> Self {
        Self { alarm: None, restart: None, end: None, ask: None, serve: None }
    }
}
