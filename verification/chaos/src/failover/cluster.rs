//! What happens to the nodes of a cluster.

use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use testkit::Cluster;

use super::servers::{POLL, Successor, Switch};
use crate::clock;
use crate::workload::{Workload, key_name};

const PRIMARIES: usize = 3;
const NODES: usize = 2 * PRIMARIES;
/// Of the workload, with short holds, so that the first grant of a new primary is noticed.
const SHORT: u32 = 4;
/// Besides those of the locks.
const OTHER_SLOTS: usize = 1_000;
const MOVES: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum ClusterKind {
    /// The slots of all keys and a thousand others move to other nodes.
    Reshard,
    /// A slot is open for seconds, before and after its keys have moved.
    OpenSlot,
    /// A slot moves a hundred times.
    Storm,
    /// Nodes forget all scripts before and after `CLUSTER FAILOVER`.
    ScriptFlush,
    /// `CLUSTER FAILOVER`: nothing is lost.
    Manual,
    /// `CLUSTER FAILOVER FORCE`: the old primary takes writes until it hears of it.
    Force,
    /// `CLUSTER FAILOVER TAKEOVER`: the other nodes do not agree before.
    Takeover,
    /// A primary is killed; its replica has all that clients have heard of.
    Crash,
    /// A primary is killed, and what it did for a moment before that did not reach its replica.
    LossyCrash,
    /// A primary is paused until its replica has taken its place, and goes on.
    Thaw,
    /// The same, and a worker can reach only that one, for some time.
    Partition,
}

use ClusterKind::{
    Crash, Force, LossyCrash, Manual, OpenSlot, Partition, Reshard, ScriptFlush, Storm, Takeover,
    Thaw,
};

impl ClusterKind {
    pub(super) fn is_lossless(self) -> bool {
        matches!(self, Reshard | OpenSlot | Storm | ScriptFlush | Manual | Crash)
    }

    pub(super) fn has_servers_always(self) -> bool {
        matches!(self, Reshard | Storm | ScriptFlush | Manual)
    }
}

/// Has it happen while these workers run. Returns when all is well again, but that a killed node
/// stays dead.
pub(super) fn disturb(all: &Cluster, kind: ClusterKind, workers: &[u32], span: Duration) -> Switch {
    let fault = clock::now();
    let successor = match kind {
        Reshard => {
            (0..PRIMARIES).for_each(|node| move_a_third(all, node));
            None
        }
        OpenSlot => {
            leave_open(all, span * 4);
            None
        }
        Storm => {
            let slot = slot_of(all, SHORT);
            (0..MOVES).for_each(|_| all.migrate(slot, another_primary(all, all.owner_of(slot))));
            None
        }
        _ => Some(replace(all, kind, workers, span)),
    };
    let named = clock::now();
    if kind == Partition {
        thread::sleep(span * 4);
        (0..NODES).for_each(|node| all.proxy(node).heal());
    }
    all.wait_until_settled();
    Switch { fault, named, successor }
}

fn slot_of(all: &Cluster, key: u32) -> u16 {
    all.slot_of(&key_name(key))
}

fn another_primary(all: &Cluster, node: usize) -> usize {
    let mut others = (1..NODES).map(|step| (node + step) % NODES);
    others.find(|&other| !all.slots_of(other).is_empty()).expect("three nodes have slots")
}

/// Moves the slots of all keys on this node, and a third of the others that move.
fn move_a_third(all: &Cluster, from: usize) {
    let slots = all.slots_of(from);
    let of_keys = (0..Workload::Failover.keys()).map(|key| slot_of(all, key));
    let others = slots.iter().copied().take(OTHER_SLOTS / PRIMARIES);
    let mut moved: Vec<_> = of_keys.filter(|slot| slots.contains(slot)).chain(others).collect();
    moved.sort_unstable();
    moved.dedup();
    all.reshard(&moved, another_primary(all, from));
}

fn leave_open(all: &Cluster, span: Duration) {
    let slot = slot_of(all, SHORT);
    let to = another_primary(all, all.owner_of(slot));
    all.begin_migration(slot, to);
    thread::sleep(span);
    all.migrate_keys(slot, to);
    thread::sleep(span);
    all.migrate_keys(slot, to);
    all.end_migration(slot, to);
}

/// A replica takes the place of a primary.
fn replace(all: &Cluster, kind: ClusterKind, workers: &[u32], span: Duration) -> Successor {
    let old = all.owner_of(slot_of(all, SHORT));
    let new = all.partner_of(old);
    let keys = (0..Workload::Failover.keys()).filter(|&key| all.owner_of(slot_of(all, key)) == old);
    let keys: Vec<_> = keys.collect();
    let flush = || {
        for node in [old, new] {
            all.node(node).command(&["SCRIPT", "FLUSH"]);
        }
    };
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !all.node(new).replication_says("role:master") {
                thread::sleep(POLL);
            }
            Successor::now(keys)
        });
        match kind {
            ScriptFlush => {
                flush();
                all.fail_over(old);
                flush();
            }
            Manual => all.fail_over(old),
            Force => all.begin_failover(old, &["FORCE"]),
            Takeover => all.begin_failover(old, &["TAKEOVER"]),
            LossyCrash => drop(all.crash_with_loss(old, |_| thread::sleep(span))),
            Partition => {
                let others = (0..NODES).filter(|&node| node != old);
                others.for_each(|node| all.proxy(node).isolate(&workers[..1]));
                all.node(old).pause();
            }
            Thaw => all.node(old).pause(),
            _ => all.node(old).kill(),
        }
        all.wait_for_primary(new);
        if matches!(kind, Thaw | Partition) {
            all.node(old).resume();
        }
        watch.join().expect("the node answers")
    })
}
