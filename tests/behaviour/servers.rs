//! One server with several tenants, new servers, and servers with existing data.

use std::time::{Duration, Instant};

use distlock::{LockError, LockManager};
use testkit::RedisServer;

use crate::support::{LIMIT, connect, server, traces};

const SOON: Duration = Duration::from_secs(2);

fn with_prefix(server: &RedisServer, prefix: &str) -> LockManager {
    LockManager::builder().url(server.url()).prefix(prefix).build().unwrap()
}

#[track_caller]
fn assert_grants_at_once(locks: &LockManager) {
    let guard = locks.mutex("tenant").wait(SOON).acquire_blocking();
    guard.expect("a newcomer need not wait").release_blocking().unwrap();
}

#[test]
fn locks_under_different_prefixes_are_independent() {
    let server = server();
    let one = with_prefix(&server, "one:");
    let guard = one.mutex("tenant").acquire_blocking().unwrap();
    assert_grants_at_once(&with_prefix(&server, "two:"));
    assert!(traces(&server).contains(&"one:{tenant}".to_owned()));
    drop(guard);
}

#[test]
fn locks_of_different_databases_are_independent() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("tenant").acquire_blocking().unwrap();
    assert_grants_at_once(&LockManager::connect(&format!("{}7", server.url())).unwrap());
    drop(guard);
}

#[test]
fn a_replica_that_is_promoted_before_it_ever_held_a_lock_grants_at_once() {
    let (primary, replica) = (server(), server());
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let refused = connect(&replica).mutex("tenant").wait(SOON).acquire_blocking();
    assert!(matches!(refused, Err(LockError::Unavailable(_))), "{refused:?}");
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    assert_grants_at_once(&connect(&replica));
}

#[test]
fn a_new_process_after_a_flush_waits_for_earlier_holds() {
    let ttl = Duration::from_millis(800);
    let server = server();
    let builder = || LockManager::builder().url(server.url()).ttl(ttl);
    let before = builder().build().unwrap();
    let guard = before.mutex("tenant").renew(false).acquire_blocking().unwrap();
    server.command(&["FLUSHALL"]);
    let newcomer = builder().build().unwrap();
    let busy = newcomer.mutex("tenant").try_acquire_blocking();
    assert!(matches!(busy, Err(LockError::DataLoss { .. })), "{busy:?}");
    let start = Instant::now();
    // Pushed grants of before may be valid for longer than this ttl, and are waited out too.
    let next = newcomer.mutex("tenant").wait(LIMIT).acquire_blocking().unwrap();
    assert!(!guard.hold().is_valid(), "granted after {:?}", start.elapsed());
    assert!(next.fence() > guard.fence());
}

#[test]
fn a_manager_can_disable_the_grace_period() {
    let server = server();
    let builder = || LockManager::builder().url(server.url()).data_loss_grace(false);
    let before = builder().build().unwrap();
    let fence = before.mutex("tenant").acquire_blocking().unwrap().fence();
    server.command(&["FLUSHALL"]);
    let guard = before.mutex("tenant").wait(SOON).acquire_blocking().unwrap();
    assert!(guard.fence() > fence);
}
