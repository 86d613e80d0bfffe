//! A lock that is held without the attribute.

use std::fmt;
use std::sync::Arc;

use crate::acquire::{release, release_and_wait};
use crate::api::hold::Hold;
use crate::error::LockError;
use crate::io::block_on::block_on;
use crate::owner::context::{ContextGuard, frame_for_current_task};
use crate::owner::scope::{BorrowedFrame, FrameSource as _, InContext, OnLoss, OwnerScope};
use crate::owner::section::Section;
use crate::protocol::request::Loss;
use crate::types::fence::Fence;

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
    pub fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        let mut frame = Some(frame_for_current_task(self.section.frame()));
        let _guard = ContextGuard::enter(&mut frame);
        body()
    }

    /// Runs a future as the owner of the hold. Calls of the same key inside it re-enter.
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
        let other_leases = self.section.other_leases().map(Arc::clone).collect();
        let frame = Some(frame_for_current_task(self.section.frame()));
        let scope = OwnerScope::new(BorrowedFrame { frame, other_leases }, OnLoss::cancel());
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
