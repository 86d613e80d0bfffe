//! The cost of many simultaneous holds.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockGuard, LockManager};
use testkit::{RedisServer, eventually};

use super::deadlock::setting;
use crate::support::{LIMIT, beside_others, connect_with_ttl, server, traces};

/// How many holds one renewal call contains.
const BATCH: u64 = 100;
/// The part of a core that ten thousand holds with the default ttl may take: `cargo test --release`
/// for the figure.
const SHARE: f64 = if cfg!(debug_assertions) { 0.05 } else { 0.01 };

/// `DISTLOCK_HOLDS` sets another number, and uses the default ttl.
#[test]
fn many_holds_are_renewed_with_few_calls() {
    let _machine = beside_others();
    let server = server();
    let measured = setting("DISTLOCK_HOLDS", 0) > 0;
    let ttl = Duration::from_secs(if measured { 30 } else { 3 });
    let holds = setting("DISTLOCK_HOLDS", 2_000);
    let locks = connect_with_ttl(&server, ttl);
    let guard = locks.mutex("warm").acquire_blocking().unwrap();
    guard.release_blocking().unwrap();
    let memory = (resident(), used(&server));
    let guards = take(&locks, holds);
    let per_hold = |after: u64, before: u64| after.saturating_sub(before) / holds;
    let memory = (per_hold(resident(), memory.0), per_hold(used(&server), memory.1));
    println!("{holds} holds: {} bytes each here, {} bytes each in the server", memory.0, memory.1);
    // At most twice as many as it takes in each third of the ttl, in which every hold is renewed
    // once.
    let allowed = 2 * holds.div_ceil(BATCH);
    let (begun, mut before) = (Instant::now(), Cost::so_far(&server));
    for third in 1..=9 {
        let until = begun + ttl / 3 * third;
        while Instant::now() < until {
            assert!(guards.iter().all(|guard| guard.hold().is_valid()), "a hold was lost");
            thread::sleep(until.saturating_duration_since(Instant::now()).min(ttl / 30));
        }
        let now = Cost::so_far(&server);
        let (calls, share) = (now.calls - before.calls, now.share_of_a_core(&before));
        println!("{calls} calls in {:?}, {:.2} % of a core", now.at - before.at, share * 100.0);
        assert!(calls <= allowed, "{calls} calls where {allowed} are allowed");
        // Where no other tests run, whose keepers count too.
        assert!(!measured || share < SHARE, "the keeper took {share} of a core");
        before = now;
    }
    assert_eq!(traces(&server).len() as u64, holds);
    for guard in guards {
        guard.release_blocking().expect("it was valid");
    }
    eventually(LIMIT, "all are released", || traces(&server).is_empty());
}

fn take(locks: &LockManager, holds: u64) -> Vec<LockGuard> {
    (0..holds)
        .map(|number| locks.mutex(format!("held:{number}")).acquire_blocking().unwrap())
        .collect()
}

/// The resources that were used up to an instant.
struct Cost {
    at: Instant,
    /// Calls of scripts.
    calls: u64,
    /// Hundredths of a second that the keepers of this process ran.
    ticks: u64,
}

impl Cost {
    fn so_far(server: &RedisServer) -> Self {
        Self { at: Instant::now(), calls: script_calls(server), ticks: ticks() }
    }

    fn share_of_a_core(&self, before: &Self) -> f64 {
        // Keepers of other tests, which have ended since, are missing from the later sum.
        let ran = Duration::from_millis(10 * self.ticks.saturating_sub(before.ticks));
        ran.as_secs_f64() / (self.at - before.at).as_secs_f64()
    }
}

fn info(server: &RedisServer, section: &str) -> String {
    redis::cmd("INFO").arg(section).query(&mut server.connection()).unwrap()
}

fn script_calls(server: &RedisServer) -> u64 {
    let info = info(server, "commandstats");
    let calls = info.lines().filter_map(|line| {
        let rest = line.strip_prefix("cmdstat_eval")?;
        let (_, calls) = rest.split_once(":calls=")?;
        calls.split(',').next()?.parse::<u64>().ok()
    });
    calls.sum()
}

/// The memory of the server.
fn used(server: &RedisServer) -> u64 {
    let info = info(server, "memory");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.expect("it says so").trim().parse().unwrap()
}

/// The resident memory of this process.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

/// The time in user and kernel of all keepers of this process, which other tests have too.
fn ticks() -> u64 {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let stats = threads.filter_map(|thread| {
        // A thread may have ended meanwhile.
        let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let words: Vec<_> = rest.split(' ').collect();
        let time = |index: usize| words[index].parse::<u64>().unwrap();
        name.ends_with("(distlock-io").then(|| time(11) + time(12))
    });
    stats.sum()
}
