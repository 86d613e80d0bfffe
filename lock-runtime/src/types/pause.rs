//! A span in which a server grants no locks.

use std::fmt;
use std::time::Duration;

/// The server grants no locks to anybody, from
/// [`Inspection::pause`](crate::Inspection::pause).
///
/// Holds are renewed and released meanwhile. Requests that can wait that long do so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GrantPause {
    /// How long it will last.
    #[cfg_attr(feature = "serde", serde(rename = "left_ms", with = "super::time::serde_ms"))]
    pub left: Duration,
    /// Why.
    pub reason: PauseReason,
}

/// Why a server grants no locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PauseReason {
    /// It has become the primary, or has restarted with its data:
    /// [`after_failover`](crate::LockManagerBuilder::after_failover).
    Failover,
    /// It has lost its data: [`data_loss_grace`](crate::LockManagerBuilder::data_loss_grace).
    DataLoss,
}

impl PauseReason {
    /// By the letter that the scripts have for it.
    pub(crate) fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "p" => Some(Self::Failover),
            "l" => Some(Self::DataLoss),
            _ => None,
        }
    }
}

/// `grants resume in 1.4s (failover)`
impl fmt::Display for GrantPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grants resume in {:.1?} ({})", self.left, self.reason)
    }
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failover => "failover",
            Self::DataLoss => "data loss",
        })
    }
}

#[cfg(test)]
mod tests;
