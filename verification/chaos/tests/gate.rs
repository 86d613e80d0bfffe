//! A few schedules of different kinds, as a part of every test run; `trials run` does many.

use std::path::Path;
use std::thread;

use chaos::fault::Kind;
use chaos::schedule::{Schedule, Wishes};
use chaos::verdict::Verdict;
use chaos::workload::Workload;
use chaos::{lossy, trial};

/// Runs the schedule of a seed with these faults.
fn undergo(seed: u64, workload: Workload, faults: &[Kind]) {
    let wishes = Wishes { workload: Some(workload), faults: faults.to_vec() };
    let program = Path::new(env!("CARGO_BIN_EXE_chaos"));
    let outcome = trial::run(Schedule::of(seed, &wishes), program).expect("it can be run");
    let (schedule, verdict) = (&outcome.schedule, Verdict(&outcome));
    assert!(outcome.report.is_right(), "{schedule}{verdict}");
    assert!(outcome.report.pairs > 0, "something was done: {schedule}{verdict}");
}

/// Two at a time: more would compete for the processor.
fn undergo_all(schedules: &[(Workload, &[Kind])]) {
    let (one, other) = schedules.split_at(schedules.len() / 2);
    thread::scope(|scope| {
        for (half, base) in [(one, 100), (other, 200)] {
            scope.spawn(move || {
                for (seed, (workload, faults)) in (base..).zip(half) {
                    undergo(seed, *workload, faults);
                }
            });
        }
    });
}

#[test]
fn the_lock_holds_under_faults_of_every_sort() {
    undergo_all(&[
        (Workload::Counter, &[Kind::CutAfterApply, Kind::CutMidFrame]),
        (Workload::Register, &[Kind::BlackHole, Kind::Freeze]),
        (Workload::ManyKeys, &[Kind::DelayToClient, Kind::DropPushes]),
        (Workload::HotKey, &[Kind::KillGranted, Kind::KillHolder]),
        (Workload::Nesting, &[Kind::KillPubsub, Kind::ScriptFlush]),
        (Workload::CancelStorm, &[Kind::ServerPause, Kind::KillOne]),
        (Workload::LongHolds, &[Kind::FlushAll]),
        (Workload::Together, &[Kind::ServerCrash]),
        (Workload::Crossing, &[Kind::PauseHolder, Kind::KillWaiter]),
        (Workload::Register, &[Kind::DeleteHold, Kind::DeleteQueue]),
        (Workload::Counter, &[Kind::MemoryFull, Kind::ClientPauseWrite]),
        (Workload::Register, &[Kind::ClockAhead, Kind::ClockBack]),
        (Workload::LongHolds, &[Kind::Eviction]),
    ]);
}

#[test]
fn late_writes_are_refused_whatever_the_server_loses() {
    let losses = lossy::measure(1, 7).expect("servers start");
    assert!(losses.iter().all(lossy::Losses::is_right), "{}", lossy::Table(&losses));
    assert!(losses.iter().any(|losses| losses.late > 0), "{}", lossy::Table(&losses));
}
