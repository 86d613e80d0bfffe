//! The primary becomes a replica, or refuses to write, while its address stays or moves.

use std::time::{Duration, Instant};

use distlock::{LockError, LockManager};
use testkit::{FaultProxy, RedisServer, eventually};

use crate::support::{LIMIT, connect, server};

const OUTAGE: Duration = Duration::from_secs(1);

fn follow(replica: &RedisServer, primary: &RedisServer) {
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
}

/// A primary, its replica, and the address of the primary, which can be led to the other.
fn pair() -> (RedisServer, RedisServer, FaultProxy) {
    let (one, two) = (server(), server());
    follow(&two, &one);
    let address = FaultProxy::start(&one).unwrap();
    (one, two, address)
}

/// What a failover does, once the replica has all data.
fn fail_over(one: &RedisServer, two: &RedisServer) {
    let keys = || (one.command(&["DBSIZE"]), two.command(&["DBSIZE"]));
    eventually(LIMIT, "the replica has the data", || keys().0 == keys().1);
    two.command(&["REPLICAOF", "NO", "ONE"]);
    follow(one, two);
}

#[test]
fn a_name_that_moves_to_the_new_primary_is_followed() {
    let (one, two, address) = pair();
    let locks = LockManager::connect(&address.url()).unwrap();
    locks.lock("key").acquire().unwrap().release().unwrap();
    fail_over(&one, &two);
    address.lead_to(&two);
    // Nobody closes the connection to the old primary.
    let guard = locks.lock("key").wait(LIMIT).acquire().unwrap();
    guard.release().unwrap();
}

#[test]
fn a_hold_outlives_a_failover_that_keeps_the_data() {
    let (one, two, address) = pair();
    let locks =
        LockManager::builder().url(address.url()).ttl(Duration::from_secs(3)).build().unwrap();
    let held = locks.lock("key").acquire().unwrap();
    fail_over(&one, &two);
    address.lead_to(&two);
    // Longer than its ttl: renewals reach the new primary.
    std::thread::sleep(Duration::from_secs(4));
    held.hold().check().unwrap();
    held.release().unwrap();
}

#[test]
fn a_call_that_waits_outlasts_a_connect_to_the_old_primary() {
    let (one, two, address) = pair();
    fail_over(&one, &two);
    let locks = LockManager::connect(&address.url()).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| locks.lock("key").wait(LIMIT).acquire().map(drop));
        eventually(LIMIT, "it has met the replica", || address.commands("INFO") > 0);
        address.lead_to(&two);
        call.join().unwrap().unwrap();
    });
}

#[test]
fn a_replica_that_stays_one_is_refused_after_the_outage() {
    let (one, two, address) = pair();
    let locks = LockManager::builder().url(address.url()).outage(OUTAGE).build().unwrap();
    locks.lock("key").acquire().unwrap().release().unwrap();
    fail_over(&one, &two);
    let start = Instant::now();
    let error = locks.lock("key").acquire().unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("primary"), "{error}");
    assert!(start.elapsed() >= OUTAGE, "{error} after {:?}", start.elapsed());
}

#[test]
fn a_primary_whose_replica_restarts_is_waited_for() {
    let server = RedisServer::builder().start().unwrap();
    let locks = connect(&server);
    locks.lock("key").acquire().unwrap().release().unwrap();
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| locks.lock("key").acquire().map(drop));
        eventually(LIMIT, "it was refused", || {
            let redis::Value::BulkString(stats) = server.command(&["INFO", "errorstats"]) else {
                panic!("INFO is a text");
            };
            String::from_utf8(stats).unwrap().contains("NOREPLICAS")
        });
        server.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
        call.join().unwrap().unwrap();
    });
}

#[test]
fn a_server_that_takes_no_writes_is_refused_in_its_words_when_the_wait_is_over() {
    let server = server();
    let locks = connect(&server);
    locks.lock("key").acquire().unwrap().release().unwrap();
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let wait = Duration::from_millis(500);
    for error in [
        locks.lock("key").wait(wait).acquire().unwrap_err(),
        locks.lock("another").try_acquire().unwrap_err(),
    ] {
        assert!(matches!(error, LockError::Refused(_)), "{error:?}");
        assert!(error.to_string().contains("NOREPLICAS"), "{error}");
    }
}
