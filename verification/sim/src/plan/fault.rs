//! What can go wrong.

use std::fmt;
use std::time::Duration;

/// Something that goes wrong at some time.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// What.
    pub what: Misfortune,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// The connection of a process breaks. What was under way to the server arrives in part, late perhaps.
    Cut {
        /// Whose.
        process: usize,
        /// How much later than it would have arrived.
        late: Duration,
        /// How long the process does not notice.
        unnoticed: Duration,
    },
    /// All that a process sends or is sent on its connection vanishes, and it cannot connect anew.
    BlackHole {
        /// Whose.
        process: usize,
        /// For how long.
        span: Duration,
    },
    /// A process stands still.
    Pause {
        /// Which.
        process: usize,
        /// For how long.
        span: Duration,
    },
    /// A process dies.
    Crash {
        /// Which.
        process: usize,
    },
    /// The server stands still.
    Freeze {
        /// For how long.
        span: Duration,
    },
    /// The server dies and comes back with all its data.
    Restart {
        /// How long it is gone.
        span: Duration,
    },
    /// The server dies and comes back without data.
    RestartEmpty {
        /// How long it is gone.
        span: Duration,
    },
    /// The server forgets all data (FLUSHALL).
    Flush,
    /// The server forgets the scripts (SCRIPT FLUSH).
    ForgetScripts,
    /// The server does nothing that is asked and says so: it is loading, busy, a replica.
    Unable {
        /// For how long.
        span: Duration,
    },
    /// The server is out of memory: it takes no new requests, and says so.
    Full {
        /// For how long.
        span: Duration,
    },
    /// One key of a lock is deleted.
    Delete {
        /// Which lock.
        key: u32,
        /// Which of its keys.
        part: Part,
    },
    /// The server's clock jumps, by milliseconds.
    Jump {
        /// How far, and whether back.
        millis: i64,
    },
}

/// A key of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The hold.
    Hold,
    /// The queue and its waiters.
    Queue,
    /// The tombstones.
    Cancelled,
    /// The fence counter, which all locks share.
    Fence,
}

impl Misfortune {
    /// How long nobody notices that a connection is broken where nothing tells (half-open TCP): whoever uses it has to find
    /// out by himself.
    pub const FOREVER: Duration = Duration::from_secs(3_600);

    /// Whether the server may forget by it what is still valid. A lost counter is noticed and waited out.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        match self {
            Self::Delete { part, .. } => *part == Part::Hold,
            // A clock that jumps ahead ends what was to last, a wait for holds of before included.
            Self::Jump { millis } => *millis > 0,
            _ => false,
        }
    }

    pub(super) const fn sets_clock_back(&self) -> bool {
        matches!(self, Self::Jump { millis } if *millis < 0)
    }

    pub(super) const fn set_back_by(&self) -> Duration {
        match self {
            Self::Jump { millis } if *millis < 0 => Duration::from_millis(millis.unsigned_abs()),
            _ => Duration::ZERO,
        }
    }

    pub(super) const fn forgets_requests(&self) -> bool {
        match self {
            Self::Flush
            | Self::RestartEmpty { .. }
            | Self::Delete { part: Part::Cancelled, .. } => true,
            Self::Jump { millis } => *millis > 0,
            _ => false,
        }
    }

    pub(super) const fn forgets_tokens(&self) -> bool {
        matches!(
            self,
            Self::Flush | Self::RestartEmpty { .. } | Self::Delete { part: Part::Fence, .. }
        )
    }

    /// For how long it goes on.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        match self {
            Self::Cut { unnoticed, .. } if *unnoticed == Self::FOREVER => Duration::ZERO,
            Self::Cut { unnoticed: span, .. }
            | Self::BlackHole { span, .. }
            | Self::Pause { span, .. }
            | Self::Freeze { span }
            | Self::Restart { span }
            | Self::RestartEmpty { span }
            | Self::Unable { span }
            | Self::Full { span } => *span,
            Self::Crash { .. }
            | Self::Flush
            | Self::ForgetScripts
            | Self::Delete { .. }
            | Self::Jump { .. } => Duration::ZERO,
        }
    }
}

impl fmt::Display for Misfortune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { process, late, unnoticed } => write!(
                f,
                "the connection of process {process} breaks, unnoticed for {unnoticed:?}; what was under way is {late:?} late"
            ),
            Self::BlackHole { process, span } => {
                write!(
                    f,
                    "nothing gets through between process {process} and the server for {span:?}"
                )
            }
            Self::Pause { process, span } => {
                write!(f, "process {process} stands still for {span:?}")
            }
            Self::Crash { process } => write!(f, "process {process} dies"),
            Self::Freeze { span } => write!(f, "the server stands still for {span:?}"),
            Self::Restart { span } => {
                write!(f, "the server dies, and is back with its data after {span:?}")
            }
            Self::RestartEmpty { span } => {
                write!(f, "the server dies, and is back without data after {span:?}")
            }
            Self::Flush => f.write_str("the server forgets all data"),
            Self::ForgetScripts => f.write_str("the server forgets the scripts"),
            Self::Unable { span } => write!(f, "the server refuses to work for {span:?}"),
            Self::Full { span } => write!(f, "the server is out of memory for {span:?}"),
            Self::Delete { key, part } => write!(f, "of lock {key} the {part:?} is deleted"),
            Self::Jump { millis } => write!(f, "the server's clock jumps by {millis:+} ms"),
        }
    }
}
