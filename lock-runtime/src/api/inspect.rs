//! The state of a lock, as reported by the server.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::types::fence::Fence;
use crate::types::printable::printable;

/// The state of one lock, from [`LockManager::inspect`](crate::LockManager::inspect).
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockManager;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("report").acquire().await?;
/// let found = locks.inspect("report").await?;
/// assert_eq!(found.holder.map(|holder| holder.fence), Some(guard.fence()));
/// assert_eq!(found.waiting, 0);
/// # Ok::<(), distlock::LockError>(())
/// # }).unwrap();
/// ```
///
/// With the feature `serde`, instants and durations of this type, [`Holder`] and [`Waiter`] are
/// serialized as milliseconds, in fields with the suffix `_ms`: `expires_in_ms`, `since_unix_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Inspection {
    /// The holder. `None` if the lock is free, or if its key is not a lock of this library.
    pub holder: Option<Holder>,
    /// Whether the Redis key exists but is not a lock of this library. If
    /// [`expires_in`](Self::expires_in) is set, it may be the lock of another client library.
    pub not_a_lock: bool,
    /// When the hold ends for its owner without a renewal, or when the other key expires. The Redis
    /// key of a hold lives longer by the [server TTL
    /// slack](crate::LockManagerBuilder::server_ttl_slack), for which the setting of this manager
    /// is assumed.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "expires_in_ms", with = "as_number::optional_ms")
    )]
    pub expires_in: Option<Duration>,
    /// The number of waiting requests. Beyond the first hundred it includes requests of dead
    /// processes until these are removed.
    pub waiting: u64,
    /// The first hundred waiting requests in the order of the queue.
    pub waiters: Vec<Waiter>,
}

/// The holder of a lock. Informational: only the fencing token identifies a hold reliably.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Holder {
    /// Its fencing token.
    pub fence: Fence,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The function or call site that acquired the lock.
    pub function: String,
    /// The label of the request or its manager: [`LockRequest::label`](crate::LockRequest::label).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub label: Option<String>,
    /// When it requested the lock, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "as_number::unix_ms"))]
    pub since: SystemTime,
    /// When it acquired the lock. Equal to [`since`](Self::since) if it did not wait, otherwise by
    /// the server's clock. For a hold of this process, by its own clock.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "held_since_unix_ms", with = "as_number::unix_ms")
    )]
    pub held_since: SystemTime,
}

/// A request that waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Waiter {
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The function or call site that requests the lock.
    pub function: String,
    /// The label of the request or its manager.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub label: Option<String>,
    /// When it requested the lock, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "as_number::unix_ms"))]
    pub since: SystemTime,
}

fn since(owner: &crate::types::owner_info::OwnerInfo) -> SystemTime {
    instant(owner.since_unix_ms)
}

/// What others wrote may be no instant at all.
fn instant(unix_ms: u64) -> SystemTime {
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms));
    since.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn texts(owner: &crate::types::owner_info::OwnerInfo) -> (String, Option<String>) {
    let (function, label) = owner.function_and_label();
    (function.to_owned(), label.map(str::to_owned))
}

impl From<crate::types::owner_info::HolderInfo> for Holder {
    fn from(holder: crate::types::owner_info::HolderInfo) -> Self {
        let since = since(&holder.owner);
        let held_since = holder.held_unix_ms.map_or(since, instant);
        let (function, label) = texts(&holder.owner);
        let crate::types::owner_info::OwnerInfo { host, pid, .. } = holder.owner;
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

impl From<crate::wire::reply::WaiterInfo> for Waiter {
    fn from(waiter: crate::wire::reply::WaiterInfo) -> Self {
        let since = since(&waiter.owner);
        let (function, label) = texts(&waiter.owner);
        let crate::types::owner_info::OwnerInfo { host, pid, .. } = waiter.owner;
        Self { host: host.to_string(), pid, function, label, since }
    }
}

impl From<crate::wire::reply::LockState> for Inspection {
    fn from(found: crate::wire::reply::LockState) -> Self {
        Self {
            holder: found.holder.map(Holder::from),
            not_a_lock: found.not_a_lock,
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
