//! What can be seen of a lock from outside.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::Fence;
use crate::printable::printable;
use crate::wire;

/// One lock at one instant, as [`LockManager::inspect`](crate::LockManager::inspect) found it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// Who holds it; `None` if it is free, or if the key under its name is not a lock of this library.
    pub holder: Option<Holder>,
    /// Whether a key that is not a lock of this library stands under its name. With [`expires_in`](Self::expires_in) it may
    /// be the lock of another kind of client.
    pub foreign: bool,
    /// When the hold ends unless it is renewed, or the foreign key expires.
    pub expires_in: Option<Duration>,
    /// How many requests wait. Behind the first hundred those count too whose processes have ended, until somebody looks.
    pub waiting: u64,
    /// The first hundred of them, the next one first.
    pub waiters: Vec<Waiter>,
}

/// Who holds a lock. For people: nothing about it is proof against a second holder but the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its fencing token.
    pub fence: Fence,
    /// Its host.
    pub host: String,
    /// Its process on that host.
    pub pid: u32,
    /// The function or caller that took the lock.
    pub function: String,
    /// When it asked for the lock, by its own host's clock.
    pub since: SystemTime,
}

/// Who waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiter {
    /// Its host.
    pub host: String,
    /// Its process on that host.
    pub pid: u32,
    /// The function or caller that asks for the lock.
    pub function: String,
    /// When it began to ask, by its own host's clock.
    pub since: SystemTime,
}

fn since(who: &wire::Claimant) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(who.since_unix_ms)
}

impl From<wire::Holder> for Holder {
    fn from(holder: wire::Holder) -> Self {
        let since = since(&holder.who);
        let wire::Claimant { host, pid, function, .. } = holder.who;
        Self { fence: holder.fence, host: host.to_string(), pid, function, since }
    }
}

impl From<wire::Waiter> for Waiter {
    fn from(waiter: wire::Waiter) -> Self {
        let since = since(&waiter.who);
        let wire::Claimant { host, pid, function, .. } = waiter.who;
        Self { host: host.to_string(), pid, function, since }
    }
}

impl From<wire::Inspection> for Inspection {
    fn from(found: wire::Inspection) -> Self {
        Self {
            holder: found.holder.map(Holder::from),
            foreign: found.foreign,
            expires_in: found.left,
            waiting: found.waiting,
            waiters: found.waiters.into_iter().map(Waiter::from).collect(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in process {} on {} (fence {})",
            printable(&self.function),
            self.pid,
            printable(&self.host),
            self.fence
        )
    }
}
