//! The hold as the code inside sees it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::acquire::options::check_ttl;
use crate::error::LockError;
use crate::io::wait::block_on;
use crate::local::lease::{Lease, LeaseRef, LossWatchSlot};
use crate::owner::context::{Entered, current as current_frame};
use crate::owner::frame::Frame;
use crate::owner::scope::{Heed, Scoped};
use crate::types::fence::Fence;

/// A hold of a lock, seen from the code that runs under it. Cheap to clone; a clone does not keep the lock.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{Hold, LockManager};
///
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("report").acquire_blocking()?;
/// let hold: &Hold = guard.hold();
/// assert!(hold.is_valid());
/// hold.check()?; // before each effect that must not happen twice
/// println!("{} until {:?}, token {}", hold.key(), hold.remaining(), hold.fence());
/// # Ok::<(), distlock::LockError>(())
/// ```
#[derive(Clone)]
pub struct Hold {
    frame: Arc<Frame>,
}

/// The innermost hold around the running code: that of the nearest annotated function, or of the guard or
/// shared hold that was entered. `None` outside of all.
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
        self.frame.lease()
    }

    /// The key that is held, as rendered.
    #[must_use]
    pub fn key(&self) -> &str {
        self.lease().key()
    }

    /// The hold of another key around the running code: this one's, or the nearest outside of it. `None` if none of them
    /// holds the key under the same manager.
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
    ///     assert!(shop.hold().for_key("till").is_none(), "that is further in");
    ///     Ok::<(), LockError>(())
    /// })?;
    /// # Ok::<(), LockError>(())
    /// ```
    #[must_use]
    pub fn for_key(&self, key: &str) -> Option<Self> {
        self.frame.find(self.frame.manager(), key).cloned().map(Self::new)
    }

    /// The fencing token of this hold; a re-entrant call shows that of the hold it re-enters.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.lease().fence()
    }

    /// How many calls have entered the hold inside each other, up to the code that this was made for: 1 in the call that took
    /// it, 2 in one that re-entered it there.
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

    /// How long the hold is still valid if nothing renews it; zero when it is over.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.lease().remaining()
    }

    /// Whether the hold is valid at this instant, by the deadline that this process knows. A pause of the
    /// process right after the answer is why storage should check [`Self::fence`] too.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// The same as a `Result`, for `?` before an effect.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the hold is over: lost, or released. Its text says which.
    pub fn check(&self) -> Result<(), LockError> {
        match self.lease().loss() {
            Some(loss) => Err(LockError::lost(self.key(), loss)),
            None if self.lease().is_over() => Err(LockError::released(self.key())),
            None => Ok(()),
        }
    }

    /// Waits until the hold is lost. It never ends if the hold is released instead, however long ago: what ends here is worth
    /// an alarm. A task that watches should therefore end with the work, for instance by `select!` or an abort.
    ///
    /// An async function that is annotated need not watch this: its body is dropped at the next await after
    /// the loss, unless `on_lost = finish` lets it run.
    pub fn lost(&self) -> impl Future<Output = LockError> + Send + use<> {
        Lost { lease: Arc::clone(self.lease()), slot: None }
    }

    /// Renews the hold now, so that it is valid for at least `ttl` from now on, and waits until the server has confirmed that.
    /// How long it is valid then, if nothing renews it.
    ///
    /// Renewals in the background go on with the longer of the two ttls, for all code under this hold: a hold can be made longer,
    /// never shorter. A hold without renewals (`renew = false`) is renewed this once. `max_hold` stays the limit.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::time::Duration;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("report").ttl(Duration::from_secs(5)).renew(false).acquire_blocking()?;
    /// let left = guard.hold().extend_blocking(Duration::from_secs(60))?; // the next page takes a while
    /// assert!(left > Duration::from_secs(55));
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    ///
    /// It blocks this thread for a round trip; while the server cannot be reached, until it can, or until the hold is over.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the hold is over, or ends before the server has confirmed; [`LockError::Config`] for a ttl that
    /// no lock can have.
    pub fn extend_blocking(&self, ttl: Duration) -> Result<Duration, LockError> {
        block_on(self.extend(ttl))
    }

    /// The same for async code. Dropped before it is ready, it leaves the renewal under way; no harm comes of that.
    ///
    /// # Errors
    /// As [`Self::extend_blocking`].
    pub async fn extend(&self, ttl: Duration) -> Result<Duration, LockError> {
        check_ttl(ttl)?;
        self.renewed(ttl).await
    }

    /// Renews the hold now for the ttl that it has, as [`Self::extend_blocking`] does for another.
    ///
    /// # Errors
    /// [`LockError::Lost`] as [`Self::extend_blocking`].
    pub fn renew_blocking(&self) -> Result<Duration, LockError> {
        block_on(self.renew())
    }

    /// The same for async code.
    ///
    /// # Errors
    /// As [`Self::renew_blocking`].
    pub async fn renew(&self) -> Result<Duration, LockError> {
        self.renewed(Duration::ZERO).await
    }

    async fn renewed(&self, ttl: Duration) -> Result<Duration, LockError> {
        self.check()?;
        if self.lease().extend_now(ttl).await.is_err() {
            self.check()?;
            return Err(LockError::released(self.key()));
        }
        self.check().map(|()| self.remaining())
    }

    /// Has `callback` called when the hold is lost: at most once, and not if the hold is released.
    ///
    /// It runs on a thread of the manager that runs nothing but callbacks, one after the other: one that blocks keeps others
    /// waiting, and no lock. A panic in it ends there. It may take locks. If the hold is lost already it is called at once.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use distlock::LockManager;
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("leader").acquire_blocking()?;
    /// guard.hold().on_lost(|error| eprintln!("leader no more: {error}"));
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn on_lost(&self, callback: impl FnOnce(LockError) + Send + 'static) {
        let key: Box<str> = self.key().into();
        self.lease().when_lost(move |loss| callback(LockError::lost(&key, loss)));
    }

    /// Has `callback` called when another call begins to wait for this hold, in this process or in another: at most once. If one
    /// waits already it is called at once. Code that does not release early does not need it. A worker that could go on for
    /// long can use it to hand over.
    ///
    /// Calls that try once do not wait, and those that re-enter this hold do not either. It runs as with [`Self::on_lost`].
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use distlock::LockManager;
    ///
    /// static ASKED: AtomicBool = AtomicBool::new(false);
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let guard = locks.mutex("import").acquire_blocking()?;
    /// guard.hold().on_contended(|| ASKED.store(true, Ordering::Relaxed));
    /// for page in 1..1000 {
    ///     // Import the page, and leave off between two when another wants its turn.
    ///     if ASKED.load(Ordering::Relaxed) {
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    pub fn on_contended(&self, callback: impl FnOnce() + Send + 'static) {
        self.lease().when_contended(Box::new(callback));
    }

    /// Shares the hold with a task or thread, which `spawn` alone does not. The lock is released when the
    /// function is over *and* the last share is dropped. Sections of the key under it take turns: a rayon job must not wait, inside such
    /// a section, for other jobs of its pool.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the hold is over already.
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

struct Lost {
    lease: Arc<Lease>,
    slot: LossWatchSlot,
}

impl Future for Lost {
    type Output = LockError;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<LockError> {
        let this = &mut *self;
        let lost = this.lease.poll_lost(&mut this.slot, context);
        lost.map(|loss| LockError::lost(this.lease.key(), loss))
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        self.lease.unwatch(self.slot.take());
    }
}

/// A share of a hold, for another task or thread. The lock stays held until it is dropped.
///
/// Calls of the same key under it re-enter, and take turns with those of the function that shared it.
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
    /// The hold that is shared.
    #[must_use]
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Runs a closure inside the hold, on this thread.
    pub fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        let mut frame = Some(self.hold.frame.for_code_here());
        let _inside = Entered::new(&mut frame);
        body()
    }

    /// Runs a future inside the hold; `tokio::spawn(shared.scope(work()))` is the usual form. The future runs to
    /// its end even if the hold is lost: watch [`Hold::lost`] or [`Hold::check`].
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        let frame = Some(self.hold.frame.for_code_here());
        match Scoped::new(frame, Heed::Nothing, future).await {
            Ok(output) => output,
            Err(_) => unreachable!("a scope that heeds nothing ends only with its future"),
        }
    }
}

impl fmt::Debug for SharedHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedHold").field(&self.hold).finish()
    }
}
