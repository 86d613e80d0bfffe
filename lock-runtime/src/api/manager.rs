//! The lock manager: one connection, one I/O thread, any number of locks.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::acquire::before;
use crate::acquire::keys::Keys;
use crate::acquire::options::{Options, check_margin, check_max_hold, check_ttl};
use crate::api::inspect::Inspection;
use crate::api::request::LockRequest;
use crate::error::LockError;
use crate::io::block_on::block_on;
use crate::io::mailbox::{InspectAnswer, Mailbox};
use crate::local::key_queue::QueueContext;
use crate::local::params::{AcquireParams, LeaseTerms};
use crate::local::table::QueueTable;
use crate::protocol::request::RequestParams;
use crate::types::call_site::CallSite;
use crate::types::process_info::ProcessInfo;
use crate::types::{process_info as identity, time};
use crate::user_code::wakers;

/// How long a shutdown waits unless another limit is given: a supervisor allows ten or thirty seconds for the whole process.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The locks of one server.
///
/// A manager owns one I/O thread and one connection. Cloning is cheap, and clones share both. They
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
/// # Process exit
///
/// A call that has returned leaves no lock behind when the process ends by a return from `main`, by
/// `std::process::exit` on any thread, or by a panic in `main`: an exit hook waits for up to one
/// second until the releases are confirmed. A process that is aborted or killed leaves its locks to
/// their ttl. The end of a thread does not wait.
///
/// # Fork
///
/// A child process has neither the I/O thread nor the locks of its parent. Create the manager after
/// the fork: in a daemon after it has detached, in each worker of a prefork server. In the child,
/// every call of a manager from before the fork fails with [`LockError::Closed`] at once, guards
/// release nothing, and [`init`](crate::init) accepts another global manager. As with any fork of a
/// multi-threaded program, fork while no thread is inside a call of this crate.
#[derive(Clone)]
pub struct LockManager {
    inner: Arc<Inner>,
}

struct Inner {
    /// Tells the keys of this manager from those of others in the chain of holds.
    id: u64,
    mailbox: Mailbox,
    queues: QueueTable,
    defaults: Options,
    limits: Limits,
    /// Whether the orders in which locks are taken are compared.
    warn_lock_order: bool,
    process: Arc<ProcessInfo>,
    /// The server, without credentials.
    server: String,
}

/// What bounds the requests of a manager.
pub(crate) struct Limits {
    /// The longest a request that tries once waits for the server.
    pub(crate) patience: Duration,
    /// How much earlier than its ttl a hold ends, if that is set.
    pub(crate) margin: Option<Duration>,
}

impl LockManager {
    pub(crate) fn new(
        mailbox: Mailbox,
        max_handoffs: u32,
        warn_lock_order: bool,
        defaults: Options,
        limits: Limits,
        server: String,
        label: Option<Box<str>>,
    ) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let process = Arc::new(ProcessInfo::of_this_process().with_label(label));
        let office =
            QueueContext { max_handoffs, process: Arc::clone(&process), io: mailbox.io_handle() };
        Self {
            inner: Arc::new(Inner {
                id,
                queues: QueueTable::new(office),
                mailbox,
                defaults,
                limits,
                warn_lock_order,
                process,
                server,
            }),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.inner.id
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        &self.inner.mailbox
    }

    pub(crate) fn queues(&self) -> &QueueTable {
        &self.inner.queues
    }

    pub(crate) fn process(&self) -> &ProcessInfo {
        &self.inner.process
    }

    pub(crate) fn lints_order(&self) -> bool {
        self.inner.warn_lock_order
    }

    pub(crate) fn defaults(&self) -> &Options {
        &self.inner.defaults
    }

    /// Whether another has to be made, here: by a defect of this library, or because this process was forked since.
    pub(crate) fn is_unusable(&self) -> bool {
        self.mailbox().has_panicked() || self.mailbox().is_forked()
    }

    /// Creates a request for the lock of `key`. Nothing is sent before it is acquired.
    ///
    /// Inside a hold of the same key, of an annotated function or of a guard that was entered,
    /// acquiring re-enters.
    #[track_caller]
    pub fn mutex(&self, key: impl Into<String>) -> LockRequest {
        LockRequest::new(self.clone(), Keys::One(key.into().into()), Location::caller())
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
        let keys = Keys::many(keys.into_iter().map(Into::into).collect());
        LockRequest::new(self.clone(), keys, Location::caller())
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
        let answer: Option<InspectAnswer> =
            wakers::with_guarded(self.mailbox().inspect(key.to_owned())).await.ok();
        match answer {
            Some(Ok(mut found)) => {
                self.queues().add_local_view(key, &mut found);
                Ok(found.into())
            }
            Some(Err(failure)) => Err(LockError::from_failure(key, Duration::ZERO, failure)),
            None => Err(self.mailbox().closed(key)),
        }
    }

    /// Blocking form of [`shutdown`](Self::shutdown). Blocks this thread for at most five seconds.
    pub fn shutdown_blocking(&self) {
        self.shutdown_within_blocking(SHUTDOWN);
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
        self.shutdown_within(SHUTDOWN).await;
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
        // A thread that has ended already has nothing left to release.
        let done = wakers::with_guarded(self.mailbox().shutdown());
        before(self.mailbox(), Some(deadline), done).await.is_some()
    }

    /// The terms of a hold that is asked for with these options.
    pub(crate) fn terms(&self, options: &Options) -> Result<LeaseTerms, LockError> {
        let max_hold = options.max_hold.or(self.defaults().max_hold);
        check_max_hold(max_hold)?;
        Ok(LeaseTerms { ttl: self.ttl(options)?, renew: options.renew, max_hold })
    }

    /// How long a hold lasts that is asked for with these options, unless it is renewed.
    fn ttl(&self, options: &Options) -> Result<Duration, LockError> {
        let ttl = options.ttl.or(self.defaults().ttl).expect("a manager has a default ttl");
        self.check_ttl(ttl).map(|()| ttl)
    }

    /// Whether a hold of this manager may last so long without a renewal.
    pub(crate) fn check_ttl(&self, ttl: Duration) -> Result<(), LockError> {
        check_ttl(ttl)?;
        check_margin(self.inner.limits.margin, ttl)
    }

    /// What is asked for with these options, now.
    pub(crate) fn params(
        &self,
        options: &Options,
        terms: LeaseTerms,
        call_site: CallSite,
    ) -> AcquireParams {
        let since = time::now();
        let wait = options.wait_by(self);
        let try_once = wait == Some(Duration::ZERO);
        let patience = if try_once { Some(self.inner.limits.patience) } else { wait };
        AcquireParams {
            since,
            deadline: patience.map(|patience| since.plus(patience)),
            queue: !try_once,
            terms,
            linger: options.linger.unwrap_or_default(),
            call_site,
            label: options.label,
        }
    }

    /// A request that goes to the server directly, and whose hold is handed on to nobody.
    pub(crate) fn request(&self, key: &Arc<str>, params: AcquireParams) -> RequestParams {
        params.request(key, identity::request_id(), self.process())
    }
}

impl fmt::Debug for LockManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockManager").field("server", &self.inner.server).finish_non_exhaustive()
    }
}
