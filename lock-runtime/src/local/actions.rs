//! What the owner of a local queue does after an event.

use std::time::Duration;

use crate::local::params::AcquireParams;
use crate::protocol::request::Failure;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::reply::BusyReply;

/// To be done in the order of the fields.
#[derive(Debug)]
pub(super) struct Actions<S> {
    /// Call the queue's `tick` at this instant.
    pub(super) wake_at: Option<Timestamp>,
    /// Restart the `max_hold` of this lease.
    pub(super) reset_max_hold: Option<RequestId>,
    /// Release this lease, or cancel this request.
    pub(super) release: Option<RequestId>,
    /// Send this request to the server.
    pub(super) acquire: Option<AcquireAction>,
    /// Grant this section.
    pub(super) start: Option<StartSection<S>>,
}

#[derive(Debug)]
pub(super) struct AcquireAction {
    pub(super) id: RequestId,
    pub(super) params: AcquireParams,
    /// Whether it waited behind other callers of this process.
    pub(super) queued_locally: bool,
    pub(super) likely_free: bool,
    /// How many fencing tokens to reserve.
    pub(super) fence_count: u32,
    /// A cancelled request whose position in the server's queue this one takes over.
    pub(super) replaces: Option<RequestId>,
}

/// A section that has the lock. `sender` reports it to its caller.
#[derive(Debug)]
pub(super) struct StartSection<S> {
    pub(super) sender: S,
    pub(super) id: RequestId,
    pub(super) fence: Fence,
    pub(super) valid_until: Timestamp,
}

#[derive(Debug)]
pub(super) struct TickResult<S> {
    pub(super) actions: Actions<S>,
    /// Waiters that timed out, and why they did not get the lock.
    pub(super) timed_out: Vec<(S, Failure)>,
    pub(super) slow_waits: Vec<SlowWait>,
}

/// A long wait that is worth a warning.
#[derive(Debug)]
pub struct SlowWait {
    pub waited: Duration,
    pub busy: Option<BusyReply>,
}

/// What a tick found that is worth logging.
#[derive(Debug)]
pub struct TickReport {
    pub slow_waits: Vec<SlowWait>,
    pub long_section: Option<LongSection>,
    /// How many waiters timed out.
    pub timed_out: usize,
}

/// A section of this process that other callers of this process wait for.
#[derive(Debug)]
pub struct LongSection {
    /// The function that runs it.
    pub function: String,
    pub held: Duration,
    /// How many calls wait.
    pub calls: usize,
    /// How long the first of them has waited.
    pub waited: Duration,
}

impl<S> Actions<S> {
    pub(super) const fn none() -> Self {
        Self { wake_at: None, reset_max_hold: None, release: None, acquire: None, start: None }
    }
}
