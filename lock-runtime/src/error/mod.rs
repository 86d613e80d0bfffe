//! What can go wrong, sorted by what a caller would do about it.

pub(crate) mod message;

use std::time::Duration;

use crate::api::inspect::Holder;
use crate::protocol::claim::{Failure, Loss};
use crate::types::human_duration::HumanDuration;
use crate::types::owner_info::OwnerInfo;
use crate::types::printable::{printable, words};
use crate::wire::probe::Member;
use crate::wire::reply::Obstacle;

/// Why a lock was not had, or not kept.
///
/// Each variant is a different thing to do next; each names the key. It converts into [`std::io::Error`], so
/// that functions which return `io::Result` can be annotated.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockError;
///
/// fn worth_a_retry(error: &LockError) -> bool {
///     matches!(error, LockError::Busy(_) | LockError::Unavailable(_))
/// }
/// let error = distlock::LockManager::connect("http://localhost").unwrap_err();
/// assert!(!worth_a_retry(&error));
/// ```
///
/// It is small, because it has its place in the return value of every locked call: what belongs to a variant is boxed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else had the lock for all of the time that the caller was ready to wait. Try later.
    Busy(Box<Busy>),
    /// The lock was held, and then was not any more while the code still ran: what it wrote may have raced with
    /// another holder, unless the storage checks the fencing token. Do not report success.
    Lost(Box<ErrorDetail>),
    /// The server could not be reached. Nothing is held.
    Unavailable(Box<ErrorDetail>),
    /// A request was sent and no reply came in time. If the lock was granted meanwhile it is given back in the
    /// background; the code that it was for did not run.
    NoReply(Box<TimedOut>),
    /// The server said no: wrong password, missing right, out of memory, a read-only replica. Somebody has to
    /// mend that.
    Refused(Box<ErrorDetail>),
    /// A key that can be no lock stands under the lock's name: a list, a hash, a text that never expires. It was left as it
    /// is. A text that expires is taken for the lock of another kind of client, and is [`Self::Busy`].
    KeyConflict(Box<TimedOut>),
    /// The server lost its data a short while ago. Holds from before may still be valid in their processes, so
    /// nothing is granted until the longest of them is over. Try later.
    DataLoss(Box<DataLoss>),
    /// The wait would never have ended: those that hold what it waits for wait, over others perhaps, for what the caller
    /// holds. Of them all the caller had waited shortest, so it alone is told. Let go and try again; better, take the locks
    /// in one order, or together: a list of keys, [`lock_many`](crate::LockManager::mutex_many).
    /// A call with `reenter = false` inside a hold of its own key gets it at once.
    Deadlock(Box<Deadlock>),
    /// The settings make no sense, or there are none: what is wrong, and what to write.
    Config(Box<str>),
    /// The manager cannot be used any more, or not here: it was shut down, its I/O thread died, or it was made before a fork. The
    /// reason says which. Make a new one.
    Closed(Box<ErrorDetail>),
}

/// Why a manager cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    ShutDown,
    Panicked,
    Forked,
}

impl Closing {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::ShutDown => "it was shut down",
            Self::Panicked => "its I/O thread died",
            Self::Forked => "it was made before a fork",
        }
    }
}

pub(crate) const RELEASED: &str = "it was released";
pub(crate) const NOT_RENEWED: &str = "the server refused to renew it";
pub(crate) const NOT_RELEASED: &str = "the server refused the release";
pub(crate) const UNCONFIRMED: &str = "the server did not confirm the release";

/// Who had a lock, and for how long it was waited for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Busy {
    /// The key.
    pub key: Box<str>,
    /// Who holds it, as far as known.
    pub holder: Option<Holder>,
    /// How many waited before this request.
    pub ahead: u64,
    /// How long it waited.
    pub waited: Duration,
    /// When the hold ends unless it is renewed, as far as known.
    pub(crate) left: Option<Duration>,
}

impl Busy {
    /// After how long the lock is free at the latest if its holder has died: what is left of the holder's lease, by the server's
    /// last word to this process. `None` if that is not known.
    ///
    /// A holder that is alive renews its lease, and may release it any time before.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// use std::time::Duration;
    /// use distlock::{LockError, LockManager};
    ///
    /// let locks = LockManager::connect("memory://")?;
    /// let _held = locks.mutex("report").acquire_blocking()?;
    /// let refused = locks.mutex("report").wait(Duration::ZERO).acquire_blocking();
    /// let Err(LockError::Busy(busy)) = refused else { panic!("it is held") };
    /// let seconds = busy.retry_after().map_or(1, |after| after.as_secs() + 1);
    /// println!("Retry-After: {seconds}");
    /// # Ok::<(), LockError>(())
    /// ```
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.left
    }
}

/// Why something went wrong with a lock.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorDetail {
    /// The key.
    pub key: Box<str>,
    /// What happened, or what the server said.
    pub reason: Box<str>,
}

/// How long something was waited for that did not happen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimedOut {
    /// The key.
    pub key: Box<str>,
    /// How long.
    pub waited: Duration,
}

/// Calls that wait for one another in a circle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deadlock {
    /// The key.
    pub key: Box<str>,
    /// How long it was waited for.
    pub waited: Duration,
    /// The calls of the circle, this one first. Each waits for a key that is held around the next, and the last one for a
    /// key that is held around the first.
    pub cycle: Vec<CycleMember>,
    /// What kind of deadlock it is.
    pub kind: DeadlockKind,
}

/// Why a wait would never have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadlockKind {
    /// Calls wait for one another, each inside a hold that the one before waits for.
    Cycle,
    /// The code around the call holds the key, and the call does not re-enter: `reenter = false`.
    NotReentrant {
        /// The function or line that holds the key.
        holder: String,
    },
    /// The call blocks the thread on which the holder runs, further down on the same stack: an executor runs this code while the
    /// holder waits for something else.
    BlocksHolder {
        /// The function or line that holds the key.
        holder: String,
    },
}

/// A call that waits in a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CycleMember {
    /// The key that it waits for.
    pub waits_for: Box<str>,
    /// The function or caller that waits.
    pub function: String,
    /// Its host.
    pub host: String,
    /// Its process on that host.
    pub pid: u32,
}

/// When a server that lost its data grants locks again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataLoss {
    /// The key.
    pub key: Box<str>,
    /// In how long, if the server said.
    pub left: Option<Duration>,
}

impl LockError {
    pub(crate) fn config(reason: impl Into<Box<str>>) -> Self {
        Self::Config(reason.into())
    }

    pub(crate) fn lost(key: &str, loss: Loss) -> Self {
        match loss {
            Loss::Refused(why) => Self::because(key, NOT_RENEWED, &why),
            loss => Self::Lost(ErrorDetail::new(key, loss.reason()).into()),
        }
    }

    /// The server refused to release a hold that was valid until then.
    pub(crate) fn not_released(key: &str, why: &str) -> Self {
        Self::because(key, NOT_RELEASED, why)
    }

    fn because(key: &str, what: &str, why: &str) -> Self {
        Self::Lost(ErrorDetail::new(key, &format!("{what}: {why}")).into())
    }

    pub(crate) fn released(key: &str) -> Self {
        Self::Lost(ErrorDetail::new(key, RELEASED).into())
    }

    pub(crate) fn unconfirmed(key: &str) -> Self {
        Self::Lost(ErrorDetail::new(key, UNCONFIRMED).into())
    }

    pub(crate) fn deadlock(key: &str, waited: Duration, cycle: Vec<Member>) -> Self {
        let cycle = cycle.into_iter().map(CycleMember::from).collect();
        let kind = DeadlockKind::Cycle;
        Self::Deadlock(Box::new(Deadlock { key: key.into(), waited, cycle, kind }))
    }

    /// A call that was refused at once, as it would wait for the code around it. `caller` is the call.
    pub(crate) fn deadlock_at_once(key: &str, caller: OwnerInfo, kind: DeadlockKind) -> Self {
        let cycle = vec![CycleMember::new(key, caller)];
        Self::Deadlock(Box::new(Deadlock { key: key.into(), waited: Duration::ZERO, cycle, kind }))
    }

    pub(crate) fn closed(key: &str, closing: Closing) -> Self {
        Self::Closed(ErrorDetail::new(key, closing.reason()).into())
    }

    /// A busy lock whose holder is the caller's own process.
    pub(crate) fn busy_here(key: &str, waited: Duration) -> Self {
        Self::Busy(Box::new(Busy { key: key.into(), holder: None, ahead: 0, waited, left: None }))
    }

    pub(crate) fn from_failure(key: &str, waited: Duration, failure: Failure) -> Self {
        match failure {
            Failure::Busy(busy) => Self::from_busy(key, waited, busy),
            Failure::Unavailable(reason) => {
                Self::Unavailable(ErrorDetail::new(key, &reason).into())
            }
            Failure::NoReply => Self::NoReply(TimedOut::new(key, waited).into()),
            Failure::Refused(reason) => Self::Refused(ErrorDetail::new(key, &reason).into()),
            Failure::NotTakenUp => {
                Self::from_busy(key, waited, crate::wire::reply::Busy::by_others())
            }
            Failure::TooLate { ttl, round_trip } => Self::config(format!(
                "lock '{}' was granted and over before that was known: its ttl of {} is shorter than a round trip to the \
                 server ({}); set a longer ttl",
                printable(key),
                HumanDuration(ttl),
                HumanDuration(round_trip)
            )),
        }
    }

    fn from_busy(key: &str, waited: Duration, busy: crate::wire::reply::Busy) -> Self {
        match busy.obstacle {
            Obstacle::Holder(holder) => {
                let holder = holder.map(|holder| Holder::from(*holder));
                let crate::wire::reply::Busy { ahead, left, .. } = busy;
                Self::Busy(Box::new(Busy { key: key.into(), holder, ahead, waited, left }))
            }
            Obstacle::KeyConflict => Self::KeyConflict(TimedOut::new(key, waited).into()),
            Obstacle::DataLoss => {
                Self::DataLoss(Box::new(DataLoss { key: key.into(), left: busy.left }))
            }
        }
    }

    /// When another try is worth it, as far as the server has said: see [`Busy::retry_after`] and [`DataLoss::left`]. `None` for
    /// all other errors.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(busy) => busy.retry_after(),
            Self::DataLoss(loss) => loss.left,
            _ => None,
        }
    }

    /// The key it is about; none for a configuration error.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Busy(busy) => Some(&busy.key),
            Self::Lost(cause)
            | Self::Unavailable(cause)
            | Self::Refused(cause)
            | Self::Closed(cause) => Some(&cause.key),
            Self::NoReply(overdue) | Self::KeyConflict(overdue) => Some(&overdue.key),
            Self::DataLoss(loss) => Some(&loss.key),
            Self::Deadlock(deadlock) => Some(&deadlock.key),
            Self::Config(_) => None,
        }
    }
}

impl From<Member> for CycleMember {
    fn from(member: Member) -> Self {
        Self::new(&member.key, member.who)
    }
}

impl CycleMember {
    fn new(key: &str, who: OwnerInfo) -> Self {
        let OwnerInfo { function, host, pid, .. } = who;
        Self { waits_for: key.into(), function, host: host.to_string(), pid }
    }
}

impl ErrorDetail {
    pub(crate) fn new(key: &str, reason: &str) -> Self {
        Self { key: key.into(), reason: words(reason).into() }
    }
}

impl TimedOut {
    pub(crate) fn new(key: &str, waited: Duration) -> Self {
        Self { key: key.into(), waited }
    }
}

impl std::error::Error for LockError {}

impl From<LockError> for std::io::Error {
    fn from(error: LockError) -> Self {
        use std::io::ErrorKind;
        let kind = match &error {
            LockError::Busy(_) | LockError::DataLoss(_) => ErrorKind::WouldBlock,
            LockError::Deadlock(_) => ErrorKind::Deadlock,
            LockError::NoReply(_) => ErrorKind::TimedOut,
            LockError::Unavailable(_) => ErrorKind::NotConnected,
            LockError::Refused(_) => ErrorKind::PermissionDenied,
            LockError::KeyConflict(_) => ErrorKind::AlreadyExists,
            LockError::Config(_) => ErrorKind::InvalidInput,
            LockError::Lost(_) | LockError::Closed(_) => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
