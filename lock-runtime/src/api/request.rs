//! A request for a lock by hand, without the attribute.

use std::panic::Location;
use std::time::Duration;

use crate::acquire::keys::Keys;
use crate::acquire::options::Options;
use crate::acquire::{Entered, Entering};
use crate::api::guard::LockGuard;
use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::types::call_site::CallSite;

/// A request for one key, from [`LockManager::mutex`], or for several, from [`LockManager::mutex_many`]. Its settings are those of the attribute.
///
/// ```
/// # use distlock_runtime as distlock;
/// use std::time::Duration;
/// use distlock::LockManager;
///
/// let locks = LockManager::connect("memory://")?;
/// let report = locks.mutex("report").ttl(Duration::from_secs(10));
/// if let Some(guard) = report.try_acquire_blocking()? {
///     println!("nobody else reports: {}", guard.key());
/// }
/// # Ok::<(), distlock::LockError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is acquired"]
pub struct LockRequest {
    manager: LockManager,
    keys: Keys,
    options: Options,
    confirmed: bool,
    caller: &'static Location<'static>,
}

impl LockRequest {
    pub(crate) fn new(
        manager: LockManager,
        keys: Keys,
        caller: &'static Location<'static>,
    ) -> Self {
        Self { manager, keys, options: Options::DEFAULT, confirmed: false, caller }
    }

    /// How long the hold lasts unless it is renewed. Default: the manager's, 30 s. When the request re-enters a hold it
    /// can only lengthen that one's.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// How long to wait; zero tries once. Default: the manager's, as long as it takes.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = Some(wait);
        self
    }

    /// The longest the hold may last with all its renewals. Default: the manager's, 24 h.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.options.max_hold = Some(max_hold);
        self
    }

    /// What is stored with the lock beside the function that takes it, for callers that wait for it or inspect it: see
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

    /// How long the process keeps the hold after its last section, for the next section of its own; when another process
    /// asks it gives it up at once, and at the latest a second after the server granted it. Default: zero, the hold is
    /// given up with the section.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.options.linger = Some(linger);
        self
    }

    /// Whether the hold is renewed. Default: `true`; without, it is over after its ttl.
    pub fn renew(mut self, renew: bool) -> Self {
        self.options.renew = renew;
        self
    }

    /// Whether the request re-enters a hold of the same key around it. With `false` such a request is
    /// [`LockError::Deadlock`] at once, regardless of its `wait`. Default: the manager's, `true`.
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

    /// Makes an explicit release wait for the server's word. Default: it is sent and not waited for.
    pub fn wait_for_release(mut self) -> Self {
        self.confirmed = true;
        self
    }

    /// Strict first come, first served across the cluster. Default: the end of a section may hand the lock over to the
    /// next one that waits in the same process, a few times in a row.
    pub fn strict_fifo(mut self) -> Self {
        self.options.strict_fifo = true;
        self
    }

    /// Waits for the lock on this thread.
    ///
    /// In async code use [`Self::acquire`]: on a runtime of one thread the task that holds the lock may need this thread to
    /// end, and neither goes on. A guard of the same thread that was not entered is such a holder too. Set [`Self::wait`] where that
    /// may happen.
    ///
    /// # Errors
    /// See [`LockError`]; [`LockError::Deadlock`] if the code on top of whose stack this runs holds the key.
    pub fn acquire_blocking(&self) -> Result<LockGuard, LockError> {
        self.guard(self.enter_blocking(&self.options))
    }

    /// Waits for the lock; the future may be dropped at any time.
    ///
    /// # Errors
    /// See [`LockError`].
    pub async fn acquire(&self) -> Result<LockGuard, LockError> {
        let entering = self.enter(&self.options);
        self.guard(entering.wait().await)
    }

    /// Tries once; `None` if another has the lock or comes first.
    ///
    /// # Errors
    /// See [`LockError`]; [`LockError::Busy`] is not one of them here.
    pub fn try_acquire_blocking(&self) -> Result<Option<LockGuard>, LockError> {
        not_busy(self.guard(self.enter_blocking(&self.once())))
    }

    /// The same for async code.
    ///
    /// # Errors
    /// As [`Self::try_acquire_blocking`].
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>, LockError> {
        let entering = self.enter(&self.once());
        not_busy(self.guard(entering.wait().await))
    }

    fn once(&self) -> Options {
        Options { wait: Some(Duration::ZERO), ..self.options }
    }

    fn enter(&self, options: &Options) -> Entering {
        self.keys.enter(&self.manager, options, CallSite::Line(self.caller))
    }

    fn enter_blocking(&self, options: &Options) -> Entered {
        self.keys.enter_blocking(&self.manager, options, CallSite::Line(self.caller))
    }

    fn guard(&self, entered: Entered) -> Result<LockGuard, LockError> {
        let section = entered.map_err(|error| *error)?;
        Ok(LockGuard::new(section, self.confirmed))
    }
}

fn not_busy(guard: Result<LockGuard, LockError>) -> Result<Option<LockGuard>, LockError> {
    match guard {
        Ok(guard) => Ok(Some(guard)),
        Err(LockError::Busy(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
