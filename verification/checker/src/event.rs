//! The events of a run.

use serde::{Deserialize, Serialize};

/// An instant in nanoseconds, on one clock for all processes of a run.
pub type Nanos = u64;

/// Identifies one acquire in a run.
pub type Request = u64;

/// One thing that a caller of the lock did or observed, or a fault.
///
/// # Timestamps
///
/// A timestamp never makes an interval look longer than it was for the property that judges it:
///
/// - Waiting is measured from outside: `Requested` is stamped before the call, and `Acquired`,
///   `Refused` and `Cancelled` after it returns.
/// - Holding is measured from inside: `Acquired`, `Extended` and `LossReported` are stamped when
///   they were already true, `Released` before the release starts.
/// - `Queued` is stamped when it was already true, `RegisterWrite` by the register while it
///   decides, and `CounterUpdate` after the write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The timestamp.
    pub at: Nanos,
    /// The process.
    pub process: u32,
    /// The task or thread of the process.
    pub task: u32,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A caller asks for a lock.
    Requested {
        /// The new request.
        request: Request,
        /// The lock.
        key: u32,
        /// When the wait has to end; `None` waits without limit.
        deadline: Option<Nanos>,
        /// The lock is certain to be available by the deadline: any outcome but a hold is a
        /// violation.
        must_succeed: bool,
    },
    /// The server confirmed that the request is queued. From now on, later requests may bypass it
    /// only up to the bound.
    Queued {
        /// The request.
        request: Request,
    },
    /// The request has the lock, and its section begins.
    Acquired {
        /// The request.
        request: Request,
        /// The fencing token that the caller got.
        fence: u64,
        /// When the lease expires unless it is renewed, as far as the process knows now.
        valid_until: Nanos,
        /// For a re-entry: the innermost enclosing request that holds this key.
        outer: Option<Request>,
    },
    /// The key of an outermost hold stays taken until this instant, also if it is released before.
    Kept {
        /// The request.
        request: Request,
        /// Until when at least.
        until: Nanos,
    },
    /// The lease is now known to be valid until a later instant.
    Extended {
        /// The request.
        request: Request,
        /// When the lease expires.
        until: Nanos,
    },
    /// The holder was notified that its lease is lost.
    LossReported {
        /// The request.
        request: Request,
    },
    /// The section is over and the lock is released. A shared hold is released by its last user.
    Released {
        /// The request.
        request: Request,
    },
    /// The request failed.
    Refused {
        /// The request.
        request: Request,
        /// The reason.
        why: Refusal,
    },
    /// The caller dropped the request while it waited.
    Cancelled {
        /// The request.
        request: Request,
    },
    /// The request wrote to the register that compares fencing tokens. The register stamps the
    /// event while it decides, so the order of timestamps is the order of decisions. The process is
    /// the writer's.
    RegisterWrite {
        /// The request.
        request: Request,
        /// Whether the register accepted the write.
        accepted: bool,
    },
    /// The request read the unfenced counter of its key, paused, and wrote the value plus one.
    CounterUpdate {
        /// The request.
        request: Request,
        /// The value that was read.
        read: u64,
    },
    /// The final value of the unfenced counter of a key.
    CounterTotal {
        /// The key.
        key: u32,
        /// The value.
        count: u64,
    },
    /// The process is paused (`true`) or resumed (`false`). A paused process meets no deadlines.
    Paused(bool),
    /// A thread of the process was ready and did not run: the machine was busy. The process meets
    /// its deadlines later by as much.
    Stalled {
        /// Since when. The event is when it ran again.
        since: Nanos,
    },
    /// The process was killed.
    Crashed,
    /// A fault of the server or the network, as text.
    Fault(String),
    /// Resources left after the run, such as keys, connections or threads.
    Leak {
        /// The kind of resource.
        resource: String,
        /// How many more there are than there should be.
        count: u64,
    },
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The lock was not available before the deadline.
    Busy,
    /// The server could not be reached.
    Unavailable,
    /// The server rejected the request.
    Refused,
    /// The request was part of a deadlock.
    Deadlock,
    /// The enclosing hold was lost, or the request's own before its section began.
    Lost,
}

impl EventKind {
    /// The request that the event is about, if any.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        match *self {
            Self::Requested { request, .. }
            | Self::Queued { request }
            | Self::Acquired { request, .. }
            | Self::Kept { request, .. }
            | Self::Extended { request, .. }
            | Self::LossReported { request }
            | Self::Released { request }
            | Self::Refused { request, .. }
            | Self::Cancelled { request }
            | Self::RegisterWrite { request, .. }
            | Self::CounterUpdate { request, .. } => Some(request),
            Self::CounterTotal { .. }
            | Self::Paused(_)
            | Self::Stalled { .. }
            | Self::Crashed
            | Self::Fault(_)
            | Self::Leak { .. } => None,
        }
    }
}
