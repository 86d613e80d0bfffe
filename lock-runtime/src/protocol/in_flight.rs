//! Commands that were sent and have no reply yet.

use std::time::Duration;

use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

/// Numbers the calls of one machine in the order of their sending.
pub type CommandId = u64;

/// A call that got no reply of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The server said no; nothing was done and asking again will not help.
    Refused(String),
    /// The server had forgotten the script, which is on its way to it again; nothing was done.
    ScriptMissing,
    /// It could not be done together with others; nothing was done.
    NotBatchable,
    /// The server cannot just now; nothing was done.
    TryAgain(String),
    /// The server refuses until it is repaired, which may be soon; nothing was done.
    Unhealthy(String),
    /// The server is not the primary any more, another may be at its address; nothing was done.
    NotPrimary(String),
    /// The reply made no sense: anything may have been done.
    InvalidReply(String),
    /// The connection died first: anything may have been done.
    ConnectionLost,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct InFlightCommand {
    pub(crate) at: Timestamp,
    pub(crate) kind: CommandKind,
}

/// A ttl that a call wrote, and when that was sent: what the validity of a hold counts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TtlWrite {
    pub(crate) sent: Timestamp,
    pub(crate) ttl: Duration,
}

#[derive(Debug)]
pub(crate) enum CommandKind {
    /// With the ttl that it writes: a nested call may have asked for a longer one since.
    Acquire(RequestId, Duration),
    AcquireAll(Vec<RequestId>),
    Release(RequestId),
    Renew {
        /// With the ttl that it writes for each.
        renewals: Vec<(RequestId, Duration)>,
        /// How many of them are waiters.
        refreshes: usize,
    },
    Probe(RequestId),
    RaiseMaxLease,
}
