//! How often the threads of a manager wake up. One test, so that no other manager is in the
//! process.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, connect_with_ttl, scripts_run, server};

/// A loaded machine renews it in time.
const TTL: Duration = Duration::from_secs(1);
const RENEWALS: u64 = 6;

/// The threads of managers in this process.
fn threads() -> BTreeSet<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap());
    let tasks = tasks.filter(|task| {
        // A thread may have ended meanwhile.
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        name.starts_with("distlock")
    });
    tasks.map(|task| task.file_name().into_string().unwrap()).collect()
}

/// How often these threads have gone to sleep.
fn sleeps(threads: &BTreeSet<String>) -> u64 {
    let sleeps = threads.iter().map(|thread| {
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status"));
        let status = status.unwrap_or_default();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    });
    sleeps.sum()
}

/// Waits until the server has run so many more scripts. Returns how many it was.
fn after_scripts(server: &RedisServer, count: u64) -> u64 {
    let before = scripts_run(server);
    eventually(LIMIT, "the hold is renewed", || scripts_run(server) >= before + count);
    scripts_run(server) - before
}

#[test]
fn an_idle_manager_sleeps_and_one_with_a_hold_wakes_up_to_renew_it() {
    let server = server();
    let idle = connect(&server);
    drop(idle.mutex("released").acquire_blocking().unwrap());
    let idle_threads = threads();
    assert!(!idle_threads.is_empty());
    let busy = connect_with_ttl(&server, TTL);
    let guard = busy.mutex("held").acquire_blocking().unwrap();
    let busy_threads: BTreeSet<_> = threads().difference(&idle_threads).cloned().collect();
    assert!(!busy_threads.is_empty());

    // What follows the release and the connection comes to an end.
    eventually(LIMIT, "a manager that holds nothing sleeps", || {
        let before = sleeps(&idle_threads);
        after_scripts(&server, RENEWALS);
        sleeps(&idle_threads) == before
    });

    let before = sleeps(&busy_threads);
    let renewals = after_scripts(&server, RENEWALS);
    let woken = sleeps(&busy_threads) - before;
    println!("{woken} wake-ups for {renewals} renewals");
    // For each renewal, one to send it and one for its reply, and the renewal that is under way.
    assert!(woken <= 2 * (renewals + 1), "{woken} wake-ups for {renewals} renewals");
    drop(guard);
}
