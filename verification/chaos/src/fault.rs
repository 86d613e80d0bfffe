//! What befalls the server, the network and the workers.

mod kind;

use std::fmt;
use std::time::Duration;

use rand::Rng;

pub use kind::Kind;

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
