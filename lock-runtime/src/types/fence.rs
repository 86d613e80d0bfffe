//! Fencing tokens, and a check of them in front of a resource.

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::TryFromIntError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A fencing token: a number that increases with every hold of a key.
///
/// Pass it with each write to the protected storage, and let the storage reject a token that is
/// lower than one that it has already seen. A holder that was paused past its lease can then do no
/// harm when it continues (Kleppmann, "How to do distributed locking", 2016). A re-entrant call has
/// the token of the hold that it re-enters.
///
/// Tokens are drawn from one counter per prefix, in a cluster one per slot, which starts at the
/// server's clock in microseconds. They therefore increase across a restart without data, too, up
/// to clock skew.
///
/// ```
/// # use distlock_runtime as distlock;
/// let locks = distlock::LockManager::connect("memory://")?;
/// let first = locks.mutex("file").acquire_blocking()?.fence();
/// let second = locks.mutex("file").acquire_blocking()?.fence();
/// assert!(second > first);
/// # Ok::<(), distlock::LockError>(())
/// ```
///
/// Tokens are below 2<sup>53</sup>. They fit into an SQL `bigint`, and numbers in JSON, JavaScript
/// and Lua represent them exactly.
///
/// ```
/// # use distlock_runtime as distlock;
/// # let locks = distlock::LockManager::connect("memory://")?;
/// # let guard = locks.mutex("row").acquire_blocking()?;
/// use distlock::Fence;
///
/// let column = i64::from(guard.fence());
/// assert_eq!(Fence::try_from(column), Ok(guard.fence()));
/// assert!(Fence::try_from(-1).is_err());
/// # Ok::<(), distlock::LockError>(())
/// ```
///
/// With the feature `serde` it is serialized as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "i64", into = "i64"))]
pub struct Fence(u64);

impl Fence {
    /// Below every token that was ever issued.
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn new(token: u64) -> Self {
        Self(token)
    }

    /// Returns the token as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The highest token that a process has seen from a server, on all of its connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct HighestFence(Arc<AtomicU64>);

impl HighestFence {
    pub(crate) fn get(&self) -> Fence {
        Fence(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn raise(&self, seen: Fence) {
        self.0.fetch_max(seen.0, Ordering::Relaxed);
    }
}

/// A range of tokens that one grant reserved: the first for the section that requested it, the
/// others for local handoffs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FenceRange {
    pub first: Fence,
    pub size: u32,
}

impl FenceRange {
    /// So many tokens from `first` on.
    pub const fn new(first: Fence, size: u32) -> Self {
        Self { first, size }
    }

    /// The highest of them.
    pub const fn last(self) -> Fence {
        Fence(self.first.0 + (self.size as u64).saturating_sub(1))
    }

    /// Takes the lowest out.
    pub fn take(&mut self) -> Option<Fence> {
        self.size = self.size.checked_sub(1)?;
        let fence = self.first;
        self.first = Fence(fence.0 + 1);
        Some(fence)
    }
}

impl From<Fence> for u64 {
    fn from(fence: Fence) -> Self {
        fence.0
    }
}

impl From<Fence> for i64 {
    /// For a `bigint` column. Always exact: tokens are below 2<sup>53</sup>.
    fn from(fence: Fence) -> Self {
        Self::try_from(fence.0).unwrap_or(Self::MAX)
    }
}

impl TryFrom<i64> for Fence {
    type Error = TryFromIntError;

    /// A token that was stored in a `bigint` column.
    ///
    /// # Errors
    /// [`TryFromIntError`] for a negative number.
    fn try_from(token: i64) -> Result<Self, TryFromIntError> {
        u64::try_from(token).map(Self)
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

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
///
/// `{:?}` is the name of the type and the text, on one line; `{:#?}` shows the fields.
#[derive(Clone, Copy, PartialEq, Eq)]
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

/// A `main` that returns the error prints this form, so it is for people too.
impl fmt::Debug for StaleFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fence, highest } = self;
        if f.alternate() {
            f.debug_struct("StaleFence").field("fence", fence).field("highest", highest).finish()
        } else {
            write!(f, "StaleFence: {self}")
        }
    }
}

impl std::error::Error for StaleFence {}
