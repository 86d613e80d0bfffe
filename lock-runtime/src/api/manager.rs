//! The lock manager: one connection, any number of locks.

use std::fmt;
use std::future::pending;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::acquire::core::{CoreSettings, ManagerCore};
use crate::acquire::multi::LockKeys;
use crate::api::request::LockRequest;
use crate::error::LockError;
use crate::link::effect::{InspectAnswer, NotInspected};
use crate::link::handle::Setup;
use crate::link::links::Links;
use crate::link::wait::block_on;
use crate::types::owner_info::{Holder, OwnerInfo, function_and_label, since};
use crate::types::pause::GrantPause;
use crate::types::time;
use crate::user_code;
use crate::wire::keyspace::Mark;
use crate::wire::reply::{LockState, WaiterInfo};

/// Supervisors allow a process ten to thirty seconds to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// How long an inspection waits while the slot of its key is being moved.
const MOVING: Duration = Duration::from_secs(5);
/// How soon it asks again.
const SOON: Duration = Duration::from_millis(20);

/// The locks of one server or cluster.
///
/// A manager owns one connection and one background thread, in a cluster one of each for each node
/// that has slots and two more threads. Callers send their requests and read
/// the replies themselves, on their own thread or in the reactor of their tokio runtime; the
/// background thread renews holds and connects again. Cloning is cheap, and clones share both. They
/// exist until [`shutdown`](Self::shutdown), or until the last clone and the last hold have been
/// dropped.
///
/// ```
/// # use distlock_runtime as distlock;
/// use std::time::Duration;
/// use distlock::LockManager;
///
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("invoice:7").wait(Duration::from_secs(5)).acquire_blocking()?;
/// println!("running with token {}", guard.fence());
/// guard.release_blocking()?;
/// # Ok::<(), distlock::LockError>(())
/// ```
///
/// # Tokio runtimes without I/O
///
/// In a tokio runtime that was built without `enable_io`, the background thread reads for tasks.
/// Tokio has no way to ask for that, so the manager tries, once for each runtime: tokio's panic is
/// caught, but the panic hook prints it, or ends the process if it does so for every panic. Enable
/// I/O in such a program.
///
/// # Process exit
///
/// A call that has returned leaves no lock behind when the process ends by a return from `main`, by
/// `std::process::exit` on any thread, or by a panic in `main`. A release is written before a call
/// that released returns, or left to the caller that reads for all of the process; an exit hook
/// writes what is left, for up to one second if the connection takes no more. Nothing waits for
/// replies. A process that is aborted or killed leaves its locks to their ttl. The end of a thread
/// does not wait.
///
/// # Fork
///
/// A child process has neither the background thread nor the locks of its parent, and never uses
/// the parent's connection. Create the manager after
/// the fork: in a daemon after it has detached, in each worker of a prefork server. In the child,
/// every call of a manager from before the fork fails with [`LockError::Closed`] at once, guards
/// release nothing, and [`init`](crate::init) accepts another global manager. As with any fork of a
/// multi-threaded program, fork while no thread is inside a call of this crate.
#[derive(Clone)]
pub struct LockManager {
    core: Arc<ManagerCore>,
}

impl LockManager {
    /// `second`: for links whose holds replicas confirm.
    pub(crate) fn new(links: Links, settings: CoreSettings, second: Option<Setup>) -> Self {
        Self { core: Arc::new(ManagerCore::new(links, settings, second)) }
    }

    pub(crate) fn core(&self) -> &Arc<ManagerCore> {
        &self.core
    }

    /// Creates a request for the lock of `key`. Nothing is sent before it is acquired.
    ///
    /// Inside a hold of the same key, of an annotated function or of a guard that was entered,
    /// acquiring re-enters.
    #[track_caller]
    pub fn mutex(&self, key: impl Into<String>) -> LockRequest {
        LockRequest::new(&self.core, LockKeys::Single(key.into().into()), Location::caller())
    }

    /// Creates a request for several locks, which are acquired all together or not at all.
    ///
    /// Keys are sorted and deduplicated, so that two such requests cannot deadlock with each other.
    /// A key that a caller already holds is re-entered. Without any key, acquiring fails with
    /// [`LockError::Config`].
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let both = locks.mutex_many(["account:7", "account:3"]).acquire_blocking()?;
    /// assert_eq!(both.hold().key(), "account:7", "the last in sorted order");
    /// assert!(both.hold().for_key("account:3").is_some());
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[track_caller]
    pub fn mutex_many(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> LockRequest {
        let keys = LockKeys::multiple(keys.into_iter().map(Into::into).collect());
        LockRequest::new(&self.core, keys, Location::caller())
    }

    /// Blocking form of [`inspect`](Self::inspect). Blocks this thread for one round trip.
    ///
    /// # Errors
    ///
    /// As [`inspect`](Self::inspect).
    pub fn inspect_blocking(&self, key: &str) -> Result<Inspection, LockError> {
        block_on(self.inspect(key))
    }

    /// Returns the current holder and the waiters of `key`.
    ///
    /// The server knows one waiter per process. Further waiters of this manager are listed after
    /// those.
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] or [`LockError::Refused`] if the server cannot be queried,
    /// [`LockError::Closed`] after a shutdown.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. Dropping the future has no effect on any lock.
    pub async fn inspect(&self, key: &str) -> Result<Inspection, LockError> {
        let since = time::now();
        loop {
            let inspected = user_code::with_guarded(self.core.links().inspect(key));
            let answer: Option<InspectAnswer> =
                self.core.drive(key, async { inspected.await.ok() }).await;
            return match answer {
                Some(Ok(mut found)) => {
                    self.core.add_local_view(key, &mut found);
                    Ok(found.into())
                }
                Some(Err(NotInspected::NotNow(_))) if since.plus(MOVING) > time::now() => {
                    self.core.until(Some(time::now().plus(SOON)), pending::<()>()).await;
                    continue;
                }
                Some(Err(NotInspected::NotNow(failure) | NotInspected::Failed(failure))) => {
                    Err(LockError::from_failure(key, Duration::ZERO, failure))
                }
                None => Err(self.core.closed(key)),
            };
        }
    }

    /// Blocking form of [`shutdown`](Self::shutdown). Blocks this thread for at most five seconds.
    pub fn shutdown_blocking(&self) {
        self.shutdown_within_blocking(SHUTDOWN_LIMIT);
    }

    /// Releases all holds, ends all waits and stops the manager. Waits up to five seconds until the
    /// server has confirmed the releases; see [`shutdown_within`](Self::shutdown_within).
    ///
    /// Later requests fail with [`LockError::Closed`]. Code that still runs under a hold finds it
    /// lost.
    ///
    /// # Cancel safety
    ///
    /// Once the future has been polled, the shutdown continues even if the future is dropped.
    pub async fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_LIMIT).await;
    }

    /// Blocking form of [`shutdown_within`](Self::shutdown_within). Blocks this thread for at most
    /// `limit`.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::time::Duration;
    ///
    /// let locks = distlock::LockManager::connect("memory://")?;
    /// locks.mutex("job").acquire_blocking()?;
    /// assert!(locks.shutdown_within_blocking(Duration::from_secs(2)));
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[allow(clippy::must_use_candidate, reason = "a program that ends has nothing else to do")]
    pub fn shutdown_within_blocking(&self, limit: Duration) -> bool {
        block_on(self.shutdown_within(limit))
    }

    /// Like [`shutdown`](Self::shutdown), but waits up to `limit`. Returns whether the server has
    /// confirmed all releases by then.
    ///
    /// Unconfirmed releases are retried in the background while the process runs. A lock that
    /// cannot be released is free after its ttl.
    ///
    /// # Cancel safety
    ///
    /// Once the future has been polled, the shutdown continues even if the future is dropped.
    pub async fn shutdown_within(&self, limit: Duration) -> bool {
        let deadline = time::now().plus(limit);
        // If the link has ended already, nothing is left to release.
        self.core.shutdown(deadline).await
    }
}

impl fmt::Debug for LockManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

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
/// With the feature `serde`, instants and durations of this type, [`Holder`], [`Waiter`] and
/// [`GrantPause`] are
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
        serde(rename = "expires_in_ms", with = "time::serde_optional_ms")
    )]
    pub expires_in: Option<Duration>,
    /// The number of waiting requests. Beyond the first hundred it includes requests of dead
    /// processes until these are removed.
    pub waiting: u64,
    /// The first hundred waiting requests in the order of the queue.
    pub waiters: Vec<Waiter>,
    /// The primary that draws the fencing tokens of all locks under this prefix: the first eight
    /// digits of its `master_replid`, as `INFO replication` shows it. It changes with a failover
    /// and a restart. `None` if no tokens have been drawn, if the server does not show its
    /// identity, and in memory.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub primary: Option<String>,
    /// Whether the server grants no locks at present, of any key under this prefix.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// let locks = distlock::LockManager::connect("redis://127.0.0.1/")?;
    /// let found = locks.inspect_blocking("report")?;
    /// if let Some(pause) = found.pause {
    ///     println!("{pause}"); // grants resume in 1.4s (failover)
    /// }
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pause: Option<GrantPause>,
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
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "time::serde_unix_ms"))]
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
        let mark = found.mark.filter(|&mark| mark != Mark::default());
        Self {
            holder: found.holder.map(Holder::from),
            not_a_lock: found.not_a_lock,
            expires_in: found.left,
            waiting: found.waiting,
            waiters: found.waiters.into_iter().map(Waiter::from).collect(),
            primary: mark.map(|mark| mark.to_string()),
            pause: found.pause,
        }
    }
}
