//! The life of a request.

use crate::event::{Nanos, Request};

/// The life of a request, from when it was made until it ended.
pub(crate) struct Life {
    /// Its name.
    pub(crate) request: Request,
    /// The index of its key.
    pub(crate) key: u32,
    /// The index of its process.
    pub(crate) process: u32,
    /// Its task.
    pub(crate) task: u32,
    /// How often its process had crashed before.
    pub(crate) crashes_before: usize,
    /// When it was made.
    pub(crate) asked: Nanos,
    /// When it was to end.
    pub(crate) deadline: Option<Nanos>,
    /// Whether it was to have the lock in any case.
    pub(crate) surely: bool,
    /// Since when it was known to be queued.
    pub(crate) queued: Option<Nanos>,
    /// Its hold, if it entered.
    pub(crate) hold: Option<Hold>,
    /// Its end, if it did not.
    pub(crate) end: Option<End>,
}

/// An end without the lock.
pub(crate) struct End {
    /// When.
    pub(crate) at: Nanos,
    /// Whether its caller dropped it.
    pub(crate) cancelled: bool,
}

/// A hold, or a re-entry into one.
pub(crate) struct Hold {
    /// When it was entered.
    pub(crate) at: Nanos,
    /// Its token.
    pub(crate) fence: u64,
    /// The request that it re-enters.
    pub(crate) within: Option<u32>,
    /// The outermost request of its chain: itself, if it re-enters none.
    pub(crate) root: u32,
    /// When its own section was over.
    pub(crate) left: Option<Nanos>,
    /// Of an outermost one: until when it was valid as far as anybody inside knew at last.
    pub(crate) until: Nanos,
    /// Of an outermost one: when somebody inside was first told that it is lost.
    pub(crate) told: Option<Nanos>,
    /// Of an outermost one: how many sections there are inside, with its own.
    pub(crate) inside: u32,
    /// Of an outermost one: when the last section inside was left.
    pub(crate) all_left: Nanos,
}

impl Life {
    /// When it was answered, or dropped.
    pub(crate) fn answered(&self) -> Option<Nanos> {
        let entered = self.hold.as_ref().map(|hold| hold.at);
        entered.or_else(|| self.end.as_ref().map(|end| end.at))
    }

    /// Whether its section is going on.
    pub(crate) fn is_inside(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.left.is_none())
    }
}
