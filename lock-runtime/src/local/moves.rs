//! What follows from an event of a line, for its owner to do.

use std::time::Duration;

use crate::local::waiting::AcquireParams;
use crate::protocol::claim::Failure;
use crate::types::fence::Fence;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::reply::Busy;

/// What is to be done, in this order.
#[derive(Debug)]
pub(crate) struct Actions<S> {
    /// To be looked at again at this instant.
    pub(crate) alarm: Option<Timestamp>,
    /// This hold's `max_hold` counts from now.
    pub(crate) restart: Option<Nonce>,
    /// This hold is to be released, or this request withdrawn.
    pub(crate) end: Option<Nonce>,
    /// This is to be asked of the server.
    pub(crate) ask: Option<AcquireAction>,
    /// This section may begin.
    pub(crate) serve: Option<StartSection<S>>,
}

/// A request for the server.
#[derive(Debug)]
pub(crate) struct AcquireAction {
    pub(crate) nonce: Nonce,
    pub(crate) params: AcquireParams,
    /// Whether others of this process came first.
    pub(crate) behind: bool,
    /// Whether the lock is expected to be free.
    pub(crate) expects_free: bool,
    /// How many tokens to reserve.
    pub(crate) block: u32,
    /// A request that is withdrawn, whose place in the queue this one takes.
    pub(crate) replaces: Option<Nonce>,
}

/// A section that has the lock.
#[derive(Debug)]
pub(crate) struct StartSection<S> {
    pub(crate) slot: S,
    pub(crate) nonce: Nonce,
    pub(crate) fence: Fence,
    pub(crate) valid_until: Timestamp,
}

/// What time has brought.
#[derive(Debug)]
pub(crate) struct TickResult<S> {
    pub(crate) moves: Actions<S>,
    /// Requests whose deadline is over.
    pub(crate) expired: Vec<(S, Failure)>,
    /// Requests that have waited long.
    pub(crate) long: Vec<SlowWait>,
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
    pub(crate) const fn none() -> Self {
        Self { alarm: None, restart: None, end: None, ask: None, serve: None }
    }
}
