//! The servers of a trial, and how another one becomes the primary.

use std::io;
use std::ops::Range;
use std::thread;
use std::time::{Duration, SystemTime};

use checker::Nanos;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use testkit::{Cluster, RedisServer, Replicated, Sentinels, eventually};

use super::FailoverKind;
use crate::clock;
use crate::cluster::hold_name;
use crate::workload::Workload;

/// How long a command may take that waits for something else.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);
const SERVERS: usize = 3;
/// How often each slot moves.
const MOVES: usize = 4;
/// How often one slot moves.
const STORM: usize = 100;
/// Of a cluster.
const NODES: usize = 2 * SERVERS;

#[derive(Debug)]
pub(super) enum Servers {
    Watched(Sentinels),
    Named(Replicated),
    Clustered(Cluster),
}

/// When it happened.
#[derive(Clone, Debug)]
pub(super) struct Switch {
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

impl Servers {
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
        &self,
        kind: FailoverKind,
        workers: &[u32],
        rng: &mut ChaCha8Rng,
    ) -> Switch {
        // How long writes are lost, or a partition lasts on.
        let span = Duration::from_millis(rng.random_range(50..500));
        match self {
            Self::Watched(all) => watched(all, kind, workers, span),
            Self::Named(all) => named(all, kind, span),
            Self::Clustered(all) => clustered(all, kind, workers, span),
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
                wait_for_copies(primary, others.iter().map(|&other| all.server(other)));
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
        wait_for_copies(all.primary(), all.replicas());
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

fn clustered(all: &Cluster, kind: FailoverKind, workers: &[u32], span: Duration) -> Switch {
    let slot_of = |key| all.slot_of(&hold_name(key));
    let slots: Vec<_> = all_keys().map(slot_of).collect();
    // The last key has short holds, so that the first grant of a new primary is noticed.
    let last = slots[slots.len() - 1];
    let old = all.owner_of(last);
    let is_of_old = |key: &u32| all.owner_of(slot_of(*key)) == old;
    let mut keys: Vec<_> = all_keys().filter(is_of_old).collect();
    let (fault, mut clock_us) = (clock::now(), wall_clock_us());
    let move_on = |slot: u16| all.migrate(slot, (all.owner_of(slot) + 1) % SERVERS);
    match kind {
        FailoverKind::Reshard => {
            for _ in 0..MOVES {
                slots.iter().copied().for_each(move_on);
            }
        }
        FailoverKind::Storm => (0..STORM).for_each(|_| move_on(last)),
        FailoverKind::OpenSlot => leave_open(all, last, span * 4),
        _ => replace(all, kind, old, workers, span, || clock_us = wall_clock_us()),
    }
    if kind.moves_slots() {
        keys = all_keys().collect();
    }
    let accepts = clock::now();
    match kind {
        FailoverKind::ClusterThaw => all.node(old).resume(),
        FailoverKind::ClusterPartition => {
            all.node(old).resume();
            thread::sleep(span * 4);
            (0..NODES).for_each(|node| all.proxy(node).heal());
        }
        _ => {}
    }
    Switch { keys, fault, accepts, named: accepts, clock_us }
}

/// Has the replica of a node take its place, and notes when it has.
fn replace(
    all: &Cluster,
    kind: FailoverKind,
    old: usize,
    workers: &[u32],
    span: Duration,
    note: impl FnOnce(),
) {
    let replica = all.partner_of(old);
    let flush = || {
        for node in [old, replica] {
            all.node(node).command(&["SCRIPT", "FLUSH"]);
        }
    };
    match kind {
        FailoverKind::ClusterManual => all.begin_failover(old, &[]),
        FailoverKind::ClusterForce => all.begin_failover(old, &["FORCE"]),
        FailoverKind::ClusterTakeover => all.begin_failover(old, &["TAKEOVER"]),
        FailoverKind::ClusterFlush => {
            flush();
            all.begin_failover(old, &[]);
        }
        FailoverKind::ClusterLossyCrash => {
            all.crash_with_loss(old, |_| thread::sleep(span));
        }
        FailoverKind::ClusterThaw => all.node(old).pause(),
        FailoverKind::ClusterPartition => {
            let others = (0..NODES).filter(|&node| node != old);
            others.for_each(|node| all.proxy(node).isolate(&workers[..1]));
            all.node(old).pause();
        }
        _ => all.node(old).kill(),
    }
    all.wait_for_primary(replica);
    note();
    if kind == FailoverKind::ClusterFlush {
        flush();
    }
}

fn leave_open(all: &Cluster, slot: u16, span: Duration) {
    let to = (all.owner_of(slot) + 1) % SERVERS;
    all.begin_migration(slot, to);
    thread::sleep(span);
    all.migrate_keys(slot, to);
    thread::sleep(span);
    all.migrate_keys(slot, to);
    all.end_migration(slot, to);
}

/// Waits until the others have all that the paused primary has done.
fn wait_for_copies<'a>(primary: &RedisServer, others: impl Iterator<Item = &'a RedisServer>) {
    for other in others {
        eventually(LIMIT, "the replica has all data", || offset(other) == offset(primary));
    }
}

fn offset(server: &RedisServer) -> Option<String> {
    let text: String = redis::from_redis_value(server.command(&["INFO", "replication"])).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
    line.map(str::to_owned)
}

fn wall_clock_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.expect("the clock is after 1970").as_micros();
    u64::try_from(since).expect("microseconds fit for 500,000 years")
}
