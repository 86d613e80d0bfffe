use std::fmt;
use std::time::Duration;

use checker::Rules;
use clap::ValueEnum as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::clock::nanos;
use crate::fault::{Fault, FaultKind, Shape};
use crate::settings::{FailoverPause, Settings};
use crate::workload::Workload;

/// The servers of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Topology {
    /// One server.
    #[default]
    Server,
    /// Three primaries with a replica each.
    Cluster,
}

/// What the command line fixes; the seed decides the rest.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub topology: Topology,
    pub workload: Option<Workload>,
    /// One fault of each kind; random ones if empty.
    pub faults: Vec<FaultKind>,
}

/// The workload, settings and faults of one run, decided by its seed.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub seed: u64,
    pub topology: Topology,
    pub workload: Workload,
    pub processes: u32,
    pub settings: Settings,
    /// Whether the server has an append-only file, and so keeps its data when it is killed.
    pub append_only: bool,
    pub length: Duration,
    /// Sorted by time.
    pub faults: Vec<Fault>,
    /// Whether a node has lost keys by itself, which is known afterwards: see
    /// [`take_dropped`](testkit::Cluster::take_dropped).
    pub has_dropped: bool,
}

/// How late an outcome may be, because the machine is busy.
const SLACK: Duration = Duration::from_secs(1);
/// How long an unconfirmed grant is valid, and how long a silent waiter stays in the queue.
const CLAIM: Duration = Duration::from_secs(2);

impl Schedule {
    /// # Panics
    /// If a fault is fixed that these servers cannot have.
    #[must_use]
    pub fn of(seed: u64, overrides: &Overrides) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let topology = overrides.topology;
        let workload = Workload::ALL[rng.random_range(0..Workload::ALL.len())];
        let workload = overrides.workload.unwrap_or(workload);
        let processes = rng.random_range(1..=4);
        let processes = workload.processes().unwrap_or(processes);
        let mut settings = Settings::random(&mut rng);
        let length =
            Duration::from_millis(1_500) + settings.ttl.mul_f64(rng.random_range(0.8..1.5));
        let shape = Shape { topology, ttl: settings.ttl, keys: workload.keys(), processes };
        let mut faults = faults(overrides, length, &shape, &mut rng);
        faults.sort_by_key(|fault| fault.at);
        if rng.random_bool(0.5) {
            settings.server_ttl_slack = settings.server_ttl_slack.max(slack_for(&faults));
        }
        let append_only = rng.random_bool(0.5);
        if topology == Topology::Cluster {
            let pauses = FailoverPause::value_variants();
            settings.after_failover = *pauses.choose(&mut rng).expect("not empty");
            settings.replicas = u8::from(rng.random_bool(0.2));
        }
        let has_dropped = false;
        Self {
            seed,
            topology,
            workload,
            processes,
            settings,
            append_only,
            length,
            faults,
            has_dropped,
        }
    }

    /// Whether the server needs a controllable clock.
    #[must_use]
    pub fn moves_the_clock(&self) -> bool {
        self.has(|fault| matches!(fault.kind, FaultKind::ClockAhead | FaultKind::ClockBack))
    }

    #[must_use]
    pub fn jumps_ahead(&self) -> Duration {
        jumps_ahead(&self.faults)
    }

    /// Whether all data may be lost. The lock detects that and waits until all leases have expired.
    #[must_use]
    pub fn loses_all(&self) -> bool {
        self.has(|fault| fault.loses_all(self.append_only))
    }

    /// Whether the counter of tokens may be lost while the clock of the server is behind. Then
    /// tokens may be issued again that no process which connects later has seen: a documented
    /// exception.
    #[must_use]
    pub fn may_repeat_tokens(&self) -> bool {
        self.loses_all() && self.has(|fault| fault.kind == FaultKind::ClockBack)
    }

    /// Whether mutual exclusion has to hold: no hold is lost undetected, and the clock does not
    /// jump ahead by more than the server's slack, nor at all during the grace period after a data
    /// loss.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        let ahead = self.jumps_ahead();
        let in_time =
            ahead.is_zero() || ahead <= self.settings.server_ttl_slack && !self.loses_all();
        in_time && !self.loses_holds()
    }

    #[must_use]
    pub fn rules(&self) -> Rules {
        let unhindered = !self.moves_the_clock() && !self.loses_all() && !self.loses_holds();
        let takeover = self.settings.ttl.max(CLAIM) + self.settings.server_ttl_slack + self.pause();
        Rules {
            lossless: self.is_lossless(),
            slack: nanos(SLACK),
            max_bypass: None,
            takeover: unhindered.then(|| nanos(takeover)),
        }
    }

    /// How long after the end of all workers every key has to be available.
    #[must_use]
    pub fn release_limit(&self) -> Duration {
        let lease = self.settings.ttl.max(CLAIM) + self.settings.server_ttl_slack;
        let lease = if self.loses_all() || self.loses_holds() { lease * 2 } else { lease };
        lease + self.pause()
    }

    /// How long nothing is granted after the last failover.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let pause = self.settings.after_failover.at_most(self.settings.ttl);
        if self.has(Fault::promotes) { pause } else { Duration::ZERO }
    }

    /// Whether a primary that was replaced may go on to grant.
    #[must_use]
    pub fn keeps_an_old_primary(&self) -> bool {
        self.loses_holds() && self.has(Fault::promotes)
    }

    /// Whether a hold may be lost in a way that the lock cannot detect. The one replica of each
    /// primary has those that it has confirmed.
    fn loses_holds(&self) -> bool {
        self.has_dropped || self.settings.replicas == 0 && self.has(Fault::loses_holds)
    }

    fn has(&self, predicate: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(predicate)
    }
}

fn jumps_ahead(faults: &[Fault]) -> Duration {
    let ahead = faults.iter().filter(|fault| fault.kind == FaultKind::ClockAhead);
    ahead.map(|fault| fault.jump).sum()
}

/// A slack that covers the jumps of the clock, if they are short.
fn slack_for(faults: &[Fault]) -> Duration {
    let ahead = jumps_ahead(faults);
    if ahead.is_zero() || ahead > Duration::from_secs(3) {
        return Duration::ZERO;
    }
    ahead + Duration::from_millis(200)
}

fn faults(
    overrides: &Overrides,
    length: Duration,
    shape: &Shape,
    rng: &mut impl Rng,
) -> Vec<Fault> {
    let mut kinds = overrides.faults.clone();
    if kinds.is_empty() {
        let mut all = FaultKind::value_variants().to_vec();
        all.retain(|kind| kind.is_of(overrides.topology));
        all.shuffle(rng);
        kinds.extend(all.into_iter().take(rng.random_range(1..=6)));
    }
    let topology = overrides.topology;
    if let Some(kind) = kinds.iter().find(|kind| !kind.is_of(topology)) {
        panic!("{kind} is no fault of a {topology:?}");
    }
    kinds.into_iter().map(|kind| Fault::random(kind, length, shape, rng)).collect()
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = match (self.topology, self.append_only) {
            (Topology::Cluster, _) => "cluster",
            (Topology::Server, true) => "append-only server",
            (Topology::Server, false) => "plain server",
        };
        let loss = if self.is_lossless() { "lossless" } else { "lossy" };
        let (seed, workload, processes) = (self.seed, self.workload, self.processes);
        writeln!(f, "seed {seed}: {workload} in {processes} processes, {servers}, {loss}")?;
        writeln!(f, "  {:?}", self.settings)?;
        for fault in &self.faults {
            writeln!(f, "  {fault}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
