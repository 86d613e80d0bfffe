//! Many waiters for as many keys, and connections that are cut meanwhile.
//!
//! `DISTLOCK_WAITERS=100000 cargo test --release --test cluster many_waiters -- --nocapture` runs
//! it with as many requests.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use distlock::{LockGuard, LockManager};
use testkit::{RedisServer, eventually_async};

use crate::support::{alone, connect, scripts_run, server};

/// The limit of any wait.
const LIMIT: Duration = Duration::from_secs(120);
/// The limit for acquiring a free key while the others wait, on a busy machine.
const FREE: Duration = Duration::from_secs(2);

fn waiter_count() -> usize {
    let wanted = env::var("DISTLOCK_WAITERS").ok();
    wanted.map_or(20_000, |text| text.parse().expect("a number of requests"))
}

/// Acquires this many keys.
async fn hold(locks: &LockManager, keys: usize) -> Vec<LockGuard> {
    let mut guards = Vec::with_capacity(keys);
    for some in (0..keys).collect::<Vec<_>>().chunks(1000) {
        let requests = some.iter().map(|key| locks.mutex(format!("waited:{key}")));
        let requests: Vec<_> = requests.collect();
        let asked = requests.iter().map(distlock::LockRequest::acquire);
        let held = futures::future::join_all(asked).await;
        guards.extend(held.into_iter().map(|guard| guard.expect("the key is free")));
    }
    guards
}

/// The times to acquire free keys while the others wait, sorted.
async fn free_keys(locks: &LockManager, what: &str, times: usize) -> Duration {
    let mut taken = Vec::new();
    for time in 0..times {
        let start = Instant::now();
        let key = format!("free:{what}:{time}");
        let guard = locks.mutex(key).wait(LIMIT).acquire().await.expect("it is free");
        taken.push(start.elapsed());
        drop(guard);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    taken.sort_unstable();
    let (median, slowest) = (taken[times / 2], taken[times - 1]);
    println!("free keys {what}: median {median:.1?}, slowest {slowest:.1?}");
    slowest
}

fn connections(server: &RedisServer) -> u64 {
    let mut info = redis::cmd("INFO");
    let info: String =
        info.arg("stats").query(&mut server.connection()).expect("the server answers");
    let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.expect("the server counts").trim().parse().expect("a number")
}

#[test]
fn many_waiters_on_many_keys_survive_a_reconnect_and_delay_no_other_request() {
    let _machine = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(survive());
}

async fn survive() {
    let redis = server();
    let (holder, waiters) = (connect(&redis), connect(&redis));
    let size = waiter_count();
    let guards = hold(&holder, size).await;
    let served = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..size)
        .map(|key| {
            let request = waiters.mutex(format!("waited:{key}"));
            let served = Arc::clone(&served);
            tokio::spawn(async move {
                let guard = request.acquire().await?;
                served.fetch_add(1, Ordering::Relaxed);
                guard.release().await
            })
        })
        .collect();
    let queued = |redis: &RedisServer| {
        let size = redis::cmd("DBSIZE");
        size.query::<usize>(&mut redis.connection()).expect("the server answers")
    };
    // A hold, a queue and its waiters for each key.
    eventually_async(LIMIT, "all wait", async || queued(&redis) >= 3 * size).await;
    println!("{size} wait after {:.1?}", start.elapsed());
    let before = free_keys(&waiters, "beside the waiters", 40).await;

    let (cut_at, calls, connected) = (Instant::now(), scripts_run(&redis), connections(&redis));
    for kind in ["normal", "pubsub"] {
        redis.command(&["CLIENT", "KILL", "TYPE", kind]);
    }
    let after = free_keys(&waiters, "after the cut", 100).await;
    let calls = scripts_run(&redis) - calls;
    let asked_by_us = 2;
    let reconnects = connections(&redis) - connected - asked_by_us;
    println!(
        "{:.1?} after the cut: {calls} script calls, {reconnects} new connections",
        cut_at.elapsed()
    );

    let released = Instant::now();
    drop(guards);
    eventually_async(LIMIT, "all are served", async || served.load(Ordering::Relaxed) == size)
        .await;
    println!("all {size} served in {:.1?}", released.elapsed());
    for task in tasks {
        task.await.expect("it does not panic").expect("it had the lock");
    }
    assert!(before < FREE && after < FREE, "a free key waits: {before:?}, {after:?}");
    assert!(reconnects < 12, "{reconnects} new connections");
    assert!(calls < 3 * u64::try_from(size).expect("fits"), "{calls} script calls");
}
