//! A lock held by hand.

use std::fmt;
use std::sync::Arc;

use crate::acquire::leave::{leave, leave_confirmed};
use crate::api::hold::Hold;
use crate::error::LockError;
use crate::io::wait::block_on;
use crate::owner::context::Entered;
use crate::owner::scope::{Heed, Lent, Scoped, Slot as _};
use crate::owner::section::Section;
use crate::protocol::claim::Loss;
use crate::types::fence::Fence;

/// A lock that is held until this is released or dropped.
///
/// The guard by itself does not make the code around it the owner: a call of the same key beside it waits. Run code
/// inside with [`Self::enter`] or [`Self::scope`], and calls in there re-enter.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockManager;
///
/// let locks = LockManager::connect("memory://")?;
/// let guard = locks.mutex("stock").acquire_blocking()?;
/// let same = guard.enter(|| locks.mutex("stock").acquire_blocking().map(|nested| nested.fence()))?;
/// assert_eq!(same, guard.fence());
/// # Ok::<(), distlock::LockError>(())
/// ```
#[must_use = "dropping the guard releases the lock"]
pub struct LockGuard {
    section: Section,
    hold: Hold,
    confirmed: bool,
}

impl LockGuard {
    pub(crate) fn new(section: Section, confirmed: bool) -> Self {
        let hold = Hold::new(Arc::clone(section.frame()));
        Self { section, hold, confirmed }
    }

    /// The hold: deadline, loss, sharing. Of several keys, that of the last in order; [`Hold::for_key`] gives those of the others.
    #[must_use]
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// The key that is held.
    #[must_use]
    pub fn key(&self) -> &str {
        self.hold.key()
    }

    /// The fencing token.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.hold.fence()
    }

    /// Runs a closure as the owner: calls of the same key in it re-enter.
    pub fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        let mut frame = Some(self.section.frame().for_code_here());
        let _inside = Entered::new(&mut frame);
        body()
    }

    /// Runs a future as the owner: calls of the same key in it re-enter.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the hold is lost: the future is then dropped where it last waited.
    pub async fn scope<F: Future>(&self, future: F) -> Result<F::Output, LockError> {
        let others = self.section.others().map(Arc::clone).collect();
        let lent = Lent { frame: Some(self.section.frame().for_code_here()), others };
        Scoped::new(lent, Heed::LOSS, future).await.map_err(|loss| self.lost(*loss))
    }

    fn lost(&self, loss: Loss) -> LockError {
        let key = self.section.loss().map_or(self.key(), |(lease, _)| lease.key());
        LockError::lost(key, loss)
    }

    /// Releases the lock. With `wait_for_release` on the request it blocks until the server has said that the lock
    /// was ours to the end; else the release is sent and not waited for.
    ///
    /// # Errors
    /// [`LockError::Lost`] if the hold was lost before.
    pub fn release_blocking(self) -> Result<(), LockError> {
        if self.confirmed { block_on(leave_confirmed(self.section)) } else { leave(self.section) }
    }

    /// The same for async code.
    ///
    /// # Errors
    /// As [`Self::release_blocking`].
    pub async fn release(self) -> Result<(), LockError> {
        if self.confirmed { leave_confirmed(self.section).await } else { leave(self.section) }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockGuard").field(&self.hold).finish()
    }
}
