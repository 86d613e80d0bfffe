//! Shared helpers of the tests.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod process;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use distlock::{Inspection, LockError, LockManager};
use testkit::{RedisServer, eventually};

/// The limit of any wait.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A private server.
pub fn server() -> RedisServer {
    RedisServer::start().expect("redis-server starts")
}

/// A manager with the default settings.
pub fn connect(server: &RedisServer) -> LockManager {
    LockManager::connect(&server.url()).expect("the url is well formed")
}

/// A manager whose holds last `ttl`.
pub fn connect_with_ttl(server: &RedisServer, ttl: Duration) -> LockManager {
    let builder = LockManager::builder().url(server.url()).ttl(ttl);
    builder.build().expect("the url is well formed")
}

/// The keys that stay.
pub const LASTING: [&str; 2] = ["lock:max_lease", "lock:tokens"];

/// The keys of the library on the server, except the fence counter and the longest lease.
pub fn traces(server: &RedisServer) -> Vec<String> {
    let mut keys = redis::cmd("KEYS");
    let keys: Vec<String> =
        keys.arg("*").query(&mut server.connection()).expect("the server answers");
    keys.into_iter().filter(|key| !LASTING.contains(&key.as_str())).collect()
}

/// Contention in both directions, and a place in the queue that is given up.
pub fn contend(one: &LockManager, other: &LockManager) {
    let held = one.mutex("a").wait(LIMIT).acquire_blocking().unwrap();
    let tried = other.mutex("a").wait(Duration::from_millis(700)).acquire_blocking();
    assert!(matches!(tried, Err(LockError::Busy(_))), "{tried:?}");
    std::thread::scope(|scope| {
        let next = scope.spawn(|| other.mutex("a").wait(LIMIT).acquire_blocking().unwrap());
        eventually(LIMIT, "it waits", || one.inspect_blocking("a").unwrap().waiters.len() == 1);
        held.release_blocking().unwrap();
        next.join().unwrap().release_blocking().unwrap();
    });
}

/// Waits until the server knows this many waiters of `key`.
#[track_caller]
pub fn until_waiting(locks: &LockManager, key: &str, waiters: u64) {
    let what = format!("{waiters} wait for {key}");
    eventually(LIMIT, &what, || inspect(locks, key).waiting == waiters);
}

/// Waits until `key` is free.
#[track_caller]
pub fn until_free(locks: &LockManager, key: &str) {
    eventually(LIMIT, &format!("{key} is free"), || inspect(locks, key).holder.is_none());
}

/// Waits until `key` is held.
#[track_caller]
pub fn until_held(locks: &LockManager, key: &str) {
    eventually(LIMIT, &format!("{key} is held"), || inspect(locks, key).holder.is_some());
}

#[track_caller]
pub fn inspect(locks: &LockManager, key: &str) -> Inspection {
    locks.inspect_blocking(key).expect("the server answers")
}

static MACHINE: RwLock<()> = RwLock::new(());

/// Excludes the other tests of this binary, for a test that needs the whole processor.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Allows other tests to run at the same time.
pub fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The number of scripts that the server has run for clients.
pub fn scripts_run(server: &RedisServer) -> u64 {
    let mut info = redis::cmd("INFO");
    let info: String =
        info.arg("commandstats").query(&mut server.connection()).expect("the server answers");
    let calls = |line: &str| {
        let rest = line.strip_prefix("cmdstat_eval")?;
        let (_, rest) = rest.split_once(":calls=")?;
        rest.split(',').next()?.parse::<u64>().ok()
    };
    info.lines().filter_map(calls).sum()
}
