//! What happens in a simulated cluster. A seed determines it.

mod fault;
mod generate;
mod guarantees;

use std::fmt;
use std::time::Duration;

use distlock_runtime::Replicas;
use distlock_runtime::verification::AfterFailover;

pub use fault::{Fault, FaultKind, Part};

/// A schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed. It also determines the network delays and the order of simultaneous events.
    pub seed: u64,
    /// The number of locks.
    pub keys: u32,
    /// How many nodes the server has; one is no cluster.
    pub nodes: usize,
    /// Whether migrations from and to a node go on when it fails over, as on servers whose replicas
    /// know of them. They end with it if not.
    pub migrates_on: bool,
    /// The limit of handoffs within a process while another one waits.
    pub max_handoffs: u32,
    /// What the network is like.
    pub network: NetworkProfile,
    /// The drift of the server's clock, in parts per million.
    pub server_ppm: i64,
    /// How long nothing is granted after a failover.
    pub after_failover: AfterFailover,
    /// The processes.
    pub processes: Vec<ProcessPlan>,
    /// The faults.
    pub faults: Vec<Fault>,
    /// Whether a probe acquires every lock after all others are done. Without a probe nothing
    /// cleans up after them either.
    pub checks_liveness: bool,
}

/// What a network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkProfile {
    /// The usual maximum delay of a packet.
    pub usual: Duration,
    /// One packet in this many is slow.
    pub slow_one_in: u32,
    /// The maximum delay of a slow packet.
    pub slow: Duration,
    /// One push in this many is lost.
    pub lost_push_one_in: u32,
}

/// A process.
#[derive(Clone, Debug)]
pub struct ProcessPlan {
    /// When it starts.
    pub starts_at: Duration,
    /// The default ttl of its holds.
    pub ttl: Duration,
    /// Whether it waits for a grace period after a data loss. A process that does not has a lock of
    /// its own, the last one, and uses no other.
    pub data_loss_grace: bool,
    /// Which replicas have to confirm all its holds. The server has one.
    pub replicas: Replicas,
    /// The drift of its clock, in parts per million.
    pub ppm: i64,
    /// The offset of its clock.
    pub offset: Duration,
    /// Its tasks, which run concurrently.
    pub tasks: Vec<Task>,
}

/// Steps in sequence.
#[derive(Clone, Debug)]
pub struct Task {
    /// The steps.
    pub steps: Vec<Step>,
}

/// A section, or the attempt at one.
#[derive(Clone, Debug)]
pub struct Step {
    /// The pause before the request.
    pub pause: Duration,
    /// The request.
    pub ask: RequestPlan,
    /// When it is cancelled by a drop, wherever it is by then; `None` never.
    pub cancel: Option<Duration>,
    /// What the section does.
    pub work: Work,
    /// How long the section runs, without its nested steps.
    pub hold: Duration,
    /// Nested sections, in sequence, or concurrently if [`Self::siblings`] is set.
    pub nested: Vec<Step>,
    /// Whether nested sections run concurrently.
    pub siblings: bool,
    /// Whether the nested steps are foreign tasks: the section does not call them, but they run on
    /// its stack while it runs, as other tasks do in the `block_on` of an executor, and outlive it.
    pub foreign_tasks: bool,
    /// Whether the release waits for the server's confirmation.
    pub wait_for_release: bool,
}

/// The parameters of a request.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    /// The locks. Several are acquired together.
    pub keys: Vec<u32>,
    /// The wait timeout; `None` waits without limit.
    pub wait: Option<Duration>,
    /// The ttl if it is not the default.
    pub ttl: Option<Duration>,
    /// How long the hold lingers.
    pub linger: Duration,
    /// Whether it bypasses the local queue.
    pub strict_fifo: bool,
    /// Whether the hold is renewed.
    pub renew: bool,
    /// The maximum hold time.
    pub max_hold: Option<Duration>,
    /// How long the lock stays taken at least.
    pub min_hold: Option<Duration>,
    /// Whether it must succeed.
    pub must_succeed: bool,
}

/// What a section does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Writes to a register that compares tokens, without checking the hold.
    Write,
    /// Reads a counter, waits, checks the hold, and writes the counter plus one.
    Count,
}

impl NetworkProfile {
    /// Short delays and no losses.
    pub const GOOD: Self = Self {
        usual: Duration::from_micros(300),
        slow_one_in: u32::MAX,
        slow: Duration::ZERO,
        lost_push_one_in: u32::MAX,
    };
}

impl RequestPlan {
    /// A request for one lock with default settings.
    #[must_use]
    pub fn for_key(key: u32) -> Self {
        Self {
            keys: vec![key],
            wait: None,
            ttl: None,
            linger: Duration::ZERO,
            strict_fifo: false,
            renew: true,
            max_hold: None,
            min_hold: None,
            must_succeed: false,
        }
    }
}

impl Step {
    /// Whether its hold lasts until it is released, and no longer.
    fn is_plain(&self) -> bool {
        let RequestPlan { keys, renew, max_hold, min_hold, .. } = &self.ask;
        let plain = keys.len() == 1 && *renew && max_hold.is_none() && min_hold.is_none();
        plain && self.nested.is_empty()
    }

    fn takes_several(&self) -> bool {
        self.ask.keys.len() > 1 || self.nested.iter().any(Self::takes_several)
    }

    fn ttls(&self) -> Vec<Duration> {
        let nested = self.nested.iter().flat_map(Self::ttls);
        nested.chain(self.ask.ttl).collect()
    }

    fn min_holds(&self) -> Vec<Duration> {
        let nested = self.nested.iter().flat_map(Self::min_holds);
        nested.chain(self.ask.min_hold).collect()
    }

    /// The number of its sections, including nested ones.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.nested.iter().map(Self::count).sum::<usize>()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} keys on {} nodes{}, {} handoffs, packets up to {:?}, one in {} up to \
             {:?}, one push in {} lost",
            self.seed,
            self.keys,
            self.nodes,
            if self.migrates_on { " that migrate on" } else { "" },
            self.max_handoffs,
            self.network.usual,
            self.network.slow_one_in,
            self.network.slow,
            self.network.lost_push_one_in
        )?;
        for (number, member) in self.processes.iter().enumerate() {
            let steps =
                member.tasks.iter().map(|task| task.steps.iter().map(Step::count).sum::<usize>());
            let steps: Vec<_> = steps.map(|steps| steps.to_string()).collect();
            let ProcessPlan { starts_at, ppm, ttl, replicas, .. } = member;
            let waits = if member.data_loss_grace { "" } else { ", no data-loss grace" };
            let confirmed = match replicas {
                Replicas::None => String::new(),
                replicas => format!(", confirmed by {replicas:?}"),
            };
            writeln!(
                f,
                "  process {number}: starts at {starts_at:?}, ttl {ttl:?}{waits}{confirmed}, \
                 clock {ppm:+} ppm, sections {}",
                steps.join(" + ")
            )?;
        }
        if self.faults.iter().any(|fault| matches!(fault.what, FaultKind::Failover { .. })) {
            writeln!(f, "  after a failover: {:?}", self.after_failover)?;
        }
        for fault in &self.faults {
            writeln!(f, "  at {:?}: {}", fault.at, fault.what)?;
        }
        Ok(())
    }
}
