//! The lock manager: one connection, any number of locks.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::acquire::core::{CoreSettings, ManagerCore};
use crate::acquire::multi::LockKeys;
use crate::api::inspection::{Inspection, force_release, inspect};
use crate::api::list::LockList;
use crate::api::request::LockRequest;
use crate::api::status::{ManagerStatus, StatusWatch, status};
use crate::error::LockError;
use crate::link::handle::Setup;
use crate::link::links::Links;
use crate::link::wait::block_on;
use crate::types::fence::Fence;
use crate::types::time;

/// Supervisors allow a process ten to thirty seconds to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// The locks of one server or cluster.
///
/// A manager owns one connection and one background thread. In a cluster it owns one of each for
/// each node that has slots, and two more threads. With Sentinels it owns one more of each for each
/// Sentinel, and with [`replicas`](LockRequest::replicas) a second one of each for each server.
///
/// Callers send their requests and read the replies themselves, on their own thread or in the
/// reactor of their tokio runtime. The background thread renews holds. Another one connects, and
/// ends when the connection is made. Cloning is cheap, and clones share all of this. It exists
/// until [`shutdown`](Self::shutdown), or until the last clone and the last hold have been dropped.
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
/// the parent's connection. Create the manager after the fork: in a daemon after it has detached,
/// in each worker of a prefork server. In the child, every call of a manager from before the fork
/// fails with [`LockError::Closed`] at once, guards release nothing, and [`init`](crate::init)
/// accepts another global manager. As with any fork of a multi-threaded program, fork while no
/// thread is inside a call of this crate.
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

    /// Blocking form of [`inspect`](Self::inspect). Blocks this thread for one round trip, or
    /// two if the lock is held.
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
        inspect(&self.core, key).await
    }

    /// Blocking form of [`force_release`](Self::force_release). Blocks this thread for one round
    /// trip.
    ///
    /// # Errors
    ///
    /// As [`force_release`](Self::force_release).
    pub fn force_release_blocking(&self, key: &str, token: Fence) -> Result<bool, LockError> {
        block_on(self.force_release(key, token))
    }

    /// Releases a lock that another process holds, if `token` is a fencing token of its hold: that
    /// of [`Inspection::holder`](crate::Inspection::holder), or of a later call that shares the
    /// hold. Returns whether it is; if not, nothing changes.
    ///
    /// This is for operators, when a holder is known to be stuck. Its code may still run and does
    /// not stop at once: what it writes after this call has to be [refused by its
    /// token](crate::FenceGate). The next waiter is granted the lock with a higher one.
    ///
    /// The process that held the lock is notified and reports the hold as
    /// [lost](LockError::Lost). In a cluster that may take until its next renewal, a third of its
    /// ttl. It cannot put the hold back after a failover.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("report").acquire().await?;
    ///
    /// let found = locks.inspect("report").await?;
    /// let stuck = found.holder.expect("it is held").fence;
    /// assert!(locks.force_release("report", stuck).await?);
    /// assert!(!locks.force_release("report", stuck).await?, "it is not held any more");
    /// # drop(guard);
    /// # Ok::<(), distlock::LockError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] or [`LockError::Refused`] if the server cannot be asked or does
    /// not answer: the hold may have been released then. [`LockError::Closed`] after a shutdown.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may have released the lock.
    pub async fn force_release(&self, key: &str, token: Fence) -> Result<bool, LockError> {
        force_release(&self.core, key, token).await
    }

    /// Lists all locks under the prefix of this manager that are held, with their holders and
    /// waiters, one after the other. Nothing is sent before the first one is asked for.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// let locks = distlock::LockManager::connect("memory://")?;
    /// let guard = locks.mutex("report").acquire_blocking()?;
    /// let mut list = locks.list();
    /// while let Some((key, found)) = list.next_blocking()? {
    ///     println!("{key}: {} wait", found.waiting);
    /// }
    /// # drop(guard);
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[must_use]
    pub fn list(&self) -> LockList {
        LockList::new(Arc::clone(&self.core))
    }

    /// Returns whether the servers are connected and grant locks, and how many calls hold and wait,
    /// as this manager knows it. Sends nothing and does not block.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("report").acquire_blocking()?;
    /// let status = locks.status();
    /// assert!(status.is_ready());
    /// assert_eq!((status.holds, status.waiting), (1, 0));
    /// # drop(guard);
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[must_use]
    pub fn status(&self) -> ManagerStatus {
        status(&self.core)
    }

    /// Watches the [status](Self::status): for a readiness probe, or to log outages.
    ///
    /// ```no_run
    /// # use distlock_runtime as distlock;
    /// let locks = distlock::LockManager::connect("redis://127.0.0.1/")?;
    /// let mut watch = locks.watch();
    /// std::thread::spawn(move || {
    ///     while let Some(status) = watch.next_blocking() {
    ///         println!("{status}");
    ///     }
    /// });
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[must_use]
    pub fn watch(&self) -> StatusWatch {
        StatusWatch::new(&self.core)
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
