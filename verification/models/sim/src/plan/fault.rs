//! What can go wrong.

use std::fmt;
use std::time::Duration;

/// A fault at an instant.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// What.
    pub what: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection of a process breaks. Some of what was sent still arrives at the server,
    /// perhaps late.
    Cut {
        /// The process.
        process: usize,
        /// The extra delay.
        late: Duration,
        /// How long the process does not notice.
        unnoticed: Duration,
    },
    /// All packets from and to a process are lost, and it cannot reconnect.
    BlackHole {
        /// The process.
        process: usize,
        /// For how long.
        span: Duration,
    },
    /// A process is paused.
    Pause {
        /// The process.
        process: usize,
        /// For how long.
        span: Duration,
    },
    /// A process dies.
    Crash {
        /// The process.
        process: usize,
    },
    /// The server is frozen.
    Freeze {
        /// For how long.
        span: Duration,
    },
    /// The server dies and comes back with all its data.
    Restart {
        /// How long it is down.
        span: Duration,
    },
    /// The server dies and comes back without data.
    RestartEmpty {
        /// How long it is down.
        span: Duration,
    },
    /// The server forgets all data (FLUSHALL).
    Flush,
    /// The server forgets the scripts (SCRIPT FLUSH).
    ForgetScripts,
    /// The server rejects all commands: it is loading, busy or a replica.
    Unable {
        /// For how long.
        span: Duration,
    },
    /// The server is out of memory and rejects new requests.
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
        /// Negative values set the clock back.
        millis: i64,
    },
    /// The slot of a lock is migrated to another node. The slot is open in three phases, which last
    /// this long each: nothing has moved; the locks have moved; the tokens have moved too.
    Migrate {
        /// Which lock.
        key: u32,
        /// So many nodes further.
        by: usize,
        /// How long each phase lasts.
        phases: [Duration; 3],
    },
    /// A replica becomes the primary. Each process is connected to it at a moment of its own.
    Failover {
        /// What the old primary did for so long before reached no replica.
        lag: Duration,
        /// How long the old primary goes on as if nothing had happened.
        span: Duration,
    },
}

/// A key of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The hold.
    Hold,
    /// The queue with its waiters, and the tombstones.
    Queue,
    /// The fence counter, which all locks share.
    Fence,
}

impl FaultKind {
    /// A half-open TCP connection: nothing reports that it is broken, so the client has to find out
    /// by itself.
    pub const FOREVER: Duration = Duration::from_secs(3_600);

    /// Whether it can make the server forget a valid hold. The loss of the counter is detected and
    /// waited out.
    #[must_use]
    pub const fn is_lossy(&self) -> bool {
        match self {
            Self::Delete { part, .. } => matches!(part, Part::Hold),
            // A clock that jumps ahead expires everything, including the grace period after a data
            // loss.
            Self::Jump { millis } => *millis > 0,
            Self::Failover { lag, span } => !lag.is_zero() || !span.is_zero(),
            _ => false,
        }
    }

    /// Whether it is a failover after which no process talks to the old primary.
    pub(super) const fn replaces_the_primary(&self) -> bool {
        matches!(self, Self::Failover { span, .. } if span.is_zero())
    }

    pub(super) const fn leaves_two_primaries(&self) -> bool {
        matches!(self, Self::Failover { span, .. } if !span.is_zero())
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
            Self::Flush | Self::RestartEmpty { .. } | Self::Delete { part: Part::Queue, .. } => {
                true
            }
            Self::Jump { millis } => *millis > 0,
            Self::Failover { .. } => self.is_lossy(),
            _ => false,
        }
    }

    pub(super) const fn forgets_tokens(&self) -> bool {
        matches!(
            self,
            Self::Flush | Self::RestartEmpty { .. } | Self::Delete { part: Part::Fence, .. }
        )
    }

    /// How long it lasts.
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
            | Self::Full { span }
            | Self::Failover { span, .. } => *span,
            Self::Crash { .. }
            | Self::Flush
            | Self::ForgetScripts
            | Self::Delete { .. }
            | Self::Jump { .. } => Duration::ZERO,
            Self::Migrate { phases, .. } => phases.iter().sum(),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { process, late, unnoticed } => write!(
                f,
                "the connection of process {process} breaks, unnoticed for {unnoticed:?}; \
                 packets on their way are {late:?} late"
            ),
            Self::BlackHole { process, span } => {
                write!(f, "no packet passes between process {process} and the server for {span:?}")
            }
            Self::Pause { process, span } => {
                write!(f, "process {process} is paused for {span:?}")
            }
            Self::Crash { process } => write!(f, "process {process} crashes"),
            Self::Freeze { span } => write!(f, "the server is frozen for {span:?}"),
            Self::Restart { span } => {
                write!(f, "the server crashes, and is back with its data after {span:?}")
            }
            Self::RestartEmpty { span } => {
                write!(f, "the server crashes, and is back without data after {span:?}")
            }
            Self::Flush => f.write_str("the server loses all data"),
            Self::ForgetScripts => f.write_str("the server loses its scripts"),
            Self::Unable { span } => write!(f, "the server rejects all commands for {span:?}"),
            Self::Full { span } => write!(f, "the server is out of memory for {span:?}"),
            Self::Delete { key, part } => write!(f, "the {part:?} of lock {key} is deleted"),
            Self::Jump { millis } => write!(f, "the server's clock jumps by {millis:+} ms"),
            Self::Migrate { key, by, phases: [first, second, third] } => write!(
                f,
                "the slot of lock {key} is migrated by {by} nodes, and is open for {first:?}, \
                 {second:?} and {third:?}"
            ),
            Self::Failover { lag, span } => write!(
                f,
                "a replica becomes the primary without the last {lag:?}, and the old primary goes \
                 on for {span:?}"
            ),
        }
    }
}
