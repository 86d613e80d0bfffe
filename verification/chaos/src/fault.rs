//! Faults of the server, the network and the workers.

mod kind;

use std::fmt;
use std::time::Duration;

use rand::Rng;

pub use kind::FaultKind;

use crate::schedule::Topology;

/// A fault with its random parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// Since the start of the schedule.
    pub at: Duration,
    /// How long it lasts, unless it is instantaneous.
    pub span: Duration,
    /// The key, for faults of a key.
    pub key: u32,
    /// The worker, for faults of a worker; `None` for network faults of all workers.
    pub worker: Option<u32>,
    pub jump: Duration,
    pub policy: &'static str,
}

/// The eviction policies of Redis.
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
    pub fn random(kind: FaultKind, length: Duration, shape: &Shape, rng: &mut impl Rng) -> Self {
        let part = |rng: &mut _, from: f64, to: f64| Rng::random_range(rng, from..to);
        let jump = Duration::from_secs([1, 60][rng.random_range(0..2)]);
        let alone = kind.is_of_the_network() && rng.random_bool(0.5) || !kind.is_of_the_network();
        // In a cluster there is a proxy for each node, not for each worker.
        let proxies = kind.is_of_the_network() && shape.topology == Topology::Cluster;
        Self {
            kind,
            at: length.mul_f64(part(rng, 0.1, 0.7)),
            span: shape.ttl.mul_f64(part(rng, 0.1, 1.6)).min(length / 3),
            key: rng.random_range(0..shape.keys),
            worker: alone.then(|| rng.random_range(0..shape.processes)).filter(|_| !proxies),
            jump,
            policy: POLICIES[rng.random_range(0..POLICIES.len())],
        }
    }

    /// Whether all data of the lock may be lost, in a way that the lock detects.
    #[must_use]
    pub fn loses_all(&self, append_only: bool) -> bool {
        match self.kind {
            FaultKind::FlushAll | FaultKind::DeleteFence => true,
            FaultKind::ServerCrash => !append_only,
            FaultKind::Eviction => self.policy.starts_with("allkeys"),
            _ => false,
        }
    }

    /// Whether a hold may be lost in a way that the lock cannot detect.
    #[must_use]
    pub fn loses_holds(&self) -> bool {
        matches!(self.kind, FaultKind::DeleteHold | FaultKind::Eviction)
            || self.kind.failover().is_some_and(|failover| !failover.is_lossless())
    }

    /// Whether another primary takes the place of one.
    #[must_use]
    pub fn promotes(&self) -> bool {
        self.kind.failover().is_some_and(|failover| !failover.moves_slots())
    }
}

/// The parameters that limit a random fault.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub topology: Topology,
    pub ttl: Duration,
    pub keys: u32,
    pub processes: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, span) = (self.at.as_millis(), self.span.as_millis());
        write!(f, "{} (at {at} ms", self.kind)?;
        match self.kind {
            FaultKind::ClockAhead | FaultKind::ClockBack => write!(f, ", by {:?}", self.jump)?,
            FaultKind::Eviction => write!(f, ", {} for {span} ms", self.policy)?,
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
