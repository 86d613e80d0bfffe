//! A few schedules of different kinds, as part of every test run. `chaos run` runs many.

use std::path::Path;
use std::thread;
use std::time::Duration;

use chaos::failover::FailoverKind;
use chaos::fault::FaultKind;
use chaos::options::Failover;
use chaos::schedule::{Overrides, Schedule, Topology};
use chaos::verdict::Verdict;
use chaos::workload::Workload;
use chaos::{FailoverPause, failover, lossy, trial};
use testkit::Cluster;

type Faults<'a> = (Workload, &'a [FaultKind]);

fn run_schedule(
    seed: u64,
    topology: Topology,
    (workload, faults): Faults<'_>,
    cluster: &mut Option<Cluster>,
) {
    let overrides = Overrides { topology, workload: Some(workload), faults: faults.to_vec() };
    let program = Path::new(env!("CARGO_BIN_EXE_chaos"));
    let outcome = trial::run(Schedule::of(seed, &overrides), program, cluster);
    let outcome = outcome.expect("it can be run");
    let (schedule, verdict) = (&outcome.schedule, Verdict(&outcome));
    assert!(outcome.report.is_right(), "{schedule}{verdict}");
    assert!(outcome.report.pairs > 0, "no request succeeded: {schedule}{verdict}");
}

/// Runs two at a time; more would compete for the processor.
fn run_schedules(topology: Topology, schedules: &[Faults<'_>]) {
    let (one, other) = schedules.split_at(schedules.len() / 2);
    thread::scope(|scope| {
        for (half, base) in [(one, 100), (other, 200)] {
            scope.spawn(move || {
                let mut cluster = None;
                for (seed, faults) in (base..).zip(half) {
                    run_schedule(seed, topology, *faults, &mut cluster);
                }
            });
        }
    });
}

#[test]
fn the_lock_keeps_its_guarantees_under_all_kinds_of_faults() {
    run_schedules(
        Topology::Server,
        &[
            (Workload::Counter, &[FaultKind::CutAfterApply, FaultKind::CutMidFrame]),
            (Workload::Register, &[FaultKind::BlackHole, FaultKind::Freeze]),
            (Workload::ManyKeys, &[FaultKind::DelayToClient, FaultKind::DropPushes]),
            (Workload::HotKey, &[FaultKind::KillGranted, FaultKind::KillHolder]),
            (Workload::Nesting, &[FaultKind::KillPubsub, FaultKind::ScriptFlush]),
            (Workload::CancelStorm, &[FaultKind::ServerPause, FaultKind::KillOne]),
            (Workload::LongHolds, &[FaultKind::FlushAll]),
            (Workload::MultiKey, &[FaultKind::ServerCrash]),
            (Workload::LockOrder, &[FaultKind::PauseHolder, FaultKind::KillWaiter]),
            (Workload::Register, &[FaultKind::DeleteHold, FaultKind::DeleteQueue]),
            (Workload::Counter, &[FaultKind::MemoryFull, FaultKind::ClientPauseWrite]),
            (Workload::Register, &[FaultKind::ClockAhead, FaultKind::ClockBack]),
            (Workload::LongHolds, &[FaultKind::Eviction]),
        ],
    );
}

#[test]
fn the_lock_keeps_its_guarantees_under_the_faults_of_a_cluster() {
    run_schedules(
        Topology::Cluster,
        &[
            (Workload::Counter, &[FaultKind::Reshard, FaultKind::ClusterCrash]),
            (Workload::Register, &[FaultKind::OpenSlot, FaultKind::CutAfterApply]),
            (Workload::HotKey, &[FaultKind::ClusterThaw, FaultKind::KillHolder]),
            (Workload::ManyKeys, &[FaultKind::NewAddress, FaultKind::ScriptFlush]),
        ],
    );
}

#[test]
fn the_register_rejects_late_writes_after_every_kind_of_loss() {
    let losses = lossy::measure(1, 7).expect("servers start");
    assert!(losses.iter().all(lossy::Losses::is_right), "{}", lossy::Table(&losses));
    assert!(losses.iter().any(|losses| losses.late > 0), "{}", lossy::Table(&losses));
}

#[test]
fn locks_keep_their_guarantees_across_failovers() {
    let failover = Failover {
        trials: 1,
        from: 300,
        jobs: 2,
        kinds: vec![FailoverKind::Crash, FailoverKind::Thaw, FailoverKind::LossyName],
        replicas: 0,
        pauses: vec![FailoverPause::Grace],
        // Other tests run at the same time.
        resumption: Duration::from_secs(1).into(),
        keep: None,
    };
    let program = Path::new(env!("CARGO_BIN_EXE_chaos"));
    let rows = failover::measure(&failover, program).expect("servers start");
    let wrong: Vec<_> = rows.iter().flat_map(|row| row.wrong.values()).collect();
    assert!(wrong.is_empty(), "{}{wrong:#?}", failover::FailoverTable(&rows));
    assert!(rows.iter().all(|row| row.pairs > 0), "{}", failover::FailoverTable(&rows));
}
