//! What befalls the server, the network and the workers.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use rand::Rng;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Kind {
    /// Connections are closed at once.
    CutNow,
    /// Connections are closed at their next request, which the server never sees.
    CutBeforeApply,
    /// Connections are closed when the next request was carried out, before the reply.
    CutAfterApply,
    /// Connections are closed in the middle of the next reply.
    CutMidFrame,
    /// Requests arrive late.
    DelayToServer,
    /// Replies and pushes arrive late.
    DelayToClient,
    /// Nothing arrives, and nobody is told.
    BlackHole,
    /// What was under way arrives when its connection has long been given up.
    Freeze,
    /// Grants are not pushed.
    DropPushes,
    /// The server stands still.
    ServerPause,
    /// The server is killed and comes back, with its data if it keeps a file.
    ServerCrash,
    /// The server closes all connections without a subscription.
    KillNormal,
    /// The server closes all connections with a subscription.
    KillPubsub,
    /// The server closes one connection.
    KillOne,
    /// The server answers nobody.
    ClientPauseAll,
    /// The server answers nobody who writes.
    ClientPauseWrite,
    /// The server forgets all scripts.
    ScriptFlush,
    /// The server forgets all data.
    FlushAll,
    /// The hold of a key is deleted.
    DeleteHold,
    /// The order of the waiters of a key is deleted.
    DeleteQueue,
    /// What is known of the waiters of a key is deleted.
    DeleteWaiters,
    /// The tombstones of a key are deleted.
    DeleteCancelled,
    /// The counter of tokens is deleted.
    DeleteFence,
    /// The server is full, and refuses to write.
    MemoryFull,
    /// The server is full, and evicts.
    Eviction,
    /// The server's clock jumps ahead.
    ClockAhead,
    /// The server's clock jumps back.
    ClockBack,
    /// The holder of a key stands still.
    PauseHolder,
    /// The first waiter of a key stands still.
    PauseWaiter,
    /// A worker stands still.
    PauseAny,
    /// The holder of a key is killed.
    KillHolder,
    /// The first waiter of a key is killed.
    KillWaiter,
    /// The first waiter of a key is stopped, and killed when it has been granted the lock.
    KillGranted,
    /// A worker is killed.
    KillAny,
}

/// What evicts.
const POLICIES: [&str; 7] = [
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

impl Kind {
    /// A worker is killed.
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::KillHolder | Self::KillWaiter | Self::KillGranted | Self::KillAny)
    }

    /// Something between a worker and the server.
    #[must_use]
    pub fn is_of_the_network(self) -> bool {
        matches!(
            self,
            Self::CutNow
                | Self::CutBeforeApply
                | Self::CutAfterApply
                | Self::CutMidFrame
                | Self::DelayToServer
                | Self::DelayToClient
                | Self::BlackHole
                | Self::Freeze
                | Self::DropPushes
        )
    }
}

impl Kind {
    /// It is over only after a while.
    fn lasts(self) -> bool {
        let of_network = self.is_of_the_network()
            && !matches!(
                self,
                Self::CutNow | Self::CutBeforeApply | Self::CutAfterApply | Self::CutMidFrame
            );
        of_network
            || matches!(
                self,
                Self::ServerPause
                    | Self::ServerCrash
                    | Self::ClientPauseAll
                    | Self::ClientPauseWrite
                    | Self::MemoryFull
                    | Self::Eviction
                    | Self::PauseHolder
                    | Self::PauseWaiter
                    | Self::PauseAny
            )
    }

    fn is_about_a_worker(self) -> bool {
        self.is_of_the_network() || matches!(self, Self::PauseAny | Self::KillAny)
    }

    fn is_about_a_key(self) -> bool {
        matches!(
            self,
            Self::DeleteHold
                | Self::DeleteQueue
                | Self::DeleteWaiters
                | Self::DeleteCancelled
                | Self::PauseHolder
                | Self::PauseWaiter
                | Self::KillHolder
                | Self::KillWaiter
                | Self::KillGranted
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().expect("none is skipped").get_name())
    }
}

/// A fault with its time and all that was left to chance about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of which kind.
    pub kind: Kind,
    /// When, from the start of the schedule.
    pub at: Duration,
    /// How long, if it lasts.
    pub span: Duration,
    /// Which key, if it is about one.
    pub key: u32,
    /// Which worker, if it is about one; all of them where that makes sense.
    pub worker: Option<u32>,
    /// How far the clock jumps.
    pub jump: Duration,
    /// What is evicted.
    pub policy: &'static str,
}

impl Fault {
    /// A fault of this kind with the rest drawn at random.
    pub fn random(kind: Kind, length: Duration, shape: &Shape, rng: &mut impl Rng) -> Self {
        let part = |rng: &mut _, from: f64, to: f64| Rng::random_range(rng, from..to);
        let jump = Duration::from_secs([1, 60][rng.random_range(0..2)]);
        let alone = kind.is_of_the_network() && rng.random_bool(0.5) || !kind.is_of_the_network();
        Self {
            kind,
            at: length.mul_f64(part(rng, 0.1, 0.7)),
            span: shape.ttl.mul_f64(part(rng, 0.1, 1.6)).min(length / 3),
            key: rng.random_range(0..shape.keys),
            worker: alone.then(|| rng.random_range(0..shape.processes)),
            jump,
            policy: POLICIES[rng.random_range(0..POLICIES.len())],
        }
    }

    /// All that the lock knows may be lost, and the lock can see that.
    #[must_use]
    pub fn loses_all(&self, append_only: bool) -> bool {
        match self.kind {
            Kind::FlushAll | Kind::DeleteFence => true,
            Kind::ServerCrash => !append_only,
            Kind::Eviction => self.policy.starts_with("allkeys"),
            _ => false,
        }
    }

    /// A hold may be lost without a trace.
    #[must_use]
    pub fn loses_holds(&self) -> bool {
        matches!(self.kind, Kind::DeleteHold | Kind::Eviction)
    }
}

/// What a fault is drawn for.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How long holds last.
    pub ttl: Duration,
    /// How many keys there are.
    pub keys: u32,
    /// How many workers there are.
    pub processes: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, span) = (self.at.as_millis(), self.span.as_millis());
        write!(f, "{} (at {at} ms", self.kind)?;
        match self.kind {
            Kind::ClockAhead | Kind::ClockBack => write!(f, ", by {:?}", self.jump)?,
            Kind::Eviction => write!(f, ", {} for {span} ms", self.policy)?,
            kind if kind.lasts() => write!(f, ", for {span} ms")?,
            _ => {}
        }
        match self.worker {
            Some(worker) if self.kind.is_about_a_worker() => {
                write!(f, ", process {})", worker + 1)
            }
            _ if self.kind.is_about_a_key() => write!(f, ", key {})", self.key),
            _ => f.write_str(")"),
        }
    }
}
