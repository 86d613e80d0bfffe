//! Grants that count only once replicas have them: `replicas` and `confirm`.

use std::num::NonZeroU8;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use distlock::{AfterFailover, LockError, LockManager, LockRequest, Replicas};
use redis::Value;
use testkit::{RedisServer, Replicated, eventually, eventually_async};

use crate::support::{LIMIT, server, until_free, until_waiting};

/// How long a grant waits for replicas that are gone.
const SHORT: Duration = Duration::from_millis(300);

fn connect(url: &str) -> LockManager {
    LockManager::builder().url(url).confirm(SHORT).build().unwrap()
}

fn text(server: &RedisServer, command: &[&str]) -> String {
    match server.command(command) {
        Value::BulkString(text) => String::from_utf8(text).unwrap(),
        Value::VerbatimString { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

/// How often clients have called a command.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let info = text(server, &["INFO", "commandstats"]);
    let line =
        info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

/// Whether this server has the hold of the key.
fn has(server: &RedisServer, key: &str) -> bool {
    server.command(&["EXISTS", &format!("lock:{{{key}}}")]) == Value::Int(1)
}

/// Opens the connection, however busy the machine is.
fn warm(request: &LockRequest) {
    request
        .clone()
        .wait(LIMIT)
        .confirm(LIMIT)
        .acquire_blocking()
        .unwrap()
        .release_blocking()
        .unwrap();
}

#[track_caller]
fn unconfirmed(request: &LockRequest) -> String {
    match request.acquire_blocking() {
        Err(error @ LockError::Unavailable(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_grant_is_on_as_many_replicas_as_were_asked_for() {
    let all = Replicated::start(2).unwrap();
    let locks = LockManager::connect(&all.url()).unwrap();
    for (key, replicas) in [("one", 1.into()), ("two", 2.into()), ("all", Replicas::All)] {
        let guard = locks.mutex(key).replicas(replicas).acquire_blocking().unwrap();
        let have = all.replicas().filter(|replica| has(replica, key)).count();
        assert!(have >= if key == "one" { 1 } else { 2 }, "{key}: {have}");
        guard.release_blocking().unwrap();
        until_free(&locks, key);
    }
}

#[test]
fn without_replicas_nobody_waits_for_them_and_there_is_one_connection() {
    let server = server();
    let locks = LockManager::builder().url(server.url()).client_name("one").build().unwrap();
    let request = locks.mutex("key");
    request.acquire_blocking().unwrap().release_blocking().unwrap();
    request.replicas(0).acquire_blocking().unwrap().release_blocking().unwrap();
    assert_eq!(calls(&server, "wait"), 0);
    assert_eq!(text(&server, &["CLIENT", "LIST"]).matches("name=one").count(), 1);
}

#[test]
fn a_server_without_replicas_confirms_nothing_and_keeps_nothing() {
    let server = server();
    let locks = connect(&server.url());
    for replicas in [Replicas::All, 1.into(), 2.into()] {
        let request = locks.mutex("key").replicas(replicas);
        let begun = Instant::now();
        let error = unconfirmed(&request);
        assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
        let required = if replicas == 2.into() { "2 replicas" } else { "1 replica" };
        let expected = format!("0 of {required} confirmed within ");
        assert!(error.contains(&expected), "{error}");
        until_free(&locks, "key");
    }
    // It is usable by others at once.
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn one_frozen_replica_of_two_is_too_few_for_all_and_enough_for_one() {
    let all = Replicated::start(2).unwrap();
    let locks = connect(&all.url());
    let request = |replicas: Replicas| locks.mutex("key").replicas(replicas);
    warm(&request(Replicas::All));
    let frozen = all.replicas().next().unwrap();
    frozen.pause();
    for replicas in [Replicas::All, Replicas::from(2)] {
        let error = unconfirmed(&request(replicas));
        assert!(error.contains("1 of 2 replicas confirmed within 300ms; "), "{error}");
        until_free(&locks, "key");
    }
    warm(&request(1.into()));
    frozen.resume();
    warm(&request(Replicas::All));
}

#[test]
fn a_call_waits_for_its_replicas_no_longer_than_for_the_lock() {
    let all = Replicated::start(1).unwrap();
    let locks = connect(&all.url());
    let request = locks.mutex("key").replicas(1);
    warm(&request);
    all.replicas().next().unwrap().pause();
    let begun = Instant::now();
    let error = unconfirmed(&request.wait(SHORT).confirm(LIMIT));
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    assert!(error.contains("confirmed within"), "{error}");
    until_free(&locks, "key");
    all.replicas().next().unwrap().resume();
}

#[test]
fn a_replica_that_returns_confirms_the_grant_that_waits_for_it() {
    let all = Replicated::start(1).unwrap();
    let locks = LockManager::builder().url(all.url()).confirm(LIMIT).build().unwrap();
    let replica = all.replicas().next().unwrap();
    locks.mutex("key").replicas(1).acquire_blocking().unwrap().release_blocking().unwrap();
    replica.pause();
    let granted = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = locks.mutex("key").replicas(1).acquire_blocking().unwrap();
            granted.store(true, Ordering::SeqCst);
            guard.release_blocking().unwrap();
        });
        eventually(LIMIT, "the server has granted it", || has(all.primary(), "key"));
        assert!(!granted.load(Ordering::SeqCst));
        replica.resume();
    });
    assert!(granted.load(Ordering::SeqCst));
}

#[test]
fn a_release_works_and_a_hold_stays_valid_while_its_replica_is_gone() {
    let all = Replicated::start(1).unwrap();
    let ttl = Duration::from_secs(3);
    let locks = LockManager::builder().url(all.url()).ttl(ttl).confirm(SHORT).build().unwrap();
    let taken = |key| locks.mutex(key).replicas(1).confirm(LIMIT).acquire_blocking().unwrap();
    let (held, released) = (taken("held"), taken("released"));
    all.replicas().next().unwrap().pause();
    let paused = Instant::now();
    assert!(held.hold().is_valid());
    released.release_blocking().unwrap();
    until_free(&locks, "released");
    // No renewal is confirmed, so it ends for its owner when its ttl has.
    eventually(LIMIT, "it is lost", || !held.hold().is_valid());
    assert!(paused.elapsed() <= ttl + ttl, "{:?}", paused.elapsed());
    let error = held.release_blocking().unwrap_err();
    assert!(error.to_string().contains("0 of 1 replica confirmed the renewal"), "{error}");
    all.replicas().next().unwrap().resume();
}

#[test]
fn a_hold_outlives_its_ttl_while_its_renewals_are_confirmed() {
    let all = Replicated::start(1).unwrap();
    let ttl = Duration::from_secs(3);
    let locks = LockManager::builder().url(all.url()).ttl(ttl).replicas(1).build().unwrap();
    let held = locks.mutex("key").confirm(LIMIT).acquire_blocking().unwrap();
    let waits = calls(all.primary(), "wait");
    eventually(LIMIT, "it was renewed for longer than its ttl", || {
        !held.hold().is_valid() || calls(all.primary(), "wait") >= waits + 4
    });
    held.hold().check().unwrap();
    held.release_blocking().unwrap();
}

#[test]
fn a_lock_that_is_handed_over_is_confirmed_before_the_next_caller_has_it() {
    let all = Replicated::start(1).unwrap();
    let managers = [connect(&all.url()), connect(&all.url())];
    let [first, second] = managers.each_ref().map(|locks| locks.mutex("key").replicas(1));
    let held = first.clone().confirm(LIMIT).acquire_blocking().unwrap();
    let replica = all.replicas().next().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| unconfirmed(&second.clone().wait(LIMIT)));
        until_waiting(&managers[0], "key", 1);
        replica.pause();
        held.release_blocking().unwrap();
        let error = waiter.join().unwrap();
        assert!(error.contains("0 of 1 replica confirmed within"), "{error}");
    });
    until_free(&managers[0], "key");
    replica.resume();
    // With its replica the same hand-over takes no more than moments.
    let held = first.clone().confirm(LIMIT).acquire_blocking().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| second.clone().confirm(LIMIT).wait(LIMIT).acquire_blocking());
        until_waiting(&managers[0], "key", 1);
        held.release_blocking().unwrap();
        let guard = waiter.join().unwrap().unwrap();
        assert!(all.replicas().all(|replica| has(replica, "key")));
        guard.release_blocking().unwrap();
    });
}

#[test]
fn tasks_share_their_confirmations() {
    let all = Replicated::start(1).unwrap();
    let locks = LockManager::builder().url(all.url()).replicas(1).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        locks.mutex("warm").acquire().await.unwrap().release().await.unwrap();
        let waits = async || {
            let before = calls(all.primary(), "wait");
            let pairs = async |request: LockRequest| {
                for _ in 0..20 {
                    let guard = request.acquire().await.unwrap();
                    guard.release().await.unwrap();
                }
            };
            let tasks = (0..64).map(|number| locks.mutex(format!("key:{number}")));
            let tasks: Vec<_> = tasks.map(|request| tokio::spawn(pairs(request))).collect();
            for task in tasks {
                task.await.unwrap();
            }
            calls(all.primary(), "wait") - before
        };
        // The first task does not stay ahead of the others, which would double the number. While
        // other programs run, a part of the tasks may be late.
        eventually_async(LIMIT, "20 x 64 grants need some 20 answers of replicas", async || {
            (20..30).contains(&waits().await)
        })
        .await;
    });
}

#[test]
fn a_call_that_is_cancelled_while_its_grant_is_confirmed_leaves_nothing() {
    let all = Replicated::start(1).unwrap();
    let locks = LockManager::builder().url(all.url()).confirm(LIMIT).build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    locks.mutex("key").replicas(1).acquire_blocking().unwrap().release_blocking().unwrap();
    all.replicas().next().unwrap().pause();
    let request = locks.mutex("key").replicas(1);
    let call = runtime.spawn(async move { request.acquire().await.map(drop) });
    eventually(LIMIT, "the server has granted it", || has(all.primary(), "key"));
    call.abort();
    assert!(runtime.block_on(call).unwrap_err().is_cancelled());
    all.replicas().next().unwrap().resume();
    until_free(&locks, "key");
}

#[test]
fn several_keys_are_confirmed_together_and_none_is_left() {
    let all = Replicated::start(1).unwrap();
    let locks = connect(&all.url());
    let keys = ["a", "b", "c"];
    let request = locks.mutex_many(keys).replicas(1);
    let guard = request.clone().confirm(LIMIT).acquire_blocking().unwrap();
    assert!(keys.iter().all(|key| all.replicas().all(|replica| has(replica, key))));
    guard.release_blocking().unwrap();
    all.replicas().next().unwrap().pause();
    unconfirmed(&request);
    for key in keys {
        until_free(&locks, key);
    }
    all.replicas().next().unwrap().resume();
}

#[test]
fn a_call_for_several_keys_waits_for_its_replicas_once() {
    let all = Replicated::start(1).unwrap();
    let confirm = Duration::from_secs(2);
    let locks = LockManager::builder().url(all.url()).confirm(confirm).build().unwrap();
    let request = locks.mutex_many(["a", "b", "c"]).replicas(1).wait(LIMIT);
    warm(&request);
    let replica = all.replicas().next().unwrap();
    replica.pause();
    // The server answers the second call soon, which asks again until its time is over.
    for call in ["first", "second"] {
        let begun = Instant::now();
        let error = unconfirmed(&request);
        let took = begun.elapsed();
        assert!(took >= confirm && took < 2 * confirm, "the {call} call: {took:?}");
        assert!(error.contains("0 of 1 replica confirmed within 2s; "), "{error}");
        for key in ["a", "b", "c"] {
            until_free(&locks, key);
        }
    }
    thread::scope(|scope| {
        let late = request.confirm(LIMIT);
        let call = scope.spawn(move || late.acquire_blocking().unwrap().release_blocking());
        eventually(LIMIT, "the server has granted them", || has(all.primary(), "c"));
        replica.resume();
        call.join().unwrap().unwrap();
    });
}

#[test]
fn tokens_rise_from_a_call_without_replicas_to_one_with_them_although_the_server_loses_its_data() {
    let all = Replicated::start(1).unwrap();
    let ttl = Duration::from_secs(1);
    let locks = LockManager::builder().url(all.url()).ttl(ttl).confirm(LIMIT).build().unwrap();
    let confirmed = locks.mutex("key").replicas(1).wait(LIMIT);
    warm(&confirmed);
    // As if the clock of the server had been ahead until now.
    let Value::Array(marks) = all.primary().command(&["HKEYS", "lock:tokens"]) else {
        panic!("no tokens")
    };
    let [Value::BulkString(mark)] = &marks[..] else { panic!("{marks:?}") };
    let (mark, hour) = (std::str::from_utf8(mark).unwrap(), "3600000000");
    all.primary().command(&["HINCRBY", "lock:tokens", mark, hour]);
    let guard = locks.mutex("key").acquire_blocking().unwrap();
    let seen = guard.fence();
    guard.release_blocking().unwrap();
    all.primary().command(&["FLUSHALL"]);
    let guard = confirmed.acquire_blocking().unwrap();
    assert!(guard.fence() > seen, "{} after {seen}", guard.fence());
    guard.release_blocking().unwrap();
}

#[test]
fn a_nested_call_is_never_confirmed_by_fewer_than_it_asks_for() {
    let server = server();
    let locks = connect(&server.url());
    // Another key: the hold around it does not matter.
    let outer = locks.mutex("outer").acquire_blocking().unwrap();
    outer.enter(|| {
        let error = unconfirmed(&locks.mutex("inner").replicas(1));
        assert!(error.contains("0 of 1 replica"), "{error}");
        let error = locks.mutex("outer").replicas(1).acquire_blocking().unwrap_err();
        assert!(matches!(error, LockError::Config(_)), "{error}");
        assert!(error.to_string().contains("fewer replicas confirm"), "{error}");
        drop(locks.mutex("outer").acquire_blocking().unwrap());
    });
    let memory = LockManager::connect("memory://nested:replicas").unwrap();
    let two = Replicas::Count(NonZeroU8::new(2).unwrap());
    let outer = memory.mutex("key").replicas(two).acquire_blocking().unwrap();
    outer.enter(|| {
        for replicas in [Replicas::None, 1.into(), two] {
            drop(memory.mutex("key").replicas(replicas).acquire_blocking().unwrap());
        }
        for replicas in [Replicas::from(3), Replicas::All] {
            memory.mutex("key").replicas(replicas).acquire_blocking().unwrap_err();
        }
    });
}

#[test]
fn calls_that_ask_for_different_replicas_exclude_each_other() {
    let all = Replicated::start(1).unwrap();
    let locks = connect(&all.url());
    let kinds = [Replicas::None, 1.into(), Replicas::All];
    for first in kinds {
        let request = locks.mutex("key").replicas(first).confirm(LIMIT);
        let held = request.acquire_blocking().unwrap();
        for second in kinds {
            let busy = locks.mutex("key").replicas(second).try_acquire_blocking().unwrap();
            assert!(busy.is_none(), "{first:?} {second:?}");
        }
        thread::scope(|scope| {
            for second in kinds {
                let next = locks.mutex("key").replicas(second).confirm(LIMIT);
                scope.spawn(move || next.acquire_blocking().unwrap().release_blocking().unwrap());
            }
            until_waiting(&locks, "key", 3);
            held.release_blocking().unwrap();
        });
        until_free(&locks, "key");
    }
}

#[test]
fn a_server_that_has_no_wait_is_a_mistake_in_the_configuration() {
    let server = server();
    server.command(&["ACL", "SETUSER", "default", "-wait"]);
    let locks = connect(&server.url());
    let error = locks.mutex("key").replicas(1).acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("it does not run WAIT"), "{error}");
    locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
}

/// Whether a primary that was frozen, and replaced meanwhile, gives out a lock that another process
/// has, when it goes on.
fn grants_twice(replicas: u8) -> bool {
    let servers = Replicated::start(1).unwrap();
    let builder = || LockManager::builder().after_failover(AfterFailover::AtOnce).confirm(SHORT);
    let locks = builder().url(servers.url()).build().unwrap();
    let request = locks.mutex("key").replicas(replicas).wait(2 * SHORT);
    warm(&request);
    let (address, old) = (servers.address(), servers.primary());
    let sent = address.commands("EVALSHA");
    old.pause();
    thread::scope(|scope| {
        let call = scope.spawn(|| request.acquire_blocking());
        eventually(LIMIT, "it was asked", || address.commands("EVALSHA") > sent);
        servers.promote();
        let other = builder().url(servers.primary().url()).build().unwrap();
        let held = other.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
        old.resume();
        let granted = call.join().unwrap();
        held.hold().check().unwrap();
        granted.is_ok()
    })
}

#[test]
fn a_primary_that_was_replaced_while_it_was_frozen_confirms_nothing() {
    let twice = |replicas| (0..3).filter(|_| grants_twice(replicas)).count();
    // How many depends on how long it was frozen.
    println!("without replicas: {} of 3 locks had two holders", twice(0));
    assert_eq!(twice(1), 0);
}

#[test]
fn a_confirmed_hold_outlives_the_promotion_of_its_replica() {
    let all = Replicated::start(1).unwrap();
    let builder = || LockManager::builder().after_failover(AfterFailover::AtOnce).confirm(LIMIT);
    let locks = builder().url(all.url()).build().unwrap();
    let held = locks.mutex("key").replicas(1).acquire_blocking().unwrap();
    let old = all.primary();
    all.promote();
    old.pause();
    // Without a chance to put it back.
    assert!(has(all.primary(), "key"));
    let other = builder().url(all.primary().url()).build().unwrap();
    assert!(other.mutex("key").try_acquire_blocking().unwrap().is_none());
    held.hold().check().unwrap();
    held.release_blocking().unwrap();
    other.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    old.resume();
}

#[test]
fn a_shutdown_ends_both_connections() {
    let all = Replicated::start(1).unwrap();
    let locks = connect(&all.url());
    let held = locks.mutex("key").replicas(1).confirm(LIMIT).acquire_blocking().unwrap();
    locks.shutdown_blocking();
    assert!(!held.hold().is_valid());
    assert!(!has(all.primary(), "key"));
    for replicas in [1.into(), Replicas::All] {
        let error = locks.mutex("key").replicas(replicas).acquire_blocking().unwrap_err();
        assert!(matches!(error, LockError::Closed(_)), "{error:?}");
    }
}
