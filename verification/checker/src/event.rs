//! The events of a run.

use serde::{Deserialize, Serialize};

/// An instant in nanoseconds, on one clock for all processes of a run.
pub type Nanos = u64;

/// Names one request for a lock, in the whole run.
pub type Request = u64;

/// Something that a caller did or saw, or that befell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, so that no span is judged longer than it was for what it is judged by. A wait is judged from outside: `Asked` is
    /// dated before the call, its end (`Entered`, `Refused`, `Cancelled`) after it. A hold is judged from inside: `Entered`,
    /// `Valid` and `Lost` are dated when they were already true, `Left` before the lock is let go of. `Queued` is dated when it
    /// was already true, `Wrote` by the register itself while it decides, `Counted` after the write.
    pub at: Nanos,
    /// In which process.
    pub process: u32,
    /// In which task or thread of it.
    pub task: u32,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A request for a key is made, which is to end by the deadline.
    Asked {
        /// Its name.
        request: Request,
        /// Which lock.
        key: u32,
        /// When its wait ends; `None` waits as long as it takes.
        deadline: Option<Nanos>,
        /// The lock is known to be had by then: anything but a hold is a violation.
        surely: bool,
    },
    /// The server has said that it waits: from now on nobody may pass it beyond the bound.
    Queued {
        /// Which.
        request: Request,
    },
    /// It has the lock, and its section begins.
    Entered {
        /// Which.
        request: Request,
        /// The fencing token it was shown.
        fence: u64,
        /// Until when the hold is valid unless it is extended, as far as its process knows now.
        valid_until: Nanos,
        /// The request whose hold it re-enters, if it does: the innermost one around it that holds this key.
        within: Option<Request>,
    },
    /// Its hold is now known to be valid until then.
    Valid {
        /// Which.
        request: Request,
        /// Until when.
        until: Nanos,
    },
    /// Its caller is told that the hold is lost.
    Lost {
        /// Which.
        request: Request,
    },
    /// Its section is over, and the lock is let go of; a hold that is shared is left when the last sharer is done.
    Left {
        /// Which.
        request: Request,
    },
    /// It ended without the lock.
    Refused {
        /// Which.
        request: Request,
        /// Why.
        why: Refusal,
    },
    /// Its caller does not want it any more: dropped while it waited.
    Cancelled {
        /// Which.
        request: Request,
    },
    /// It wrote to the register that compares fencing tokens, under its own. Dated by the register while it decides, so that
    /// the order of the dates is that of the decisions; the process is that of the writer.
    Wrote {
        /// Which.
        request: Request,
        /// Whether the register took it.
        accepted: bool,
    },
    /// It read the unfenced counter of its key, paused, and wrote one more.
    Counted {
        /// Which.
        request: Request,
        /// What it read.
        read: u64,
    },
    /// The unfenced counter of a key, read when all was over.
    Total {
        /// Which.
        key: u32,
        /// What it stood at.
        count: u64,
    },
    /// The process stands still from now on, or no more: what it owes while it does is excused.
    Paused(bool),
    /// The process is gone, with everything in it.
    Crashed,
    /// A fault of the server or the network, in words.
    Fault(String),
    /// Looked for when all was over: how much of something is left, such as keys, connections, threads.
    Leftover {
        /// Of what.
        kind: String,
        /// How many more than there should be.
        count: u64,
    },
}

/// Why a request ended without the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Something stood in the way until the deadline.
    Busy,
    /// The server could not be reached, or could not just then.
    Unavailable,
    /// The server refused.
    Refused,
    /// It waited for itself.
    Deadlock,
    /// The hold that it would have re-entered, or its own before it was entered, is over.
    Lost,
}

impl What {
    /// The request that it is about, if it is about one.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        match *self {
            Self::Asked { request, .. }
            | Self::Queued { request }
            | Self::Entered { request, .. }
            | Self::Valid { request, .. }
            | Self::Lost { request }
            | Self::Left { request }
            | Self::Refused { request, .. }
            | Self::Cancelled { request }
            | Self::Wrote { request, .. }
            | Self::Counted { request, .. } => Some(request),
            Self::Total { .. }
            | Self::Paused(_)
            | Self::Crashed
            | Self::Fault(_)
            | Self::Leftover { .. } => None,
        }
    }
}
