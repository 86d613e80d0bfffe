//! What can be seen of a lock from outside.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::types::fence::Fence;
use crate::types::printable::printable;

/// One lock at one instant, as [`LockManager::inspect_blocking`](crate::LockManager::inspect_blocking) found it.
///
/// With the feature `serde`, this, [`Holder`] and [`Waiter`] are written with instants and spans as whole milliseconds, whose
/// fields say so: `expires_in_ms`, `since_unix_ms` since the beginning of 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Inspection {
    /// Who holds it; `None` if it is free, or if the key under its name is not a lock of this library.
    pub holder: Option<Holder>,
    /// Whether a key that is not a lock of this library stands under its name. With [`expires_in`](Self::expires_in) it may
    /// be the lock of another kind of client.
    pub not_a_lock: bool,
    /// When the hold ends for its owner unless it is renewed, or the key that is not a lock expires. The key of a hold lasts longer by the
    /// [server TTL slack](crate::LockManagerBuilder::server_ttl_slack), which is taken to be that of this manager.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "expires_in_ms", with = "as_number::optional_ms")
    )]
    pub expires_in: Option<Duration>,
    /// How many requests wait. Beyond the first hundred it includes requests of ended processes, until they are removed.
    pub waiting: u64,
    /// The first hundred of them, the next one first.
    pub waiters: Vec<Waiter>,
}

/// Who holds a lock. For people: nothing about it is proof against a second holder but the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
    /// What the request or its manager stored with the lock: [`LockRequest::label`](crate::LockRequest::label).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub label: Option<String>,
    /// When it asked for the lock, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "as_number::unix_ms"))]
    pub since: SystemTime,
    /// Since when it has the lock. The same as [`since`](Self::since) if it did not have to wait, else by the server's clock; of
    /// a hold of this process, by its own.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "held_since_unix_ms", with = "as_number::unix_ms")
    )]
    pub held_since: SystemTime,
}

/// Who waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Waiter {
    /// Its host.
    pub host: String,
    /// Its process on that host.
    pub pid: u32,
    /// The function or caller that asks for the lock.
    pub function: String,
    /// What the request or its manager says beside it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub label: Option<String>,
    /// When it began to ask, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "as_number::unix_ms"))]
    pub since: SystemTime,
}

fn since(who: &crate::types::owner_info::OwnerInfo) -> SystemTime {
    instant(who.since_unix_ms)
}

/// What others wrote may be no instant at all.
fn instant(unix_ms: u64) -> SystemTime {
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms));
    since.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn texts(who: &crate::types::owner_info::OwnerInfo) -> (String, Option<String>) {
    let (function, label) = who.function_and_label();
    (function.to_owned(), label.map(str::to_owned))
}

impl From<crate::types::owner_info::Holder> for Holder {
    fn from(holder: crate::types::owner_info::Holder) -> Self {
        let since = since(&holder.who);
        let held_since = holder.held_unix_ms.map_or(since, instant);
        let (function, label) = texts(&holder.who);
        let crate::types::owner_info::OwnerInfo { host, pid, .. } = holder.who;
        Self {
            fence: holder.fence,
            host: host.to_string(),
            pid,
            function,
            label,
            since,
            held_since,
        }
    }
}

impl From<crate::wire::reply::Waiter> for Waiter {
    fn from(waiter: crate::wire::reply::Waiter) -> Self {
        let since = since(&waiter.who);
        let (function, label) = texts(&waiter.who);
        let crate::types::owner_info::OwnerInfo { host, pid, .. } = waiter.who;
        Self { host: host.to_string(), pid, function, label, since }
    }
}

impl From<crate::wire::reply::Inspection> for Inspection {
    fn from(found: crate::wire::reply::Inspection) -> Self {
        Self {
            holder: found.holder.map(Holder::from),
            not_a_lock: found.foreign,
            expires_in: found.left,
            waiting: found.waiting,
            waiters: found.waiters.into_iter().map(Waiter::from).collect(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.function))?;
        if let Some(label) = &self.label {
            write!(f, " ({})", printable(label))?;
        }
        let host = printable(&self.host);
        write!(f, " in process {} on {host} (fence {})", self.pid, self.fence)
    }
}

/// Instants and spans as whole milliseconds, which is what other languages read.
#[cfg(feature = "serde")]
mod as_number {
    use std::time::{Duration, SystemTime};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    fn millis(span: Duration) -> u64 {
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) mod unix_ms {
        use super::{
            Deserialize, Deserializer, Duration, Serialize, Serializer, SystemTime, millis,
        };

        pub(crate) fn serialize<S: Serializer>(at: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
            millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()).serialize(out)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            input: D,
        ) -> Result<SystemTime, D::Error> {
            let since = Duration::from_millis(u64::deserialize(input)?);
            let at = SystemTime::UNIX_EPOCH.checked_add(since);
            at.ok_or_else(|| serde::de::Error::custom("the instant is too far in the future"))
        }
    }

    pub(crate) mod optional_ms {
        use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, millis};

        #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
        pub(crate) fn serialize<S: Serializer>(
            span: &Option<Duration>,
            out: S,
        ) -> Result<S::Ok, S::Error> {
            span.map(millis).serialize(out)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            input: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(input)?.map(Duration::from_millis))
        }
    }
}
