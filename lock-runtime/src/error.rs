//! What can go wrong, sorted by what a caller would do about it.

use std::fmt;
use std::time::Duration;

use crate::Holder;
use crate::protocol::{Failure, Loss};
use crate::wire::{Busy, Obstacle};

/// Why a lock was not had, or not kept.
///
/// Each variant is a different thing to do next; each names the key. It converts into [`std::io::Error`], so
/// that functions which return `io::Result` can be annotated.
///
/// ```
/// use lock_runtime::LockError;
///
/// fn worth_a_retry(error: &LockError) -> bool {
///     matches!(error, LockError::Busy { .. } | LockError::Unavailable { .. })
/// }
/// let error = lock_runtime::LockManager::connect("http://localhost").unwrap_err();
/// assert!(!worth_a_retry(&error));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else had the lock for all of the time that the caller was ready to wait. Try later.
    #[non_exhaustive]
    Busy {
        /// The key.
        key: Box<str>,
        /// Who holds it, as far as known.
        holder: Option<Box<Holder>>,
        /// How many waited before this request.
        ahead: u64,
        /// How long it waited.
        waited: Duration,
    },
    /// The lock was held, and then was not any more while the code still ran: what it wrote may have raced with
    /// another holder, unless the storage checks the fencing token. Do not report success.
    #[non_exhaustive]
    Lost {
        /// The key.
        key: Box<str>,
        /// How it was lost.
        reason: Box<str>,
    },
    /// The server could not be reached. Nothing is held.
    #[non_exhaustive]
    Unavailable {
        /// The key.
        key: Box<str>,
        /// What failed.
        reason: Box<str>,
    },
    /// A request was sent and no reply came in time. If the lock was granted meanwhile it is given back in the
    /// background; the code that it was for did not run.
    #[non_exhaustive]
    Ambiguous {
        /// The key.
        key: Box<str>,
        /// How long the reply was waited for.
        waited: Duration,
    },
    /// The server said no: wrong password, missing right, out of memory, a read-only replica. Somebody has to
    /// mend that.
    #[non_exhaustive]
    Refused {
        /// The key.
        key: Box<str>,
        /// What the server said.
        reason: Box<str>,
    },
    /// A key that is not a lock stands under the lock's name. It was left as it is.
    #[non_exhaustive]
    ForeignKey {
        /// The key.
        key: Box<str>,
        /// How long the request waited for it to go away.
        waited: Duration,
    },
    /// The server lost its data a short while ago. Holds from before may still be valid in their processes, so
    /// nothing is granted until the longest of them is over. Try later.
    #[non_exhaustive]
    DataLoss {
        /// The key.
        key: Box<str>,
        /// When locks are granted again, if the server said.
        left: Option<Duration>,
    },
    /// The settings make no sense, or there are none.
    #[non_exhaustive]
    Config {
        /// What is wrong, and what to write.
        reason: Box<str>,
    },
    /// The manager was shut down.
    #[non_exhaustive]
    Closed {
        /// The key.
        key: Box<str>,
    },
}

impl LockError {
    pub(crate) fn config(reason: impl Into<Box<str>>) -> Self {
        Self::Config { reason: reason.into() }
    }

    pub(crate) fn lost(key: &str, loss: Loss) -> Self {
        Self::Lost { key: key.into(), reason: loss.to_string().into() }
    }

    pub(crate) fn released(key: &str) -> Self {
        Self::Lost { key: key.into(), reason: "it was released".into() }
    }

    pub(crate) fn closed(key: &str) -> Self {
        Self::Closed { key: key.into() }
    }

    /// A busy lock whose holder is the caller's own process.
    pub(crate) fn busy_here(key: &str, waited: Duration) -> Self {
        Self::Busy { key: key.into(), holder: None, ahead: 0, waited }
    }

    pub(crate) fn from_failure(key: &str, waited: Duration, failure: Failure) -> Self {
        let key = key.into();
        match failure {
            Failure::Busy(busy) => Self::from_busy(key, waited, busy),
            Failure::Unavailable(reason) => Self::Unavailable { key, reason: reason.into() },
            Failure::Ambiguous => Self::Ambiguous { key, waited },
            Failure::Refused(reason) => Self::Refused { key, reason: reason.into() },
        }
    }

    fn from_busy(key: Box<str>, waited: Duration, busy: Busy) -> Self {
        match busy.obstacle {
            Obstacle::Holder(holder) => {
                let holder = holder.map(|holder| Box::new(Holder::from(*holder)));
                Self::Busy { key, holder, ahead: busy.ahead, waited }
            }
            Obstacle::ForeignKey => Self::ForeignKey { key, waited },
            Obstacle::DataLoss => Self::DataLoss { key, left: busy.left },
        }
    }

    /// The key it is about; none for a configuration error.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Busy { key, .. }
            | Self::Lost { key, .. }
            | Self::Unavailable { key, .. }
            | Self::Ambiguous { key, .. }
            | Self::Refused { key, .. }
            | Self::ForeignKey { key, .. }
            | Self::DataLoss { key, .. }
            | Self::Closed { key } => Some(key),
            Self::Config { .. } => None,
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { key, holder, ahead, waited } => {
                busy(f, key, holder.as_deref(), *ahead, *waited)
            }
            Self::Lost { key, reason } => write!(
                f,
                "lock '{key}' was lost while it was held: {reason}; check what was written, and have the \
                 storage refuse old fencing tokens"
            ),
            Self::Unavailable { key, reason } => write!(
                f,
                "lock '{key}' is unavailable: {reason}; check that the Redis server runs and can be reached"
            ),
            Self::Ambiguous { key, waited } => write!(
                f,
                "lock '{key}': no reply within {waited:.1?}; nothing ran, and a late grant is given back in \
                 the background; try again, or allow a longer wait"
            ),
            Self::Refused { key, reason } => {
                write!(f, "lock '{key}' was refused by the server: {reason}; {}", remedy(reason))
            }
            Self::ForeignKey { key, waited } => write!(
                f,
                "lock '{key}': a key that is not a lock stands under its name and did not go away in \
                 {waited:.1?}; delete or rename that key, or set another prefix"
            ),
            Self::DataLoss { key, left } => {
                write!(
                    f,
                    "lock '{key}' is not granted because the server lost its data and older holds may "
                )?;
                f.write_str("still be valid in their processes; try again ")?;
                match left {
                    Some(left) => write!(f, "in {left:.1?}"),
                    None => f.write_str("later"),
                }
            }
            Self::Config { reason } => f.write_str(reason),
            Self::Closed { key } => {
                write!(
                    f,
                    "lock '{key}' was asked of a manager that was shut down; make a new manager"
                )
            }
        }
    }
}

fn busy(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    holder: Option<&Holder>,
    ahead: u64,
    waited: Duration,
) -> fmt::Result {
    write!(f, "lock '{key}' is busy after {waited:.1?}: ")?;
    match holder {
        Some(holder) => write!(f, "held by {holder}")?,
        None => f.write_str("another call has it or comes first")?,
    }
    if ahead > 0 {
        write!(f, ", {ahead} waiting before this call")?;
    }
    f.write_str("; try again later, or allow a longer wait")
}

/// What to do about an answer of the server, by its code.
fn remedy(reason: &str) -> &'static str {
    let has = |code: &str| reason.contains(code);
    if has("OOM") {
        "free memory in the server or raise its maxmemory"
    } else if has("READONLY") || has("ReadOnly") {
        "connect to the primary, not to a replica"
    } else if has("NOPERM") || has("NoPerm") {
        "grant the user the rights to run scripts and to publish and subscribe under the prefix"
    } else if has("WRONGPASS") || has("NOAUTH") || has("AUTH") || has("Auth") {
        "check user and password in the URL"
    } else if has("MISCONF") || has("NOREPLICAS") {
        "mend the server's persistence or replication, without which it takes no writes"
    } else {
        "see the server's message"
    }
}

impl std::error::Error for LockError {}

impl From<LockError> for std::io::Error {
    fn from(error: LockError) -> Self {
        use std::io::ErrorKind;
        let kind = match &error {
            LockError::Busy { .. } | LockError::DataLoss { .. } => ErrorKind::WouldBlock,
            LockError::Ambiguous { .. } => ErrorKind::TimedOut,
            LockError::Unavailable { .. } => ErrorKind::NotConnected,
            LockError::Refused { .. } => ErrorKind::PermissionDenied,
            LockError::ForeignKey { .. } => ErrorKind::AlreadyExists,
            LockError::Config { .. } => ErrorKind::InvalidInput,
            LockError::Lost { .. } | LockError::Closed { .. } => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
