//! How many replicas confirm a grant.

use std::num::NonZeroU8;
use std::time::Duration;

/// How many replicas of the server have to have a grant before it counts. A number converts into
/// it, where zero is [`Replicas::None`].
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{LockManager, Replicas};
///
/// let locks = LockManager::builder().url("memory://").replicas(1).build()?;
/// let guard = locks.mutex("payout").replicas(Replicas::All).acquire_blocking()?;
/// # Ok::<(), distlock::LockError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// None: a grant counts once the server has replied.
    None,
    /// So many.
    Count(NonZeroU8),
    /// All that are online, and at least one.
    All,
}

impl Replicas {
    pub(crate) const fn count(count: u8) -> Self {
        match NonZeroU8::new(count) {
            Some(count) => Self::Count(count),
            None => Self::None,
        }
    }

    /// Whether a hold that was confirmed by `others` is confirmed by these too.
    pub(crate) fn are_among(self, others: Self) -> bool {
        match (self, others) {
            (Self::None, _) | (Self::All, Self::All) => true,
            (Self::Count(count), Self::Count(others)) => count <= others,
            (Self::All | Self::Count(_), _) => false,
        }
    }
}

impl From<u8> for Replicas {
    fn from(count: u8) -> Self {
        Self::count(count)
    }
}

/// What confirms the grants and renewals of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// So many replicas; `None`: all that are online.
    count: Option<NonZeroU8>,
    /// How long a grant waits for them.
    pub(crate) within: Duration,
}

impl Confirm {
    /// `None` if no replica has to confirm.
    pub(crate) fn new(replicas: Replicas, within: Duration) -> Option<Self> {
        match replicas {
            Replicas::None => None,
            Replicas::Count(count) => Some(Self { count: Some(count), within }),
            Replicas::All => Some(Self { count: None, within }),
        }
    }

    /// Whether all that are online have to confirm.
    pub(crate) fn is_by_all(&self) -> bool {
        self.count.is_none()
    }

    /// How many have to confirm while so many are online.
    pub(crate) fn required(&self, online: u32) -> u32 {
        self.count.map_or(online.max(1), |count| count.get().into())
    }
}
