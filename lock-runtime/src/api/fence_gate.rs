//! A check of fencing tokens in front of a resource.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::types::fence::Fence;

/// Rejects stale fencing tokens for a resource of this process.
///
/// A lock alone cannot exclude a holder that was paused past its lease and continues; the resource
/// can (Kleppmann, "How to do distributed locking", 2016). Use one gate per resource and key:
/// tokens of different keys are not comparable.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{FenceGate, LockManager};
///
/// static STOCK: FenceGate = FenceGate::new();
///
/// let locks = LockManager::connect("memory://")?;
/// let stale = locks.mutex("stock").acquire_blocking()?.fence(); // released at once
/// let current = locks.mutex("stock").acquire_blocking()?.fence();
/// STOCK.admit(current).expect("the first token is admitted");
/// let rejected = STOCK.admit(stale).expect_err("an older one is not");
/// assert_eq!(rejected.highest, current);
/// # Ok::<(), distlock::LockError>(())
/// ```
///
/// # SQL
///
/// Store the highest token next to the data, and make each write conditional. If no row was
/// changed, the token was stale:
///
/// ```sql
/// UPDATE account SET balance = $1, fence = $2 WHERE id = $3 AND fence <= $2;
/// ```
///
/// # Redis
///
/// Compare and write in one script, as the example `fenced_write` of the `distlock` crate does. Lua
/// numbers represent tokens exactly.
#[derive(Debug, Default)]
pub struct FenceGate {
    highest: AtomicU64,
}

impl FenceGate {
    /// Creates a gate that has not admitted a token yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { highest: AtomicU64::new(0) }
    }

    /// Admits a token that is not lower than any admitted before. A hold may pass its token several
    /// times.
    ///
    /// # Errors
    ///
    /// [`StaleFence`] for a lower token. Its holder was followed by another one and must not write
    /// any more.
    pub fn admit(&self, fence: Fence) -> Result<(), StaleFence> {
        let highest = self.highest.fetch_max(fence.get(), Ordering::AcqRel);
        if fence.get() < highest {
            return Err(StaleFence { fence, highest: Fence::new(highest) });
        }
        Ok(())
    }
}

/// A rejected token, because a higher one was admitted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleFence {
    /// The rejected token.
    pub fence: Fence,
    /// The highest token admitted so far.
    pub highest: Fence,
}

impl fmt::Display for StaleFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "fencing token {} is older than {}: another holder has written since; do not retry \
             with this hold",
            self.fence, self.highest
        )
    }
}

impl std::error::Error for StaleFence {}

#[cfg(test)]
mod tests;
