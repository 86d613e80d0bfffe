//! Faults of a cluster.

use std::ops::Range;

use redis::Value;
use testkit::Cluster;

use super::network::{disturb, settle};
use crate::failover::cluster::{self, Order};
use crate::fault::{Fault, FaultKind};
use crate::setup::hold_name;

/// How often a slot moves in a storm: more would take too long.
const STORM: usize = 20;

pub(super) fn apply(
    all: &mut Cluster,
    fault: &Fault,
    keys: Range<u32>,
    workers: &[u32],
) -> Result<(), String> {
    let Fault { kind, key, span, .. } = *fault;
    if let Some(failover) = kind.failover() {
        // A crash loses nothing only if the replica has everything, and a primary that is the last
        // of its shard has no replica.
        all.heal().map_err(|error| error.to_string())?;
        cluster::fail_over(all, failover, &Order { keys, key, workers, span, storm: STORM });
        return Ok(());
    }
    let owner = all.owner_of(all.slot_of(&hold_name(key)));
    if kind.is_of_the_network() {
        disturb(all.proxy(owner), fault);
        return Ok(());
    }
    let milliseconds = span.as_millis().to_string();
    let words: &[&str] = match kind {
        FaultKind::KillNormal => &["CLIENT", "KILL", "TYPE", "normal"],
        FaultKind::KillPubsub => &["CLIENT", "KILL", "TYPE", "pubsub"],
        FaultKind::ClientPauseWrite => &["CLIENT", "PAUSE", &milliseconds, "WRITE"],
        FaultKind::ScriptFlush => &["SCRIPT", "FLUSH"],
        other => unreachable!("{other} is not a fault of a cluster"),
    };
    all.node(owner).ask::<Value>(words).map(drop).ok_or_else(|| "no answer".to_owned())
}

pub(super) fn end_fault(all: &Cluster, fault: &Fault) {
    if fault.kind.is_of_the_network() {
        // The key may have another owner by now.
        (0..Cluster::NODES).for_each(|node| settle(all.proxy(node), fault));
    }
    if fault.kind.failover().is_some() {
        all.heal().expect("nodes that ran once start again");
    }
}
