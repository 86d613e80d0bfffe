//! The other half of fencing: the resource that refuses old tokens.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::types::fence::Fence;

/// Stands before a resource of this process and refuses fencing tokens that are lower than one it has admitted.
///
/// A lock alone cannot keep out a holder that was paused past its lease and wakes up; the resource can (Kleppmann, "How to
/// do distributed locking", 2016). One gate guards one resource under one key: tokens of different keys are not to be compared.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{FenceGate, LockManager};
///
/// static STOCK: FenceGate = FenceGate::new();
///
/// let locks = LockManager::connect("memory://")?;
/// let late = locks.mutex("stock").acquire_blocking()?.fence(); // released at once, say by the end of its lease
/// let current = locks.mutex("stock").acquire_blocking()?.fence();
/// STOCK.admit(current).expect("the first token is admitted");
/// let refused = STOCK.admit(late).expect_err("an older one is not");
/// assert_eq!(refused.highest, current);
/// # Ok::<(), distlock::LockError>(())
/// ```
///
/// # In a database
///
/// Keep the highest token beside the data, and make each write conditional; no row changed means refused:
///
/// ```sql
/// UPDATE account SET balance = $1, fence = $2 WHERE id = $3 AND fence <= $2;
/// ```
///
/// # In Redis
///
/// In one script, as the example `fenced_write` of the `distlock` crate does. Tokens have 16 digits, which Lua's numbers hold
/// exactly.
#[derive(Debug, Default)]
pub struct FenceGate {
    highest: AtomicU64,
}

impl FenceGate {
    /// A gate that has admitted no token yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { highest: AtomicU64::new(0) }
    }

    /// Admits a token that is at least as high as all before it: the same hold may write often.
    ///
    /// # Errors
    /// [`StaleFence`] for a lower one: its holder has been followed by another and must not write any more.
    pub fn admit(&self, fence: Fence) -> Result<(), StaleFence> {
        let highest = self.highest.fetch_max(fence.get(), Ordering::AcqRel);
        if fence.get() < highest {
            return Err(StaleFence { fence, highest: Fence::new(highest) });
        }
        Ok(())
    }
}

/// A token that was refused because a higher one was admitted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleFence {
    /// The token that was shown.
    pub fence: Fence,
    /// The highest one admitted.
    pub highest: Fence,
}

impl fmt::Display for StaleFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "fencing token {} is older than {}: another holder has written since; do not retry with this hold",
            self.fence, self.highest
        )
    }
}

impl std::error::Error for StaleFence {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_refuses_what_is_lower_and_admits_the_same_again() {
        let gate = FenceGate::new();
        assert_eq!(gate.admit(Fence::new(7)), Ok(()));
        assert_eq!(gate.admit(Fence::new(7)), Ok(()));
        let refused = gate.admit(Fence::new(6)).expect_err("lower");
        assert_eq!((refused.fence, refused.highest), (Fence::new(6), Fence::new(7)));
        assert!(refused.to_string().contains("older than 7"));
        assert_eq!(gate.admit(Fence::new(8)), Ok(()));
    }
}
