//! Failovers of a cluster, and moves of its slots.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use testkit::Cluster;

use super::FailoverKind;
use super::servers::{Switch, wall_clock_us};
use crate::clock;
use crate::setup::hold_name;

/// How often the slots of all keys move.
const MOVES: usize = 4;
/// How many other keys are in a slot that is full.
const OTHER_KEYS: usize = 300;

/// What is done to a cluster, beside its kind.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    /// All that are in use.
    pub(crate) keys: Range<u32>,
    /// The one whose slot or primary it is about.
    pub(crate) key: u32,
    /// The processes that use them.
    pub(crate) workers: &'a [u32],
    /// How long writes are lost, a slot is open, or a partition lasts.
    pub(crate) span: Duration,
    /// How often a slot moves in a storm.
    pub(crate) storm: usize,
}

/// Has the replica of a node take its place, or slots move. Returns when all is well again, but
/// that a killed node stays dead.
pub(crate) fn fail_over(all: &mut Cluster, kind: FailoverKind, order: &Order<'_>) -> Switch {
    let slot_of = |key| all.slot_of(&hold_name(key));
    let slots: Vec<_> = order.keys.clone().map(slot_of).collect();
    let slot = slot_of(order.key);
    let old = all.owner_of(slot);
    let is_of_old = |key: &u32| all.owner_of(slot_of(*key)) == old;
    let mut keys: Vec<_> = order.keys.clone().filter(is_of_old).collect();
    let (fault, mut clock_us) = (clock::now(), wall_clock_us());
    match kind {
        FailoverKind::Reshard | FailoverKind::ReshardFull => {
            if kind == FailoverKind::ReshardFull {
                order.keys.clone().for_each(|key| add_other_keys(all, key));
            }
            (0..MOVES).for_each(|_| all.reshard(&slots, next(all, slot)));
        }
        FailoverKind::Storm => {
            (0..order.storm).for_each(|_| all.migrate(slot, next(all, slot)));
        }
        FailoverKind::OpenSlot => leave_open(all, slot, order.span),
        _ => replace(all, kind, old, order, || clock_us = wall_clock_us()),
    }
    if kind.moves_slots() {
        keys = order.keys.clone().collect();
    }
    let mut accepts = clock::now();
    match kind {
        FailoverKind::ClusterThaw => all.node(old).resume(),
        FailoverKind::ClusterPartition => {
            all.node(old).resume();
            thread::sleep(order.span);
            all.heal_proxies();
        }
        FailoverKind::NewAddress => {
            all.restart_elsewhere(old).expect("a node that ran once starts again");
            all.wait_until_settled();
            // Another pause begins, mostly within the first one.
            all.order_failover(all.owner_of(slot), &[]);
            (accepts, clock_us) = (clock::now(), wall_clock_us());
            all.wait_until_settled();
        }
        _ => {}
    }
    Switch { keys, fault, accepts, named: accepts, clock_us }
}

/// Another primary than the one that serves the slot.
fn next(all: &Cluster, slot: u16) -> usize {
    let (primaries, owner) = (all.primaries(), all.owner_of(slot));
    let after = primaries.iter().find(|&&other| other > owner);
    *after.unwrap_or(&primaries[0])
}

fn add_other_keys(all: &Cluster, key: u32) {
    let hold = hold_name(key);
    let mut commands = redis::pipe();
    for number in 0..OTHER_KEYS {
        commands.cmd("SET").arg(format!("other:{number}:{hold}")).arg(number).ignore();
    }
    let owner = all.owner_of(all.slot_of(&hold));
    let added = commands.query::<()>(&mut all.node(owner).connection());
    added.expect("the owner of a slot takes its keys");
}

/// Has the replica of a node take its place, and notes when it has.
fn replace(all: &Cluster, kind: FailoverKind, old: usize, order: &Order<'_>, note: impl FnOnce()) {
    let replica = all.partner_of(old);
    let flush = || {
        for node in [old, replica] {
            all.node(node).command(&["SCRIPT", "FLUSH"]);
        }
    };
    match kind {
        FailoverKind::ClusterManual => all.order_failover(old, &[]),
        FailoverKind::ClusterForce => all.order_failover(old, &["FORCE"]),
        FailoverKind::ClusterTakeover => all.order_failover(old, &["TAKEOVER"]),
        FailoverKind::ClusterFlush => {
            flush();
            all.order_failover(old, &[]);
        }
        FailoverKind::ClusterLossyCrash => {
            all.crash_with_loss(old, |_| thread::sleep(order.span));
        }
        FailoverKind::ClusterThaw => all.node(old).pause(),
        FailoverKind::ClusterPartition => {
            let others = (0..Cluster::NODES).filter(|&node| node != old);
            others.for_each(|node| all.proxy(node).isolate(&order.workers[..1]));
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
    let to = next(all, slot);
    all.begin_migration(slot, to);
    thread::sleep(span);
    all.migrate_keys(slot, to);
    thread::sleep(span);
    all.migrate_keys(slot, to);
    all.end_migration(slot, to);
}
