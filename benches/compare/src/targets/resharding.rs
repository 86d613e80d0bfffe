//! Locks in use while their slots move to another node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use testkit::Cluster;

use super::Run;
use super::own_keys::WORKERS;
use super::target::{Bound, Target};
use crate::bench::{self, Load};
use crate::candidate::Candidate;
use crate::child::throughput::own_key;
use crate::history::{History, count};

const CANDIDATES: [Candidate; 3] =
    [Candidate::DISTLOCK_TASKS, Candidate::RAW_TASKS, Candidate::RSLOCK];
const SLOTS: usize = 1_000;
const FOREIGN_KEYS: usize = 20_000;
/// What a percentile of the waits may grow by, in milliseconds.
const GROWTH: f64 = 50.0;
/// What a wait may take more than a move of all keys, in milliseconds.
const STALL: f64 = 250.0;
/// All slots move several times.
const TIME: Duration = Duration::from_secs(3);
/// How long a full slot stays where it is. While it moves no lock of it is served.
const REST: Duration = Duration::from_secs(1);

/// What moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moving {
    /// The slot of all locks.
    OneSlot,
    /// A slot, and the one lock that all workers want.
    OneLock,
    /// The locks of one of three nodes, and slots that have none.
    ManySlots,
    /// The slot of all locks, with many other keys.
    FullSlot,
}

/// One run of a load.
struct Measured {
    history: History,
    /// The slowest move of all slots.
    longest_move: Duration,
}

pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for (moving, name) in [
        (Moving::OneSlot, "one slot moves"),
        (Moving::OneLock, "one slot moves, one lock"),
        (Moving::ManySlots, "1,000 slots move"),
        (Moving::FullSlot, "a slot moves with 20,000 other keys"),
    ] {
        for candidate in CANDIDATES {
            // The raw baseline is not a lock, and rslock polls too slowly for one.
            if moving == Moving::OneLock && candidate != Candidate::DISTLOCK_TASKS {
                continue;
            }
            match while_moving(run, moving, name, candidate) {
                Err(error) if candidate != Candidate::DISTLOCK_TASKS => {
                    eprintln!("{name}: {candidate} is not measured: {error:#}");
                }
                measured => targets.extend(measured?),
            }
        }
    }
    Ok(targets)
}

fn while_moving(
    run: &Run<'_>,
    moving: Moving,
    name: &str,
    candidate: Candidate,
) -> anyhow::Result<Vec<Target>> {
    let cluster = Cluster::bare(3)?;
    let [mut growth, mut p50, mut p99, mut longest, mut errors, mut stalls, mut rates] =
        [(); 7].map(|()| Vec::new());
    for round in 1..=run.rounds {
        run.bench.at(format_args!("{name}, round {round}: {candidate}"));
        let quiet = once(run, &cluster, moving, candidate, false)?.history;
        let moved = once(run, &cluster, moving, candidate, true)?;
        let millis = |micros: f64| micros / 1e3;
        let (waits, longest_wait) = (moved.history.waits(), moved.history.longest_wait());
        growth.push(millis(waits.p99() - quiet.waits().p99()));
        p50.push(millis(waits.median()));
        p99.push(millis(waits.p99()));
        longest.push(longest_wait.as_secs_f64() * 1e3);
        stalls.push(longest_wait.saturating_sub(moved.longest_move).as_secs_f64() * 1e3);
        errors.push(count(usize::try_from(moved.history.errors)?));
        rates.push(moved.history.per_second() / quiet.per_second());
    }
    let ours = candidate == Candidate::DISTLOCK_TASKS;
    let target = |what, figures, bound| {
        let bound = if ours { bound } else { Bound::None };
        Target::alone(format!("{name}: {candidate}, {what}"), figures, bound)
    };
    let full = moving == Moving::FullSlot;
    let growth_bound = if full { Bound::None } else { Bound::AtMost(GROWTH) };
    let mut targets = vec![
        target("failed calls", errors, Bound::AtMost(0.0)),
        target("growth of the p99 of waits, ms", growth, growth_bound),
        target("median wait, ms", p50, Bound::None),
        target("p99 of waits, ms", p99, Bound::None),
        target("longest wait, ms", longest, Bound::None),
        target("share of the rate without moves", rates, Bound::None),
    ];
    if full {
        let measure = "longest wait, ms more than the longest move";
        targets.push(target(measure, stalls, Bound::AtMost(STALL)));
    }
    Ok(targets)
}

fn once(
    run: &Run<'_>,
    cluster: &Cluster,
    moving: Moving,
    candidate: Candidate,
    moves: bool,
) -> anyhow::Result<Measured> {
    let (url, key) = (cluster.url(), bench::new_key());
    // With braces all keys that begin with it are in one slot.
    let key = if moving == Moving::ManySlots { key } else { format!("{{{key}}}") };
    let (load, slots) = match moving {
        Moving::OneLock => (Load::one_key(candidate, &url, 2, 8), vec![cluster.slot_of(&key)]),
        Moving::ManySlots => (Load::own_keys(candidate, &url, WORKERS), slots_of(cluster, &key)),
        Moving::OneSlot | Moving::FullSlot => {
            (Load::own_keys(candidate, &url, 8), vec![cluster.slot_of(&key)])
        }
    };
    if moving == Moving::FullSlot {
        fill(cluster, &key, slots[0])?;
    }
    let time = run.time.max(TIME);
    let over = AtomicBool::new(!moves);
    thread::scope(|scope| {
        let moving_slots = scope.spawn(|| {
            let mut longest_move = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let to = (cluster.owner_of(slots[0]) + 1) % 3;
                let start = Instant::now();
                cluster.reshard(&slots, to);
                longest_move = longest_move.max(start.elapsed());
                if moving == Moving::FullSlot {
                    thread::sleep(REST);
                }
            }
            longest_move
        });
        let history = run.bench.run_with(&load, &key, time);
        over.store(true, Ordering::Relaxed);
        let longest_move = moving_slots.join().map_err(|_| anyhow!("a slot could not be moved"))?;
        Ok(Measured { history: history?, longest_move })
    })
}

/// The slots of the locks that are on the node of the first one, and others of that node.
fn slots_of(cluster: &Cluster, key: &str) -> Vec<u16> {
    let of_locks: Vec<_> =
        (0..WORKERS).map(|worker| cluster.slot_of(&own_key(key, 0, worker))).collect();
    let owner = cluster.owner_of(of_locks[0]);
    let on_owner = cluster.slots_of(owner);
    let is_of_lock = |slot: &u16| of_locks.contains(slot);
    let (mut slots, others): (Vec<_>, Vec<_>) = on_owner.into_iter().partition(is_of_lock);
    slots.extend(others);
    slots.truncate(SLOTS);
    slots
}

fn fill(cluster: &Cluster, key: &str, slot: u16) -> anyhow::Result<()> {
    let mut node = cluster.node(cluster.owner_of(slot)).connection();
    let mut pipe = redis::pipe();
    for number in 0..FOREIGN_KEYS {
        pipe.cmd("SET").arg(format!("{key}:foreign:{number}")).arg("value").ignore();
    }
    Ok(pipe.exec(&mut node)?)
}
