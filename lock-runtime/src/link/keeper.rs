//! When the keeper has to be woken, and what it does next, without I/O and clock.
//!
//! The keeper is a thread of the link that does what no caller waits for: renewals, heartbeats and
//! everything else that is due, and reading when no caller reads. It sleeps with a timeout, so that
//! callers pay no system call to wake it: only something that is due before it wakes by itself
//! does.

use std::sync::Arc;

use crate::backend::socket::{Interest, Stream};
use crate::link::role::GRACE;
use crate::types::time::Timestamp;

/// What the keeper does next.
pub(crate) struct KeeperPlan {
    pub(crate) wait: KeeperWait,
    pub(crate) until: Option<Timestamp>,
    /// Start to connect first.
    pub(crate) connect: bool,
}

pub(crate) enum KeeperWait {
    Signal,
    /// It watches the reader.
    Socket(Arc<Stream>, Interest),
    Reads(Arc<Stream>, Interest),
}

/// What the link knows of its keeper.
pub(crate) struct KeeperState {
    /// A party or the connection needs it now.
    pub(crate) wanted: bool,
    /// When it wakes up by itself; zero while it is awake.
    wakes_at: Timestamp,
    /// It waits neither for the socket nor for a moment.
    sleeps: bool,
    /// The activity of the role when it last looked, and since when that has not changed.
    seen: u64,
    unchanged_since: Timestamp,
    /// The activity at which it found the socket readable although a task reads.
    unread_at: Option<u64>,
    connecting: Connecting,
}

#[derive(PartialEq, Eq)]
enum Connecting {
    No,
    /// A thread for it is to be started.
    Wanted,
    UnderWay,
}

const NEVER: Timestamp = Timestamp::from_nanos(u64::MAX);

impl KeeperState {
    pub(crate) fn new() -> Self {
        Self {
            wanted: false,
            wakes_at: Timestamp::ZERO,
            sleeps: false,
            seen: 0,
            unchanged_since: Timestamp::ZERO,
            unread_at: None,
            connecting: Connecting::Wanted,
        }
    }

    /// Whether it has to be woken: something is due before it wakes by itself, or it is wanted.
    pub(crate) fn has_to_wake(&mut self, due: Option<Timestamp>) -> bool {
        let early = due.is_some_and(|due| due < self.wakes_at);
        let wanted = std::mem::take(&mut self.wanted) || self.connecting == Connecting::Wanted;
        let asleep = self.wakes_at > Timestamp::ZERO;
        let wake = asleep && (early || wanted);
        if wake {
            self.wakes_at = Timestamp::ZERO;
        }
        wake
    }

    /// Whether it does not notice that nobody reads.
    pub(crate) fn sleeps_past(&self, now: Timestamp) -> bool {
        self.sleeps && self.wakes_at > now.plus(GRACE)
    }

    /// It looks. Returns whether no party has read for some time.
    pub(crate) fn looks(&mut self, now: Timestamp, activity: u64) -> bool {
        if self.seen != activity {
            self.seen = activity;
            self.unchanged_since = now;
            self.unread_at = None;
        }
        now.since(self.unchanged_since) >= GRACE
    }

    /// Whether the task that reads has not come although the socket was readable before.
    pub(crate) fn waits_in_vain(&mut self, readable: bool, activity: u64) -> bool {
        let again = self.unread_at == Some(activity);
        if readable {
            self.unread_at = Some(activity);
        }
        again
    }

    /// Returns whether a thread has to be started that connects.
    pub(crate) fn falls_asleep(&mut self, sleeps: bool, until: Option<Timestamp>) -> bool {
        self.sleeps = sleeps;
        self.wakes_at = until.unwrap_or(NEVER);
        let connect = self.connecting == Connecting::Wanted;
        if connect {
            self.connecting = Connecting::UnderWay;
        }
        connect
    }

    pub(crate) fn connect(&mut self) {
        self.connecting = Connecting::Wanted;
    }

    pub(crate) fn connected(&mut self) {
        self.connecting = Connecting::No;
        // It has to learn of the socket.
        self.wanted = true;
    }

    pub(crate) fn could_not_connect(&mut self) {
        if self.connecting == Connecting::UnderWay {
            self.connecting = Connecting::Wanted;
        }
    }
}
