//! Errors of locked calls, one variant for each case that callers handle differently.

use std::time::Duration;

use crate::protocol::request::{Failure, Loss};
use crate::types::owner_info::{Holder, OwnerInfo};
use crate::types::text::{HumanDuration, printable, words};
use crate::wire::reply::{BlockedBy, BlockedRequest, BusyReply};

pub(crate) mod message;

/// Why a lock was not acquired, or not kept.
///
/// Each variant is a case that callers handle differently. Each names the key, or, of a
/// [list](crate::LockList), the prefix. It converts into [`std::io::Error`], so that functions
/// which return `io::Result` can be annotated.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockError;
///
/// fn is_transient(error: &LockError) -> bool {
///     matches!(error, LockError::Busy(_) | LockError::Unavailable(_) | LockError::DataLoss(_))
/// }
/// let error = distlock::LockManager::connect("http://localhost").unwrap_err();
/// assert!(!is_transient(&error));
/// ```
///
/// `{:?}` is the name of the variant and the text, on one line. That is what a program prints whose
/// `main` returns the error, and what `unwrap` panics with. The text contains the whole cause, so
/// there is no [`source`](std::error::Error::source). `{:#?}` shows all fields.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::LockManager;
///
/// let error = LockManager::connect("localhost").unwrap_err();
/// assert!(error.to_string().starts_with("the server's URL cannot be used"));
/// assert_eq!(format!("{error:?}"), format!("Config: {error}"));
/// ```
///
/// The payloads are boxed, because the error is part of the return value of every locked call.
#[derive(Clone)]
#[non_exhaustive]
pub enum LockError {
    /// The lock was still held by someone else when the wait timed out, or its key was still
    /// [kept](crate::Holder::kept). Try again later.
    Busy(Box<Busy>),
    /// The lock was acquired, but was lost while the code still ran. What the code wrote may have
    /// raced with another holder, unless the storage compares fencing tokens. Do not report
    /// success.
    Lost(Box<ErrorDetail>),
    /// The server could not be reached, or grants no locks at present: it is a replica, loads its
    /// data, has just failed over, or cannot write for lack of memory, disk space or replicas. The
    /// call has asked again until its wait or the manager's
    /// [`outage_timeout`](crate::LockManagerBuilder::outage_timeout) was over. Nothing is held. Try
    /// again later; the reason is the server's last answer.
    Unavailable(Box<ErrorDetail>),
    /// The request was sent, but no reply arrived in time. If the lock was granted, it is released
    /// in the background. The protected code did not run.
    NoReply(Box<TimedOut>),
    /// The server refused the request: wrong password, missing ACL right, a version or a mode that
    /// is not supported. Trying again is useless until someone changes the configuration.
    Refused(Box<ErrorDetail>),
    /// The Redis key of the lock exists but is not a lock: a list, a hash, or a string without a
    /// TTL. It was not modified. A string with a TTL counts as the lock of another client library,
    /// which is [`Self::Busy`].
    KeyConflict(Box<TimedOut>),
    /// The server lost its data recently. Holds from before may still be valid in their processes,
    /// so nothing is granted until the longest of them has ended. Try again later.
    DataLoss(Box<DataLoss>),
    /// The wait would never have ended, because the calls that hold the lock wait, directly or
    /// indirectly, for a lock that the caller holds. Only the youngest member of such a cycle gets
    /// this error. Release the other locks and try again. To avoid it, take locks in one order, or
    /// together with [`mutex_many`](crate::LockManager::mutex_many). A call with `reenter = false`
    /// inside a hold of its own key gets it at once.
    Deadlock(Box<Deadlock>),
    /// A setting is missing or invalid. The text says what to write.
    Config(Box<str>),
    /// The manager cannot be used any more: it was shut down, it has stopped after a panic, or it
    /// was created before a fork. The reason says which. Create a new one.
    Closed(Box<ErrorDetail>),
}

/// Details of [`LockError::Busy`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Busy {
    /// The key.
    pub key: Box<str>,
    /// The holder, if known, as of the last reply of the server to this request: when it was
    /// queued, after 10, 20, 40 s and so on, and 100 ms before the end of a wait of at least a
    /// second, unless many wait. Another one may have the lock by now, which
    /// [`inspect`](crate::LockManager::inspect) shows.
    pub holder: Option<Holder>,
    /// How many requests were ahead of this one in the queue, as of the same reply.
    pub ahead: u64,
    /// How long the request waited.
    pub waited: Duration,
    /// The rest of the holder's lease, if known.
    pub(crate) left: Option<Duration>,
}

impl Busy {
    /// Returns the rest of the holder's lease as last reported by the server, if known. If the
    /// holder has crashed, the lock is free after this time at the latest.
    ///
    /// A living holder renews its lease, and may release it at any time. A key that is
    /// [kept](crate::Holder::kept) after its release is free when this time is over.
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

/// The key and reason of an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorDetail {
    /// The key. Of a [list](crate::LockList), the prefix of its locks.
    pub key: Box<str>,
    /// What happened, or the server's error.
    pub reason: Box<str>,
    /// The same for the message.
    cause: Cause,
    operation: Operation,
}

/// What a call wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Acquire,
    Inspect,
    ForceRelease,
    List,
}

/// What an [`ErrorDetail`] is about.
#[derive(Clone, Debug)]
enum Cause {
    Unavailable,
    Refused,
    Lost(Loss),
    /// The hold was released before.
    Released,
    /// The server refused the release.
    NotReleased,
    /// The server did not confirm the release.
    Unconfirmed,
    Closed(ClosedReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosedReason {
    ShutDown,
    Panicked,
    Forked,
}

/// The key of an error and the time waited.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimedOut {
    /// The key.
    pub key: Box<str>,
    /// How long the call waited.
    pub waited: Duration,
}

/// Details of [`LockError::Deadlock`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deadlock {
    /// The key.
    pub key: Box<str>,
    /// How long the call waited.
    pub waited: Duration,
    /// The members of the cycle, starting with this call. Each waits for a key that is held around
    /// the next one, and the last one for a key that is held around the first.
    pub cycle: Vec<CycleMember>,
    /// The kind of deadlock.
    pub kind: DeadlockKind,
}

/// The kind of a [`Deadlock`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeadlockKind {
    /// Calls wait for each other in a cycle.
    Cycle,
    /// A caller holds the key, and the call does not re-enter because of `reenter = false`.
    NotReentrant {
        /// The function or call site that holds the key.
        holder: String,
    },
    /// The call blocks the thread that its holder needs. The holder runs further down on the same
    /// stack, and an executor runs this code while the holder waits for something else.
    BlocksHolder {
        /// The function or call site that holds the key.
        holder: String,
    },
}

/// A call that is part of a deadlock cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CycleMember {
    /// The key that it waits for.
    pub waits_for: Box<str>,
    /// The function or call site that waits.
    pub function: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
}

/// Details of [`LockError::DataLoss`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataLoss {
    /// The key.
    pub key: Box<str>,
    /// The time until locks are granted again, if known.
    pub left: Option<Duration>,
}

impl LockError {
    /// One word for the variant.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy",
            Self::Lost(_) => "lost",
            Self::Unavailable(_) => "unavailable",
            Self::NoReply(_) => "no_reply",
            Self::Refused(_) => "refused",
            Self::KeyConflict(_) => "key_conflict",
            Self::DataLoss(_) => "data_loss",
            Self::Deadlock(_) => "deadlock",
            Self::Config(_) => "config",
            Self::Closed(_) => "closed",
        }
    }

    pub(crate) fn config(reason: impl Into<Box<str>>) -> Self {
        Self::Config(reason.into())
    }

    /// The threads of a manager cannot be started.
    pub(crate) fn no_thread(error: &std::io::Error) -> Self {
        Self::config(format!(
            "the manager's thread cannot be started: {error}; allow the process another thread and \
             a few more open files"
        ))
    }

    /// A call would share a hold that fewer replicas confirm than it asks for.
    pub(crate) fn not_confirmed(key: &str, holder: &str) -> Self {
        let (key, holder) = (printable(key), printable(holder));
        Self::config(format!(
            "lock '{key}' would be re-entered inside of {holder}, whose hold fewer replicas \
             confirm; set `replicas` there too, or call it outside"
        ))
    }

    pub(crate) fn lost(key: &str, loss: Loss) -> Self {
        let reason = match &loss {
            Loss::Refused(why) => format!("the server refused to renew it: {why}"),
            loss => loss.reason().to_owned(),
        };
        Self::Lost(ErrorDetail::new(key, &reason, Cause::Lost(loss)).into())
    }

    pub(crate) fn released(key: &str) -> Self {
        Self::Lost(ErrorDetail::new(key, "it was released", Cause::Released).into())
    }

    /// The server refused to release a hold that was valid until then.
    pub(crate) fn not_released(key: &str, why: &str) -> Self {
        let reason = format!("the server refused the release: {why}");
        Self::Lost(ErrorDetail::new(key, &reason, Cause::NotReleased).into())
    }

    pub(crate) fn unconfirmed(key: &str) -> Self {
        let reason = "the server did not confirm the release";
        Self::Lost(ErrorDetail::new(key, reason, Cause::Unconfirmed).into())
    }

    pub(crate) fn unavailable(key: &str, reason: &str) -> Self {
        Self::Unavailable(ErrorDetail::new(key, reason, Cause::Unavailable).into())
    }

    pub(crate) fn refused(key: &str, reason: &str) -> Self {
        Self::Refused(ErrorDetail::new(key, reason, Cause::Refused).into())
    }

    pub(crate) fn closed(key: &str, reason: ClosedReason) -> Self {
        let text = match reason {
            ClosedReason::ShutDown => "it was shut down",
            ClosedReason::Panicked => "it has stopped after a panic",
            ClosedReason::Forked => "it was created before a fork",
        };
        Self::Closed(ErrorDetail::new(key, text, Cause::Closed(reason)).into())
    }

    pub(crate) fn deadlock(key: &str, waited: Duration, cycle: Vec<BlockedRequest>) -> Self {
        let member = |request: BlockedRequest| CycleMember::new(&request.key, request.owner);
        let cycle = cycle.into_iter().map(member).collect();
        let kind = DeadlockKind::Cycle;
        Self::Deadlock(Box::new(Deadlock { key: key.into(), waited, cycle, kind }))
    }

    /// A call that was refused at once, as it would wait for the code around it. `caller` is the
    /// call.
    pub(crate) fn deadlock_at_once(key: &str, caller: OwnerInfo, kind: DeadlockKind) -> Self {
        let cycle = vec![CycleMember::new(key, caller)];
        Self::Deadlock(Box::new(Deadlock { key: key.into(), waited: Duration::ZERO, cycle, kind }))
    }

    /// A busy lock whose holder is the caller's own process.
    pub(crate) fn busy_here(key: &str, waited: Duration) -> Self {
        Self::from_busy(key, waited, BusyReply::by_others())
    }

    pub(crate) fn from_failure(key: &str, waited: Duration, failure: Failure) -> Self {
        match failure {
            Failure::Busy(busy) => Self::from_busy(key, waited, busy),
            Failure::Unavailable(reason) => Self::unavailable(key, &reason),
            Failure::Refused(reason) => Self::refused(key, &reason),
            Failure::NoReply => Self::NoReply(TimedOut::new(key, waited).into()),
            Failure::RepliesTooSlow { ttl, round_trip } => Self::config(format!(
                "lock '{}' expired before its grant arrived: its ttl of {} is shorter than a round \
                 trip to the server ({}); set a longer ttl",
                printable(key),
                HumanDuration(ttl),
                HumanDuration(round_trip)
            )),
        }
    }

    fn from_busy(key: &str, waited: Duration, busy: BusyReply) -> Self {
        let BusyReply { blocked_by, ahead, left, .. } = busy;
        match blocked_by {
            BlockedBy::Holder(holder) => {
                let holder = holder.map(|holder| Holder::from(*holder));
                Self::Busy(Box::new(Busy { key: key.into(), holder, ahead, waited, left }))
            }
            BlockedBy::KeyConflict => Self::KeyConflict(TimedOut::new(key, waited).into()),
            BlockedBy::DataLoss => Self::DataLoss(Box::new(DataLoss { key: key.into(), left })),
            BlockedBy::Failover => {
                let left = left.unwrap_or_default();
                let reason = format!(
                    "the server has just failed over or restarted and grants no locks yet; try \
                     again in {}",
                    HumanDuration(left)
                );
                Self::unavailable(key, &reason)
            }
        }
    }

    /// The same error, of a call that did not want to acquire the lock.
    pub(crate) fn of(mut self, operation: Operation) -> Self {
        if let Self::Unavailable(detail) | Self::Refused(detail) | Self::Closed(detail) = &mut self
        {
            detail.operation = operation;
        }
        self
    }

    /// Returns after how long a retry is useful, if the server reported it: see
    /// [`Busy::retry_after`] and [`DataLoss::left`]. `None` for all other errors.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(busy) => busy.retry_after(),
            Self::DataLoss(loss) => loss.left,
            _ => None,
        }
    }

    /// Returns the key, or `None` for a configuration error and for an error of a list.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Busy(busy) => Some(&busy.key),
            Self::Lost(detail)
            | Self::Unavailable(detail)
            | Self::Refused(detail)
            | Self::Closed(detail) => (detail.operation != Operation::List).then_some(&detail.key),
            Self::NoReply(timeout) | Self::KeyConflict(timeout) => Some(&timeout.key),
            Self::DataLoss(loss) => Some(&loss.key),
            Self::Deadlock(deadlock) => Some(&deadlock.key),
            Self::Config(_) => None,
        }
    }
}

impl CycleMember {
    fn new(key: &str, owner: OwnerInfo) -> Self {
        let OwnerInfo { function, host, pid, .. } = owner;
        Self { waits_for: key.into(), function, host: host.to_string(), pid }
    }
}

impl ErrorDetail {
    fn new(key: &str, reason: &str, cause: Cause) -> Self {
        Self { key: key.into(), reason: words(reason).into(), cause, operation: Operation::Acquire }
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
