//! The servers of a trial, and how another one becomes the primary.

use std::io;
use std::ops::Range;
use std::thread;
use std::time::{Duration, SystemTime};

use checker::Nanos;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use testkit::{Cluster, Replicated, Sentinels};

use super::FailoverKind;
use super::cluster::{self, Order};
use crate::clock;
use crate::workload::Workload;

const POLL: Duration = Duration::from_millis(2);
const SERVERS: usize = 3;
/// How often a slot moves in a storm.
const STORM: usize = 100;

#[derive(Debug)]
pub(super) enum FailoverServers {
    Watched(Sentinels),
    Named(Replicated),
    Clustered(Cluster),
}

/// When it happened.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    /// The keys that have another primary by then.
    pub(super) keys: Vec<u32>,
    /// Just before something was done to the primary.
    pub(super) fault: Nanos,
    /// The new primary has accepted writes for at most a poll.
    pub(super) accepts: Nanos,
    /// A majority of the Sentinels names it, or the name leads to it.
    pub(super) named: Nanos,
    /// The wall clock when it accepted writes, in microseconds. The tokens that it draws are
    /// higher, and those of the old primary are lower.
    pub(super) clock_us: u64,
}

impl FailoverServers {
    pub(super) fn start(kind: FailoverKind) -> io::Result<Self> {
        if kind.is_of_a_cluster() {
            return Ok(Self::Clustered(Cluster::start()?));
        }
        if kind.has_name() {
            return Ok(Self::Named(Replicated::start(SERVERS - 1)?));
        }
        Ok(Self::Watched(Sentinels::start()?))
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Watched(all) => all.url(),
            Self::Named(all) => all.url(),
            Self::Clustered(all) => all.url(),
        }
    }

    /// Has another server become the primary while these workers run. Returns when all is well
    /// again, but that a killed server stays dead.
    pub(super) fn fail_over(
        &mut self,
        kind: FailoverKind,
        workers: &[u32],
        rng: &mut ChaCha8Rng,
    ) -> Switch {
        // How long writes are lost, or a partition lasts on.
        let span = Duration::from_millis(rng.random_range(50..500));
        match self {
            Self::Watched(all) => watched(all, kind, workers, span),
            Self::Named(all) => named(all, kind, span),
            // The last key has short holds, so that the first grant of a new primary is noticed.
            Self::Clustered(all) => {
                let span = if kind == FailoverKind::ClusterLossyCrash { span } else { span * 4 };
                let (keys, key) = (all_keys(), all_keys().end - 1);
                let order = Order { keys, key, workers, span, storm: STORM };
                cluster::fail_over(all, kind, &order)
            }
        }
    }
}

fn watched(all: &Sentinels, kind: FailoverKind, workers: &[u32], span: Duration) -> Switch {
    let old = all.primary();
    let primary = all.server(old);
    let fault = clock::now();
    let others: Vec<_> = (0..SERVERS).filter(|&other| other != old).collect();
    let (accepts, clock_us) = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !others.iter().any(|&other| all.server(other).replication_says("role:master")) {
                thread::sleep(POLL);
            }
            (clock::now(), wall_clock_us())
        });
        match kind {
            FailoverKind::Manual => {
                primary.command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
                for &other in &others {
                    primary.wait_for_copy(all.server(other));
                }
                all.fail_over();
            }
            FailoverKind::ManualLive => all.fail_over(),
            FailoverKind::LossyCrash => {
                all.crash_with_loss(|_| thread::sleep(span));
                all.wait_for_another_primary(old);
            }
            FailoverKind::Thaw => {
                primary.pause();
                all.wait_for_another_primary(old);
            }
            FailoverKind::Partition => {
                all.partition(&workers[..1], &workers[1..]);
                all.wait_for_another_primary(old);
            }
            _ => {
                primary.kill();
                all.wait_for_another_primary(old);
            }
        }
        watch.join().expect("the servers answer")
    });
    let named = clock::now();
    match kind {
        FailoverKind::Manual => drop(primary.command(&["CLIENT", "UNPAUSE"])),
        FailoverKind::Thaw => primary.resume(),
        FailoverKind::Partition => {
            thread::sleep(span * 4);
            all.heal();
        }
        _ => {}
    }
    Switch { keys: all_keys().collect(), fault, accepts, named, clock_us }
}

fn named(all: &Replicated, kind: FailoverKind, span: Duration) -> Switch {
    let fault = clock::now();
    let clock_us;
    if kind == FailoverKind::LossyName {
        let next = all.replicas().next().expect("there are two");
        next.command(&["REPLICAOF", "NO", "ONE"]);
        clock_us = wall_clock_us();
        thread::sleep(span);
        all.primary().kill();
        all.promote();
    } else {
        all.primary().command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        all.replicas().for_each(|replica| all.primary().wait_for_copy(replica));
        let old = all.primary();
        all.promote();
        clock_us = wall_clock_us();
        // What managed services do, or kill it.
        old.command(&["REPLICAOF", "127.0.0.1", &all.primary().port().to_string()]);
        old.command(&["CLIENT", "UNPAUSE"]);
    }
    let accepts = clock::now();
    Switch { keys: all_keys().collect(), fault, accepts, named: accepts, clock_us }
}

fn all_keys() -> Range<u32> {
    0..Workload::Failover.keys()
}

pub(super) fn wall_clock_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.expect("the clock is after 1970").as_micros();
    u64::try_from(since).expect("microseconds fit for 500,000 years")
}
