//! The state of a lock, as reported by the server.

use std::time::{Duration, SystemTime};

#[cfg(feature = "serde")]
use crate::types::holder::millis;
use crate::types::holder::{Holder, function_and_label, since};
use crate::types::owner_info::OwnerInfo;
use crate::wire::reply::{LockState, WaiterInfo};

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
    #[cfg_attr(feature = "serde", serde(rename = "expires_in_ms", with = "millis::optional_ms"))]
    pub expires_in: Option<Duration>,
    /// The number of waiting requests. Beyond the first hundred it includes requests of dead
    /// processes until these are removed.
    pub waiting: u64,
    /// The first hundred waiting requests in the order of the queue.
    pub waiters: Vec<Waiter>,
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
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "millis::unix_ms"))]
    pub since: SystemTime,
}

impl From<WaiterInfo> for Waiter {
    fn from(waiter: WaiterInfo) -> Self {
        let since = since(&waiter.owner);
        let (function, label) = function_and_label(&waiter.owner);
        let OwnerInfo { host, pid, .. } = waiter.owner;
        Self { host: host.to_string(), pid, function, label, since }
    }
}

impl From<LockState> for Inspection {
    fn from(found: LockState) -> Self {
        Self {
            holder: found.holder.map(Holder::from),
            not_a_lock: found.not_a_lock,
            expires_in: found.left,
            waiting: found.waiting,
            waiters: found.waiters.into_iter().map(Waiter::from).collect(),
        }
    }
}
