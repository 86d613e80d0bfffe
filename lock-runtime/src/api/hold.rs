//! Handles of a held lock: `Hold` for the code that runs under it, `LockGuard` that releases it,
//! `SharedHold` that keeps it for another task.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::acquire::options::check_ttl;
use crate::acquire::{release, release_and_wait};
use crate::error::LockError;
use crate::link::wait::block_on;
use crate::local::lease::{Lease, LeaseRef, LossWatchSlot};
use crate::owner::context::{ContextGuard, InContext, current as current_frame, frame_of_share};
use crate::owner::frame::Frame;
use crate::owner::section::{OnLoss, OwnerScope, Section};
use crate::protocol::request::Loss;
use crate::types::fence::Fence;

/// The handle of a held lock, for the code that runs under it. Cloning is cheap. A clone does not
/// keep the lock held.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{Hold, LockManager};
///
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("report").acquire_blocking()?;
/// let hold: &Hold = guard.hold();
/// hold.check()?; // before each side effect
/// println!("{}: {:?} left, token {}", hold.key(), hold.remaining(), hold.fence());
/// # Ok::<(), distlock::LockError>(())
/// ```
#[derive(Clone)]
pub struct Hold {
    frame: Arc<Frame>,
}

/// Returns the innermost hold around the running code: that of the nearest annotated function,
/// entered guard or entered shared hold. Returns `None` outside of all holds.
///
/// ```
/// # use distlock_runtime as distlock;
/// assert!(distlock::current().is_none());
/// ```
#[must_use]
pub fn current() -> Option<Hold> {
    current_frame().map(Hold::new)
}

impl Hold {
    pub(crate) fn new(frame: Arc<Frame>) -> Self {
        Self { frame }
    }

    fn lease(&self) -> &Arc<Lease> {
        &self.frame.lease
    }

    /// Returns the key, as rendered.
    #[must_use]
    pub fn key(&self) -> &str {
        self.lease().key()
    }

    /// Returns the hold of another key: this one's, or the nearest one around it. Returns `None` if
    /// neither this hold nor one around it has the key with the same manager.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockError, LockManager, current};
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let (shop, till) = (locks.mutex("shop").acquire_blocking()?, locks.mutex("till"));
    /// shop.enter(|| {
    ///     let till = till.acquire_blocking()?;
    ///     assert_eq!(till.hold().for_key("shop").expect("around it").fence(), shop.fence());
    ///     assert!(shop.hold().for_key("till").is_none(), "further inside");
    ///     Ok::<(), LockError>(())
    /// })?;
    /// # Ok::<(), LockError>(())
    /// ```
    #[must_use]
    pub fn for_key(&self, key: &str) -> Option<Self> {
        self.frame.find(self.frame.manager, key).cloned().map(Self::new)
    }

    /// Returns the fencing token. A re-entrant call has the token of the hold that it re-enters.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.lease().fence()
    }

    /// Returns how many nested calls have entered the hold: 1 in the call that acquired it, 2 in a
    /// call that re-entered it there.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockError, LockManager};
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let outer = locks.mutex("report").acquire_blocking()?;
    /// outer.enter(|| {
    ///     let inner = locks.mutex("report").acquire_blocking()?;
    ///     assert_eq!((outer.hold().depth(), inner.hold().depth()), (1, 2));
    ///     Ok::<(), LockError>(())
    /// })?;
    /// # Ok::<(), LockError>(())
    /// ```
    #[must_use]
    pub fn depth(&self) -> usize {
        self.frame.depth()
    }

    /// Returns how long the hold is valid without a further renewal. Zero if it has ended.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.lease().remaining()
    }

    /// Returns whether the hold is valid now, by the local deadline.
    ///
    /// The process may be suspended right after this call. Storage should therefore also compare
    /// the [fencing token](Self::fence).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// Returns an error if the hold is not valid any more. Use it with `?` before each side effect.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the hold was lost or released. The text says which.
    pub fn check(&self) -> Result<(), LockError> {
        match self.lease().loss() {
            Some(loss) => Err(LockError::lost(self.key(), loss)),
            None if self.lease().is_released() => Err(LockError::released(self.key())),
            None => Ok(()),
        }
    }

    /// Waits until the hold is lost, and returns the loss as an error.
    ///
    /// The future never completes if the hold is released. A task that waits for it should end with
    /// the work, for example by `select!`. An annotated async function need not watch this: its
    /// body is cancelled at the next `.await` after a loss, unless `on_lost = finish` is set.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("import").acquire().await?;
    /// let lost = guard.hold().lost();
    /// let watch = tokio::spawn(async move { eprintln!("stop: {}", lost.await) });
    /// // The work, which ends early when the task says so.
    /// watch.abort();
    /// guard.release().await
    /// # }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. A loss is reported by the next call of `lost`, too.
    pub fn lost(&self) -> impl Future<Output = LockError> + Send + use<> {
        LossFuture { lease: Arc::clone(self.lease()), slot: None }
    }

    /// Blocking form of [`extend`](Self::extend). Blocks this thread for a round trip, or longer
    /// while the server is unreachable.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::time::Duration;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let request = locks.mutex("report").ttl(Duration::from_secs(5)).renew(false);
    /// let guard = request.acquire_blocking()?;
    /// let left = guard.hold().extend_blocking(Duration::from_secs(60))?; // a long page follows
    /// assert!(left > Duration::from_secs(55));
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`extend`](Self::extend).
    pub fn extend_blocking(&self, ttl: Duration) -> Result<Duration, LockError> {
        block_on(self.extend(ttl))
    }

    /// Renews the hold now, so that it is valid for at least `ttl`, and waits until the server has
    /// confirmed it. Returns how long the hold is valid without a further renewal.
    ///
    /// Background renewals continue with the longer of the two ttls. A hold can be extended but not
    /// shortened. A hold without renewals is renewed this once. `max_hold` still applies.
    ///
    /// While the server is unreachable, the call waits until it is reachable again or the hold has
    /// ended.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the hold has ended, or ends before the server has confirmed the
    /// renewal. [`LockError::Config`] if the ttl is out of range.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the future is dropped, the renewal may still be executed. This extends the
    /// hold and has no other effect.
    pub async fn extend(&self, ttl: Duration) -> Result<Duration, LockError> {
        check_ttl(ttl)?;
        self.renewed(ttl).await
    }

    /// Blocking form of [`renew`](Self::renew).
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub fn renew_blocking(&self) -> Result<Duration, LockError> {
        block_on(self.renew())
    }

    /// Renews the hold now with its current ttl; see [`extend`](Self::extend).
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`], as [`extend`](Self::extend).
    ///
    /// # Cancel safety
    ///
    /// As [`extend`](Self::extend).
    pub async fn renew(&self) -> Result<Duration, LockError> {
        self.renewed(Duration::ZERO).await
    }

    async fn renewed(&self, ttl: Duration) -> Result<Duration, LockError> {
        self.check()?;
        if self.lease().renew_now(ttl).await.is_none() {
            self.check()?;
            return Err(LockError::released(self.key()));
        }
        self.check().map(|()| self.remaining())
    }

    /// Registers a callback for the loss of the hold. It is called at most once, and not if the
    /// hold is released. If the hold is already lost, it is called at once.
    ///
    /// Callbacks run on a thread of the manager that runs nothing else, one after the other. A
    /// callback that blocks delays other callbacks but no lock, and it may take locks. A panic in
    /// it is caught.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("leader").acquire_blocking()?;
    /// guard.hold().on_lost(|error| eprintln!("not the leader any more: {error}"));
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn on_lost(&self, callback: impl FnOnce(LockError) + Send + 'static) {
        let key: Box<str> = self.key().into();
        self.lease().on_lost(move |loss| callback(LockError::lost(&key, loss)));
    }

    /// Registers a callback that is called, at most once, when another call in any process starts
    /// to wait for this hold. If one is already waiting, it is called at once.
    ///
    /// A long-running worker can use it to release the lock early. Requests that try once and calls
    /// that re-enter do not count as waiting. The callback runs as with [`on_lost`](Self::on_lost).
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use distlock::LockManager;
    ///
    /// static CONTENDED: AtomicBool = AtomicBool::new(false);
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("import").acquire_blocking()?;
    /// guard.hold().on_contended(|| CONTENDED.store(true, Ordering::Relaxed));
    /// for page in 1..1000 {
    ///     // Import the page. Stop between two pages if another process waits.
    ///     if CONTENDED.load(Ordering::Relaxed) {
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn on_contended(&self, callback: impl FnOnce() + Send + 'static) {
        self.lease().on_contended(Box::new(callback));
    }

    /// Shares the hold with another task or thread. The lock is released when the function has
    /// returned *and* all shares have been dropped.
    ///
    /// Sections of the key under a shared hold exclude each other. A rayon job must not wait,
    /// inside such a section, for other jobs of its pool.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the hold has ended.
    pub fn share(&self) -> Result<SharedHold, LockError> {
        self.check()?;
        let share = LeaseRef::of(self.lease()).ok_or_else(|| LockError::released(self.key()))?;
        Ok(SharedHold { hold: self.clone(), share })
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("key", &self.key())
            .field("fence", &self.fence())
            .field("remaining", &self.remaining())
            .finish()
    }
}

struct LossFuture {
    lease: Arc<Lease>,
    slot: LossWatchSlot,
}

impl Future for LossFuture {
    type Output = LockError;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<LockError> {
        let this = &mut *self;
        let lost = this.lease.poll_lost(&mut this.slot, context);
        lost.map(|loss| LockError::lost(this.lease.key(), loss))
    }
}

impl Drop for LossFuture {
    fn drop(&mut self) {
        self.lease.stop_watching(self.slot.take());
    }
}

/// A held lock. Dropping the guard releases it.
///
/// A guard alone does not make the surrounding code the owner: a call of the same key next to it
/// waits. Calls inside [`enter`](Self::enter) or [`scope`](Self::scope) re-enter.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockManager;
///
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("stock").acquire_blocking()?;
/// let nested = guard.enter(|| locks.mutex("stock").acquire_blocking())?;
/// assert_eq!(nested.fence(), guard.fence());
/// # Ok::<(), distlock::LockError>(())
/// ```
#[must_use = "dropping the guard releases the lock"]
pub struct LockGuard {
    section: Section,
    hold: Hold,
    wait_for_release: bool,
}

impl LockGuard {
    pub(crate) fn new(section: Section, wait_for_release: bool) -> Self {
        let hold = Hold::new(Arc::clone(section.frame()));
        Self { section, hold, wait_for_release }
    }

    /// Returns the hold. For several keys it is that of the last key in sorted order;
    /// [`Hold::for_key`] returns the others.
    #[must_use]
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.hold.key()
    }

    /// Returns the fencing token.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.hold.fence()
    }

    /// Runs a closure as the owner of the hold. Calls of the same key inside it re-enter.
    ///
    /// A guard that was acquired beside this one may be entered inside. Waits there count as waits
    /// inside both holds when deadlocks are detected, but only calls of the inner guard's key
    /// re-enter: one of this guard's key would wait for itself, and fails with
    /// [`LockError::Deadlock`]. Acquire the second lock inside the first, or both with
    /// [`mutex_many`](crate::LockManager::mutex_many).
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockError, LockManager};
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let stock = || locks.mutex("stock").acquire_blocking();
    /// let (outer, inner) = (stock()?, locks.mutex("till").acquire_blocking()?);
    /// assert!(matches!(outer.enter(|| inner.enter(stock)), Err(LockError::Deadlock(_))));
    ///
    /// outer.enter(|| {
    ///     let nested = locks.mutex("shelf").acquire_blocking()?;
    ///     nested.enter(stock).map(drop) // re-enters
    /// })?;
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        let mut frame = Some(self.section.frame_here());
        let _guard = ContextGuard::enter(&mut frame);
        body()
    }

    /// Runs a future as the owner of the hold. Calls of the same key inside it re-enter. A guard
    /// that was acquired beside this one is entered inside it as with [`enter`](Self::enter).
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::{LockError, LockManager};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("stock").acquire().await?;
    /// let nested = guard.scope(async {
    ///     locks.mutex("stock").acquire().await.map(|inner| inner.fence())
    /// });
    /// assert_eq!(nested.await??, guard.fence());
    /// # Ok::<(), LockError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the hold is lost. The inner future is then dropped at its last
    /// `.await`.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as the inner future, which is dropped inside the hold. The guard keeps the
    /// lock.
    pub async fn scope<F: Future>(&self, future: F) -> Result<F::Output, LockError> {
        let frame = Some(self.section.frame_here());
        let scope = OwnerScope::new(frame, self.section.cancel_on_loss());
        InContext::new(scope, future).await.map_err(|loss| self.lost(*loss))
    }

    fn lost(&self, loss: Loss) -> LockError {
        let key = self.section.loss().map_or(self.key(), |(lease, _)| lease.key());
        LockError::lost(key, loss)
    }

    /// Blocking form of [`release`](Self::release). Blocks this thread only if the request was made
    /// with [`wait_for_release`](crate::LockRequest::wait_for_release).
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    pub fn release_blocking(self) -> Result<(), LockError> {
        if self.wait_for_release {
            block_on(release_and_wait(self.section))
        } else {
            release(self.section)
        }
    }

    /// Releases the lock. If the request was made with
    /// [`wait_for_release`](crate::LockRequest::wait_for_release), it waits until the server has
    /// confirmed that the lock was held to the end. Otherwise the release is sent without waiting.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the hold was lost before, or, with `wait_for_release`, if the server
    /// did not confirm it.
    ///
    /// # Cancel safety
    ///
    /// The lock is released even if the future is dropped.
    pub async fn release(self) -> Result<(), LockError> {
        if self.wait_for_release {
            release_and_wait(self.section).await
        } else {
            release(self.section)
        }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockGuard").field(&self.hold).finish()
    }
}

/// A share of a hold, for another task or thread. The lock stays held until it is dropped.
///
/// Calls of the same key under it re-enter, and exclude those of the function that shared it.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{LockManager, current};
///
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("import").acquire_blocking()?;
/// let shared = guard.hold().share()?;
/// let worker = std::thread::spawn(move || shared.run(|| current().map(|hold| hold.fence())));
/// assert_eq!(worker.join().unwrap(), Some(guard.fence()));
/// # Ok::<(), distlock::LockError>(())
/// ```
#[derive(Clone)]
pub struct SharedHold {
    hold: Hold,
    /// Keeps the lock.
    #[expect(dead_code, reason = "held for its destructor")]
    share: LeaseRef,
}

impl SharedHold {
    /// Returns the shared hold.
    #[must_use]
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Runs a closure inside the hold, on this thread.
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        let mut frame = Some(frame_of_share(&self.hold.frame));
        let _guard = ContextGuard::enter(&mut frame);
        body()
    }

    /// Runs a future inside the hold, typically as `tokio::spawn(shared.scope(work()))`.
    ///
    /// The future runs to its end even if the hold is lost. Use [`Hold::lost`] or [`Hold::check`]
    /// to detect a loss.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as the inner future, which is dropped inside the hold. The share is dropped
    /// after it.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        let frame = Some(frame_of_share(&self.hold.frame));
        let scope = OwnerScope::new(frame, OnLoss::Ignore);
        match InContext::new(scope, future).await {
            Ok(output) => output,
            Err(_) => unreachable!("a loss does not cancel it"),
        }
    }
}

impl fmt::Debug for SharedHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedHold").field(&self.hold).finish()
    }
}
