//! Test support: creates errors, and injects faults into an in-process server.
//!
//! Needs the feature `test-util`. Enable it for `dev-dependencies` only:
//!
//! ```toml
//! [dev-dependencies]
//! distlock = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! Each variant of [`LockError`] can be created, to test code that handles it:
//!
//! ```
//! # use distlock_runtime as distlock;
//! use distlock::{LockError, testing};
//!
//! fn status(error: &LockError) -> u16 {
//!     match error {
//!         LockError::Busy(_) => 409,
//!         _ => 503,
//!     }
//! }
//! assert_eq!(status(&testing::busy("cart:7")), 409);
//! assert_eq!(status(&testing::unavailable("cart:7", "connection refused")), 503);
//! ```
//!
//! [`MemoryServer`] runs code under a lock while its server fails.
//! [`with_manager`](crate::with_manager) lets annotated functions use such a server.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::backend::memory::MemoryEndpoint;
use crate::error::{
    Busy, ClosedReason, CycleMember, DataLoss, Deadlock, DeadlockKind, LockError, TimedOut,
};
use crate::protocol::request::Loss;
use crate::types::fence::Fence;
use crate::types::owner_info::Holder;

/// The in-process server of the URL `memory://name`, with injectable faults.
///
/// All managers of the process with the same name contend. Use one name per test.
///
/// ```
/// # use distlock_runtime as distlock;
/// use std::time::Duration;
/// use distlock::testing::MemoryServer;
/// use distlock::{LockError, LockManager};
///
/// let server = MemoryServer::named("reports of the documentation");
/// let locks = LockManager::builder().url(server.url()).ttl(Duration::from_millis(100)).build()?;
///
/// let guard = locks.mutex("report").acquire_blocking()?;
/// server.lose("report");
/// while guard.hold().is_valid() {
///     std::thread::yield_now(); // until the next renewal
/// }
/// assert!(matches!(guard.release_blocking(), Err(LockError::Lost(_))));
///
/// server.go_down();
/// assert!(matches!(locks.mutex("report").try_acquire_blocking(), Err(LockError::Unavailable(_))));
/// server.come_back();
/// locks.mutex("report").acquire_blocking()?.release_blocking()?;
/// # Ok::<(), LockError>(())
/// ```
pub struct MemoryServer {
    name: String,
    store: MemoryEndpoint,
}

impl MemoryServer {
    /// Returns the server of `memory://name`. It exists from the first use of the name until the
    /// process ends.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { store: MemoryEndpoint::named(&name), name }
    }

    /// Returns its URL, for [`LockManager::connect`](crate::LockManager::connect).
    #[must_use]
    pub fn url(&self) -> String {
        format!("memory://{}", self.name)
    }

    /// Deletes the hold of `key`, like `DEL` in Redis. Its holder notices at its next renewal,
    /// after a third of its ttl, or at its deadline if it is not renewed. The next request is
    /// granted the lock at once.
    pub fn lose(&self, key: &str) {
        self.store.delete_hold(key);
    }

    /// Deletes all data, like `FLUSHALL` in Redis. Holders notice as with [`lose`](Self::lose).
    /// Requests wait until all holds from before have ended, or fail with [`LockError::DataLoss`];
    /// see [`data_loss_grace`](crate::LockManagerBuilder::data_loss_grace).
    pub fn flush(&self) {
        self.store.flush();
    }

    /// Only so many replicas confirm grants and renewals from now on, for requests that ask for
    /// [`replicas`](crate::LockRequest::replicas). Until it is called, as many confirm as are asked
    /// for.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::time::Duration;
    /// use distlock::testing::MemoryServer;
    /// use distlock::{LockError, LockManager};
    ///
    /// let server = MemoryServer::named("replicas of the documentation");
    /// let locks = LockManager::connect(&server.url())?;
    /// let payout = locks.mutex("payout").replicas(2).confirm(Duration::from_millis(20));
    /// payout.acquire_blocking()?.release_blocking()?;
    /// server.set_replicas(1);
    /// assert!(matches!(payout.acquire_blocking(), Err(LockError::Unavailable(_))));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn set_replicas(&self, replicas: u8) {
        self.store.set_replicas(replicas);
    }

    /// Closes all connections and refuses new ones. Data is kept. Holds are lost at their
    /// deadlines. Requests fail with [`LockError::Unavailable`] after the manager's
    /// [`outage_timeout`](crate::LockManagerBuilder::outage_timeout).
    pub fn go_down(&self) {
        self.store.set_down(true);
    }

    /// Accepts connections again. Managers reconnect after pauses of up to two seconds.
    pub fn come_back(&self) {
        self.store.set_down(false);
    }
}

impl fmt::Debug for MemoryServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryServer").field(&self.url()).finish()
    }
}

/// Creates a holder: `function` in this process, since now, with an arbitrary token. Its fields are
/// public.
#[must_use]
pub fn holder(function: impl Into<String>) -> Holder {
    let now = SystemTime::now();
    Holder {
        fence: Fence::new(1_700_000_000_000_000),
        host: "test-host".to_owned(),
        pid: std::process::id(),
        function: function.into(),
        label: None,
        since: now,
        held_since: now,
        kept: false,
    }
}

/// Creates [`LockError::Busy`] of a request that tried once, with a [`holder`]. Its fields are
/// public.
#[must_use]
pub fn busy(key: &str) -> LockError {
    let holder = Some(holder("test::holder"));
    let (key, waited, left) = (key.into(), Duration::ZERO, Some(Duration::from_secs(30)));
    LockError::Busy(Box::new(Busy { key, holder, ahead: 0, waited, left }))
}

/// Creates [`LockError::Lost`] of a hold that was not renewed in time.
#[must_use]
pub fn lost(key: &str) -> LockError {
    LockError::lost(key, Loss::Expired)
}

/// Creates [`LockError::Unavailable`] with this reason.
#[must_use]
pub fn unavailable(key: &str, reason: &str) -> LockError {
    LockError::unavailable(key, reason)
}

/// Creates [`LockError::NoReply`] of a request that waited for `waited`.
#[must_use]
pub fn no_reply(key: &str, waited: Duration) -> LockError {
    LockError::NoReply(TimedOut::new(key, waited).into())
}

/// Creates [`LockError::Refused`] with this error of the server.
#[must_use]
pub fn refused(key: &str, reason: &str) -> LockError {
    LockError::refused(key, reason)
}

/// Creates [`LockError::KeyConflict`] of a request that waited for `waited`.
#[must_use]
pub fn key_conflict(key: &str, waited: Duration) -> LockError {
    LockError::KeyConflict(TimedOut::new(key, waited).into())
}

/// Creates [`LockError::DataLoss`] with the time until locks are granted again, if known.
#[must_use]
pub fn data_loss(key: &str, left: Option<Duration>) -> LockError {
    LockError::DataLoss(Box::new(DataLoss { key: key.into(), left }))
}

/// Creates [`LockError::Deadlock`] of a call that waits for `key` in a cycle with calls that wait
/// for the keys `others`.
#[must_use]
pub fn deadlock(key: &str, others: &[&str]) -> LockError {
    let call = |key: &&str| CycleMember {
        waits_for: (*key).into(),
        function: "test::caller".to_owned(),
        host: "test-host".to_owned(),
        pid: std::process::id(),
    };
    let cycle = std::iter::once(&key).chain(others).map(call).collect();
    let (key, waited, kind) = (key.into(), Duration::from_secs(1), DeadlockKind::Cycle);
    LockError::Deadlock(Box::new(Deadlock { key, waited, cycle, kind }))
}

/// Creates [`LockError::Config`] with this text.
#[must_use]
pub fn config(reason: &str) -> LockError {
    LockError::config(reason)
}

/// Creates [`LockError::Closed`] of a manager that was shut down.
#[must_use]
pub fn closed(key: &str) -> LockError {
    LockError::closed(key, ClosedReason::ShutDown)
}
