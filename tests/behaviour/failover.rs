//! The primary becomes a replica while its address stays or moves.

use std::time::{Duration, Instant};

use distlock::{AfterFailover, LockError, LockManager, PauseReason};
use testkit::{FaultProxy, RedisServer, Replicated, eventually};

use crate::support::{LIMIT, alone, inspect, server, until_waiting};

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

/// Waits until the replica has as many keys as its primary.
fn until_copied(primary: &RedisServer, replica: &RedisServer) {
    eventually(LIMIT, "the replica has the data", || {
        primary.command(&["DBSIZE"]) == replica.command(&["DBSIZE"])
    });
}

/// What a failover does, once the replica has all data.
fn fail_over(one: &RedisServer, two: &RedisServer) {
    until_copied(one, two);
    two.command(&["REPLICAOF", "NO", "ONE"]);
    follow(one, two);
}

#[test]
fn a_name_that_moves_to_the_new_primary_is_followed() {
    let (one, two, address) = pair();
    let locks = LockManager::connect(&address.url()).unwrap();
    locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    fail_over(&one, &two);
    address.lead_to(&two);
    // The connection to the old primary stays open.
    let guard = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
    guard.release_blocking().unwrap();
}

#[test]
fn a_hold_outlives_a_failover_that_keeps_the_data() {
    let (one, two, address) = pair();
    let locks =
        LockManager::builder().url(address.url()).ttl(Duration::from_secs(3)).build().unwrap();
    let held = locks.mutex("key").acquire_blocking().unwrap();
    fail_over(&one, &two);
    address.lead_to(&two);
    // Longer than its ttl: renewals reach the new primary.
    std::thread::sleep(Duration::from_secs(4));
    held.hold().check().unwrap();
    held.release_blocking().unwrap();
}

#[test]
fn a_call_that_waits_outlasts_a_connect_to_the_old_primary() {
    let (one, two, address) = pair();
    fail_over(&one, &two);
    let locks = LockManager::connect(&address.url()).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| locks.mutex("key").wait(LIMIT).acquire_blocking().map(drop));
        eventually(LIMIT, "it has met the replica", || address.commands("INFO") > 0);
        address.lead_to(&two);
        call.join().unwrap().unwrap();
    });
}

#[test]
fn a_replica_that_stays_one_is_reported_after_the_outage() {
    let (one, two, address) = pair();
    let locks = LockManager::builder().url(address.url()).outage_timeout(OUTAGE).build().unwrap();
    locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    fail_over(&one, &two);
    let start = Instant::now();
    let error = locks.mutex("key").acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("primary"), "{error}");
    assert!(start.elapsed() >= OUTAGE, "{error} after {:?}", start.elapsed());
}

pub(crate) fn info(server: &RedisServer, section: &str) -> String {
    match server.command(&["INFO", section]) {
        redis::Value::BulkString(text) => String::from_utf8(text).unwrap(),
        redis::Value::VerbatimString { text, .. } => text,
        other => panic!("INFO is a text: {other:?}"),
    }
}

/// A primary whose replica has not heard of what comes next, and the address of the primary.
fn pair_with_lag(first: impl FnOnce(&LockManager)) -> (RedisServer, RedisServer, FaultProxy) {
    let (one, two, address) = pair();
    let locks = LockManager::connect(&address.url()).unwrap();
    eventually(LIMIT, "the replica follows", || info(&two, "replication").contains("status:up"));
    first(&locks);
    until_copied(&one, &two);
    two.command(&["REPLICAOF", "NO", "ONE"]);
    (one, two, address)
}

#[test]
fn a_hold_that_a_failover_loses_is_put_back_and_those_who_wait_get_higher_tokens() {
    let (_one, two, address) = pair_with_lag(|locks| {
        locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    });
    let locks = LockManager::connect(&address.url()).unwrap();
    let held = locks.mutex("key").acquire_blocking().unwrap();
    address.lead_to(&two);
    address.cut(testkit::Cut::Now);
    let other = LockManager::connect(&two.url()).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| other.mutex("key").acquire_blocking().unwrap().fence());
        eventually(LIMIT, "the new primary knows the hold", || {
            two.command(&["EXISTS", "lock:{key}"]) == redis::Value::Int(1)
        });
        held.hold().check().unwrap();
        let fence = held.fence();
        held.release_blocking().unwrap();
        assert!(waiter.join().unwrap() > fence);
    });
}

#[test]
fn an_inspection_shows_how_long_nothing_is_granted_and_by_which_primary() {
    let (one, two, address) = pair();
    let locks = LockManager::builder()
        .url(address.url())
        .after_failover(AfterFailover::Grace(Duration::from_secs(3)))
        .build()
        .unwrap();
    let replid = |server: &RedisServer| {
        let text = info(server, "replication");
        let id = text.lines().find_map(|line| line.strip_prefix("master_replid:")).unwrap();
        id[..8].to_owned()
    };
    locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    eventually(LIMIT, "the replica follows", || info(&two, "replication").contains("status:up"));
    fail_over(&one, &two);
    address.lead_to(&two);
    address.cut(testkit::Cut::Now);
    eventually(LIMIT, "it is connected again", || locks.inspect_blocking("key").is_ok());
    let mut seen = inspect(&locks, "key");
    assert_eq!(seen.primary.as_deref(), Some(&*replid(&two)));
    let pause = seen.pause.take().expect("the grace period has just begun");
    assert_eq!(pause.reason, PauseReason::Failover);
    assert!(pause.left <= Duration::from_secs(3), "{pause}");
    assert!(pause.to_string().starts_with("grants resume in "), "{pause}");
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    let seen = inspect(&locks, "key");
    assert_eq!((seen.primary, seen.pause), (Some(replid(&two)), None));
}

/// The address leads back to a primary that is still one, and does not know what its successor has
/// granted.
#[test]
fn an_old_primary_is_refused_once_its_successor_was_used() {
    let (one, two, address) = pair_with_lag(|locks| {
        locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    });
    let locks = LockManager::builder().url(address.url()).outage_timeout(OUTAGE).build().unwrap();
    let fence = || {
        let guard = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
        let fence = guard.fence();
        guard.release_blocking().unwrap();
        fence
    };
    let lead_to = |server| {
        address.lead_to(server);
        address.cut(testkit::Cut::Now);
    };
    let first = fence();
    lead_to(&two);
    let second = fence();
    assert!(second > first);
    lead_to(&one);
    let error = locks.mutex("key").acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("this is an old primary"), "{error}");
    let tokens = one.command(&["HGETALL", "lock:tokens"]);
    let tokens: Vec<(String, u64)> = redis::from_redis_value(tokens).unwrap();
    assert_eq!(tokens.len(), 1, "it was not told of a loss of data: {tokens:?}");
    assert!(tokens[0].1 < second.get(), "{tokens:?}");
    // With the data of its successor it is promoted as any other replica.
    follow(&one, &two);
    eventually(LIMIT, "it follows", || info(&one, "replication").contains("link_status:up"));
    one.command(&["REPLICAOF", "NO", "ONE"]);
    assert!(fence() > second);
}

#[test]
fn a_release_that_a_failover_loses_is_repeated() {
    let (one, two, address) = pair();
    let locks = LockManager::builder().url(address.url()).build().unwrap();
    eventually(LIMIT, "the replica follows", || info(&two, "replication").contains("status:up"));
    let held = locks.mutex("key").acquire_blocking().unwrap();
    until_copied(&one, &two);
    two.command(&["REPLICAOF", "NO", "ONE"]);
    held.release_blocking().unwrap();
    assert_eq!(two.command(&["EXISTS", "lock:{key}"]), redis::Value::Int(1));
    address.lead_to(&two);
    address.cut(testkit::Cut::Now);
    eventually(LIMIT, "it is free", || {
        two.command(&["EXISTS", "lock:{key}"]) == redis::Value::Int(0)
    });
}

/// A server that goes on after it stood still first executes what lies in its sockets.
#[test]
fn a_grant_of_a_primary_that_was_replaced_while_it_stood_still_is_not_shown() {
    let servers = Replicated::start(1).unwrap();
    let connect = |url| {
        LockManager::builder().url(url).after_failover(AfterFailover::AtOnce).build().unwrap()
    };
    let (address, old) = (servers.address(), servers.primary());
    let locks = connect(servers.url());
    locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    // A connection that is younger than 2 s has just found the primary.
    std::thread::sleep(Duration::from_millis(2_100));
    let sent = address.commands("EVALSHA");
    old.pause();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            let guard = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
            (guard.fence(), Instant::now())
        });
        eventually(LIMIT, "it was asked", || address.commands("EVALSHA") > sent);
        let asked = Instant::now();
        servers.promote();
        let other = connect(servers.primary().url());
        let held = other.mutex("key").acquire_blocking().unwrap();
        // Late, and before the connection is given up.
        std::thread::sleep(Duration::from_millis(700).saturating_sub(asked.elapsed()));
        old.resume();
        eventually(LIMIT, "the old primary grants the lock", || {
            old.command(&["EXISTS", "lock:{key}"]) == redis::Value::Int(1)
        });
        until_waiting(&other, "key", 1);
        let (fence, released) = (held.fence(), Instant::now());
        held.release_blocking().unwrap();
        let (next, granted) = call.join().unwrap();
        assert!(next > fence && granted > released);
    });
}

/// The server dies, and another one is the primary after a while.
#[test]
fn locks_are_granted_again_200_ms_after_the_grace_at_the_latest() {
    const GRACE: Duration = Duration::from_millis(500);
    let _alone = alone();
    let servers = Replicated::start(1).unwrap();
    let grace = AfterFailover::Grace(GRACE);
    let locks = LockManager::builder().url(servers.url()).after_failover(grace).build().unwrap();
    locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
    // Without the tokens it would be a loss of data.
    servers.replicas().for_each(|replica| until_copied(servers.primary(), replica));
    servers.primary().kill();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            let guard = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
            (Instant::now(), guard)
        });
        // Many attempts to connect fail before another one is the primary.
        std::thread::sleep(Duration::from_secs(3));
        servers.promote();
        let writes = Instant::now();
        let (granted, _guard) = call.join().unwrap();
        let took = granted - writes;
        assert!(took >= GRACE, "{took:?}");
        assert!(took <= GRACE + Duration::from_millis(200), "{took:?}");
    });
}
