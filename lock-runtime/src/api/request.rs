//! A request for a lock, without the attribute.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::acquire::core::ManagerCore;
use crate::acquire::multi::LockKeys;
use crate::acquire::options::Options;
use crate::acquire::{AcquireResult, Acquisition};
use crate::api::hold::LockGuard;
use crate::error::LockError;
use crate::types::owner_info::CallSite;
use crate::types::replicas::Replicas;

/// A request for one or several locks, from [`LockManager::mutex`](crate::LockManager::mutex) or
/// [`LockManager::mutex_many`](crate::LockManager::mutex_many).
///
/// Its settings correspond to the options of the attribute. A request can be acquired several
/// times.
///
/// ```
/// # use distlock_runtime as distlock;
/// use std::time::Duration;
/// use distlock::LockManager;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let locks = LockManager::connect("memory://")?;
/// let report = locks.mutex("report").ttl(Duration::from_secs(10));
/// if let Some(guard) = report.try_acquire().await? {
///     println!("nobody else writes the {}", guard.key());
/// }
/// # Ok::<(), distlock::LockError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is acquired"]
pub struct LockRequest {
    core: Arc<ManagerCore>,
    keys: LockKeys,
    options: Options,
    wait_for_release: bool,
    call_site: CallSite,
}

impl LockRequest {
    pub(crate) fn new(
        core: &Arc<ManagerCore>,
        keys: LockKeys,
        caller: &'static Location<'static>,
    ) -> Self {
        let (core, options) = (Arc::clone(core), Options::DEFAULT);
        Self { core, keys, options, wait_for_release: false, call_site: CallSite::Line(caller) }
    }

    /// Sets how long the hold lasts without a renewal. From 10 ms to 30 days. If the request
    /// re-enters a hold, its ttl can extend that hold but not shorten it. Default: the manager's,
    /// 30 s.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Sets how long to wait for the lock, including connecting. Zero tries once. Default: the
    /// manager's, unlimited.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// Sets the longest duration of the hold, including all renewals. After that the hold is lost.
    /// Default: the manager's, 24 h.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.options.max_hold = Some(max_hold);
        self
    }

    /// Sets how long the key stays taken at least, counted from the grant. If the hold is released
    /// before, nobody else gets the lock until it is that old. So a job that takes 5 ms runs once
    /// per tick although the clocks of its hosts differ. The body may also have failed or panicked:
    /// its key is kept all the same.
    ///
    /// The ttl is at least as long, so that a crash does not free the key earlier. Such a hold is
    /// neither handed off within the process nor kept by `linger`. A request that re-enters a hold
    /// does not change for how long its key is kept. A request whose `max_hold` is shorter fails
    /// with [`LockError::Config`]. At most 30 days. Default: the manager's, zero.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::time::Duration;
    /// use distlock::{LockError, LockManager};
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let tick = locks.mutex("report").min_hold(Duration::from_secs(30)).wait(Duration::ZERO);
    /// tick.acquire_blocking()?.release_blocking()?;
    ///
    /// let Err(LockError::Busy(busy)) = tick.acquire_blocking() else { panic!("it ran already") };
    /// assert!(busy.holder.is_some_and(|holder| holder.kept));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn min_hold(mut self, min_hold: Duration) -> Self {
        self.options.min_hold = Some(min_hold);
        self
    }

    /// Sets how many replicas of the server have to have the grant before it counts: a number, or
    /// [`Replicas::All`] for all that are online. The same holds for each renewal. One that they do
    /// not confirm extends nothing.
    ///
    /// With all replicas, a grant that a caller has seen is on every server that can be promoted. A
    /// failover loses it only if the new primary has lost its data, or joined after the grant. With
    /// fewer, it depends on which replica is promoted. A primary that was frozen or cut off while
    /// another one was promoted can grant nothing that its replicas do not confirm.
    ///
    /// A grant takes one round trip to the replicas longer, and none is had while too few of them
    /// answer: the request then fails with [`LockError::Unavailable`] after
    /// [`confirm`](Self::confirm), and what the server granted is released. Such requests use a
    /// connection of their own, which the first of them opens. The server must allow the commands
    /// WAIT and INFO. In memory as many replicas confirm as are asked for.
    ///
    /// A request that would re-enter a hold that fewer replicas confirm fails with
    /// [`LockError::Config`]. Default: the manager's, none.
    pub fn replicas(mut self, replicas: impl Into<Replicas>) -> Self {
        self.options.replicas = Some(replicas.into());
        self
    }

    /// Sets how long a grant waits for the [`replicas`](Self::replicas) that have to confirm it, at
    /// most until [`wait`](Self::wait) is over. At least 1 ms. Default: the manager's, 1 s.
    pub fn confirm(mut self, confirm: Duration) -> Self {
        self.options.confirm = Some(confirm);
        self
    }

    /// Sets a text that is stored with the lock. Waiters and
    /// [`LockManager::inspect`](crate::LockManager::inspect) show it; see
    /// [`Holder::label`](crate::Holder::label). Default: the manager's, none.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let _guard = locks.mutex("stock").label("nightly count").acquire_blocking()?;
    /// let holder = locks.inspect_blocking("stock")?.holder.expect("it is held");
    /// assert_eq!(holder.label.as_deref(), Some("nightly count"));
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn label(mut self, label: &'static str) -> Self {
        self.options.label = Some(label);
        self
    }

    /// Sets what is shown as the function that holds the lock or waits for it, for code that takes
    /// locks for others: the name of a job, of a command, of a caller. Waiters,
    /// [`LockManager::inspect`](crate::LockManager::inspect) and log lines show it; see
    /// [`Holder::function`](crate::Holder::function). A line break in it becomes a space. Default:
    /// the line that made the request, which is that of the caller in a function with
    /// `#[track_caller]`.
    ///
    /// Each name is kept until the process ends, some 150 bytes for each line of code that uses it.
    /// Name kinds of requests, not single ones: a service that leaks a name for each request grows
    /// with their number. What differs between them belongs in the key.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let _guard = locks.mutex("stock").function("jobs::count").acquire_blocking()?;
    /// let holder = locks.inspect_blocking("stock")?.holder.expect("it is held");
    /// assert_eq!(holder.function, "jobs::count");
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn function(mut self, name: &'static str) -> Self {
        self.call_site = self.call_site.named(name);
        self
    }

    /// Sets how long the process keeps the hold after its last section, for its own next section.
    /// The hold is released as soon as another process asks for the lock, and one second after the
    /// server granted it at the latest. Default: zero.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.options.linger = Some(linger);
        self
    }

    /// Sets whether the hold is renewed in the background. Without renewals it is lost after its
    /// ttl. Default: `true`.
    pub fn renew(mut self, renew: bool) -> Self {
        self.options.renew = renew;
        self
    }

    /// Sets whether the request re-enters a hold of the same key. With `false` such a request fails
    /// with [`LockError::Deadlock`] at once, regardless of `wait`. Default: the manager's, `true`.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockError, LockManager};
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("stock").acquire_blocking()?;
    /// let nested = guard.enter(|| locks.mutex("stock").reenter(false).acquire_blocking());
    /// assert!(matches!(nested, Err(LockError::Deadlock(_))));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn reenter(mut self, reenter: bool) -> Self {
        self.options.reenter = Some(reenter);
        self
    }

    /// Makes an explicit release wait until the server has confirmed it. Default: the release is
    /// sent without waiting.
    pub fn wait_for_release(mut self) -> Self {
        self.wait_for_release = true;
        self
    }

    /// Disables local handoff for this request: it is served in the order in which requests reached
    /// the server. Default: local handoff, bounded by
    /// [`max_handoffs`](crate::LockManagerBuilder::max_handoffs).
    pub fn strict_fifo(mut self) -> Self {
        self.options.strict_fifo = true;
        self
    }

    /// Blocking form of [`acquire`](Self::acquire). Blocks this thread until it has the lock.
    ///
    /// Use [`acquire`](Self::acquire) in async code. On a single-threaded runtime the task that
    /// holds the lock may need this thread to finish; then neither continues. The same applies to a
    /// guard of this thread that was not entered. Set [`wait`](Self::wait) if this can happen.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and [`LockError::Deadlock`] if the holder runs further down
    /// on this thread's stack.
    pub fn acquire_blocking(&self) -> Result<LockGuard, LockError> {
        self.guard(self.block(&self.options))
    }

    /// Waits for the lock.
    ///
    /// # Errors
    ///
    /// [`LockError::Busy`] if the lock was still held when `wait` ended; [`LockError::Deadlock`] if
    /// the wait would never end; [`LockError::Unavailable`], [`LockError::NoReply`],
    /// [`LockError::Refused`], [`LockError::KeyConflict`] or [`LockError::DataLoss`] depending on
    /// the server; [`LockError::Config`] if a setting is invalid; [`LockError::Closed`] after a
    /// shutdown.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the future is dropped, the request leaves the queue, and a grant in flight
    /// is released in the background. The request loses its place in the queue, so one long wait is
    /// better than many short ones in a loop.
    ///
    /// A future that is kept without being polled does not hold the lock: a grant that is not
    /// collected within 2 s is released.
    pub async fn acquire(&self) -> Result<LockGuard, LockError> {
        let acquiring = self.start(&self.options);
        self.guard(acquiring.wait().await)
    }

    /// Blocking form of [`try_acquire`](Self::try_acquire). Blocks this thread for one round trip.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_blocking(&self) -> Result<Option<LockGuard>, LockError> {
        not_busy(self.guard(self.block(&self.once())))
    }

    /// Tries once to acquire the lock. Returns `None` if it is held or if other requests are
    /// queued.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), except [`LockError::Busy`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`acquire`](Self::acquire).
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>, LockError> {
        let acquiring = self.start(&self.once());
        not_busy(self.guard(acquiring.wait().await))
    }

    fn once(&self) -> Options {
        Options { wait: Some(Duration::ZERO), ..self.options }
    }

    fn start(&self, options: &Options) -> Acquisition {
        self.keys.acquire(&self.core, options, self.call_site)
    }

    fn block(&self, options: &Options) -> AcquireResult {
        self.keys.acquire_blocking(&self.core, options, self.call_site)
    }

    fn guard(&self, acquired: AcquireResult) -> Result<LockGuard, LockError> {
        let section = acquired.map_err(|error| *error)?;
        section.begin(self.options.label);
        Ok(LockGuard::new(section, self.wait_for_release))
    }
}

fn not_busy(guard: Result<LockGuard, LockError>) -> Result<Option<LockGuard>, LockError> {
    match guard {
        Ok(guard) => Ok(Some(guard)),
        Err(LockError::Busy(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
