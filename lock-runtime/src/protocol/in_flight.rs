//! Commands that were sent and have no reply yet.

use std::time::Duration;

use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

/// Numbers the commands in the order in which they are sent.
pub type CommandId = u64;

/// Why a command has no reply of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// Refused. Nothing was done, and a retry fails too.
    Refused(String),
    /// The server does not know the script, which is being loaded again. Nothing was done.
    ScriptMissing,
    /// Cannot be part of a batch: send it alone. Nothing was done.
    NotBatchable,
    /// Temporarily impossible. Nothing was done.
    TryAgain(String),
    /// Refused until the server is repaired or recovers. Nothing was done.
    Unhealthy(String),
    /// The server is not the primary any more. Another one may answer at its address. Nothing was
    /// done.
    NotPrimary(String),
    /// An invalid reply: anything may have been done.
    InvalidReply(String),
    /// The connection was lost: anything may have been done.
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
    /// The ttl that it writes; a nested call may have raised the ttl since.
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
