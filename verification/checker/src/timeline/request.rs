use crate::event::{Nanos, Request};

/// A request from when it was made until it ended. Requests, keys and processes are indices of the
/// timeline.
pub(crate) struct RequestRecord {
    pub(crate) request: Request,
    pub(crate) key: u32,
    pub(crate) process: u32,
    pub(crate) task: u32,
    /// How often its process had crashed before the request was made.
    pub(crate) crashes_before: usize,
    pub(crate) requested: Nanos,
    pub(crate) deadline: Option<Nanos>,
    pub(crate) must_succeed: bool,
    /// When it was first known to be queued.
    pub(crate) queued: Option<Nanos>,
    /// Its hold, if it succeeded.
    pub(crate) hold: Option<Hold>,
    /// Its end, if it failed.
    pub(crate) end: Option<Unsuccessful>,
}

/// The end of a request that failed.
pub(crate) struct Unsuccessful {
    pub(crate) at: Nanos,
    pub(crate) cancelled: bool,
}

/// A hold, or a re-entry into one.
pub(crate) struct Hold {
    pub(crate) at: Nanos,
    pub(crate) fence: u64,
    /// The request that it re-enters.
    pub(crate) outer: Option<u32>,
    /// The outermost request of its chain; itself if it is not a re-entry.
    pub(crate) root: u32,
    /// When its own section ended.
    pub(crate) released: Option<Nanos>,
    /// For an outermost hold: the latest known expiry of its lease.
    pub(crate) until: Nanos,
    /// For an outermost hold: until when its key stays taken, if longer than the hold.
    pub(crate) kept_until: Option<Nanos>,
    /// For an outermost hold: when its loss was first reported.
    pub(crate) loss_reported: Option<Nanos>,
    /// For an outermost hold: how many sections run inside it, including its own.
    pub(crate) inside: u32,
    /// For an outermost hold: when the last section inside it ended.
    pub(crate) last_release: Nanos,
}

impl RequestRecord {
    /// When it succeeded, failed or was cancelled.
    pub(crate) fn settled(&self) -> Option<Nanos> {
        let acquired = self.hold.as_ref().map(|hold| hold.at);
        acquired.or_else(|| self.end.as_ref().map(|end| end.at))
    }

    pub(crate) fn is_held(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.released.is_none())
    }
}
