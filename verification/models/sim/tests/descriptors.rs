//! What schedules leave in the process that runs them. Alone in its program: it counts what other
//! tests would open too.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use sim::plan::{Fault, FaultKind, Plan};
use sim::trial::Trial;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the kernel lists them").count()
}

/// A schedule in which every process crashes, most of them while a hold lingers.
fn crashes(seed: u64) -> Plan {
    let mut plan = Plan::generate(seed);
    let tasks = plan.processes.iter_mut().flat_map(|process| &mut process.tasks);
    for step in tasks.flat_map(|task| &mut task.steps) {
        step.ask.linger = Duration::from_secs(1);
    }
    let crash = |(process, at)| Fault { at, what: FaultKind::Crash { process } };
    let starts = plan.processes.iter().map(|process| process.starts_at);
    let times = starts.map(|start| start + Duration::from_millis(100));
    plan.faults = (0..).zip(times).map(crash).collect();
    plan
}

/// Each link of a process has two.
#[test]
fn processes_that_crash_leave_no_descriptors() {
    let before = descriptors();
    let run = (1..=300).map(crashes).inspect(|plan| drop(Trial::of(plan)));
    assert!(run.filter(|plan| plan.nodes > 1).count() > 30, "too few of them are of clusters");
    assert_eq!(descriptors(), before);
}
