//! What schedules leave in the process that runs them. Alone in its program: it counts what other
//! tests would open too.
#![cfg(target_os = "linux")]

use std::fs;

use sim::campaign::Campaign;

/// Seeds among these crash a process while a hold of it lingers, with one server and in a cluster.
const SCHEDULES: u64 = 600;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the kernel lists them").count()
}

/// Each link of a process has two.
#[test]
fn schedules_leave_no_descriptors() {
    let before = descriptors();
    let campaign = Campaign { seeds: 1..SCHEDULES + 1, cluster: false, jobs: 2, enough: 1 };
    let outcome = campaign.run(|_, _| {});
    assert_eq!(outcome.schedules, SCHEDULES, "{:?}", outcome.findings);
    assert_eq!(descriptors(), before);
}
