//! Listing all locks.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use distlock::{Inspection, LockError, LockList, LockManager};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, server, until_waiting};

/// All that a list returns. No key comes twice.
fn listed(mut list: LockList) -> BTreeMap<String, Inspection> {
    let mut all = BTreeMap::new();
    while let Some((key, found)) = list.next_blocking().expect("the server answers") {
        assert!(found.holder.is_some(), "{key} is not held: {found:?}");
        assert!(all.insert(key.clone(), found).is_none(), "{key} comes twice");
    }
    assert!(list.next_blocking().unwrap().is_none(), "it has ended");
    all
}

fn with_prefix(server: &RedisServer, prefix: &str) -> LockManager {
    LockManager::builder().url(server.url()).prefix(prefix).build().unwrap()
}

/// Adds what the list still returns. During a failover there may be errors.
pub(super) fn drain(list: &mut LockList, seen: &mut BTreeSet<String>) {
    eventually(LIMIT, "the list ends", || {
        loop {
            match list.next_blocking() {
                Ok(Some((key, _))) => assert!(seen.insert(key.clone()), "{key} comes twice"),
                Ok(None) => return true,
                Err(LockError::Unavailable(_)) => return false,
                Err(error) => panic!("{error:?}"),
            }
        }
    });
}

#[test]
fn all_locks_under_the_prefix_are_listed_and_nothing_else() {
    let server = server();
    let (locks, others) = (connect(&server), with_prefix(&server, "lock:other:"));
    let odd = ["", "}x", "a{b}c", "{}b", "größe"];
    let keys: BTreeSet<_> =
        (0..995).map(|number| format!("key:{number}")).chain(odd.map(str::to_owned)).collect();
    let held = locks.mutex_many(keys.iter().cloned()).acquire_blocking().unwrap();
    let elsewhere = others.mutex("elsewhere").acquire_blocking().unwrap();
    for number in 0..2_000 {
        server.command(&["SET", &format!("lock:noise:{number}"), "1"]);
    }
    server.command(&["SET", "lock:{foreign}", "1"]);
    server.command(&["SADD", "lock:{set}", "1"]);
    server.command(&["SET", "lock:{expires}", "1", "PX", "60000"]);
    let seen = listed(locks.list());
    assert!(seen.keys().eq(&keys), "{} of {} keys", seen.len(), keys.len());
    let holders = seen.values().filter_map(|found| found.holder.as_ref());
    let fences: BTreeSet<_> = holders.map(|holder| holder.fence.get()).collect();
    assert_eq!(fences.len(), keys.len(), "each has its own token");
    assert!(listed(others.list()).keys().eq(["elsewhere"]));
    assert!(listed(with_prefix(&server, "lo?k:").list()).is_empty());
    held.release_blocking().unwrap();
    elsewhere.release_blocking().unwrap();
    assert!(listed(locks.list()).is_empty());
}

#[test]
fn a_lock_is_listed_as_an_inspection_shows_it() {
    let server = server();
    for url in [server.url(), "memory://listed".to_owned()] {
        let locks = LockManager::connect(&url).unwrap();
        let others = LockManager::connect(&url).unwrap();
        let kept = locks.mutex("kept").min_hold(LIMIT).acquire_blocking().unwrap();
        kept.release_blocking().unwrap();
        let held = locks.mutex("held").label("report").acquire_blocking().unwrap();
        thread::scope(|scope| {
            let waiter =
                scope.spawn(|| others.mutex("held").wait(LIMIT).acquire_blocking().map(drop));
            until_waiting(&locks, "held", 1);
            let mut seen = listed(locks.list());
            let found = seen.remove("held").expect("it is held");
            let mut same = locks.inspect_blocking("held").unwrap();
            same.expires_in = found.expires_in;
            assert_eq!(found, same);
            let holder = seen.remove("kept").and_then(|found| found.holder).expect("it is kept");
            assert!(holder.kept && seen.is_empty(), "{seen:?}");
            held.release_blocking().unwrap();
            waiter.join().unwrap().unwrap();
        });
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_no_lock() {
    let server = server();
    let locks = connect(&server);
    let keys: BTreeSet<_> = (0..200).map(|number| format!("key:{number}")).collect();
    let held = locks.mutex_many(keys.iter().cloned()).acquire().await.unwrap();
    let mut list = locks.list();
    let mut seen = BTreeSet::new();
    for number in 0.. {
        // Time for some of the steps only.
        let limit = Duration::from_micros(number % 7 * 50);
        match tokio::time::timeout(limit, list.next()).await {
            Ok(Ok(Some((key, _)))) => assert!(seen.insert(key)),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => {}
        }
    }
    assert_eq!(seen, keys);
    held.release().await.unwrap();
}

#[tokio::test]
async fn a_list_is_sent_to_another_task() {
    let locks = LockManager::connect("memory://").unwrap();
    let held = locks.mutex("sent").acquire().await.unwrap();
    let mut list = locks.list();
    let first = tokio::spawn(async move { list.next().await }).await.unwrap().unwrap();
    assert_eq!(first.expect("there is one").0, "sent");
    drop(held);
}

#[test]
fn a_list_goes_on_after_a_restart_of_the_server() {
    let server = server();
    let locks = connect(&server);
    let held = locks.mutex("before").acquire_blocking().unwrap();
    let mut list = locks.list();
    assert_eq!(list.next_blocking().unwrap().expect("there is one").0, "before");
    server.kill();
    let mut fresh = locks.list();
    let error = fresh.next_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    assert_is_about_the_list(&error);
    server.restart().unwrap();
    testkit::eventually(LIMIT, "it goes on", || fresh.next_blocking().is_ok());
    drop(held);
}

#[test]
fn a_list_ends_with_its_manager() {
    let server = server();
    let locks = connect(&server);
    let mut list = locks.list();
    locks.shutdown_blocking();
    let error = list.next_blocking().unwrap_err();
    assert!(matches!(error, LockError::Closed(_)), "{error:?}");
    assert_is_about_the_list(&error);
}

#[track_caller]
fn assert_is_about_the_list(error: &LockError) {
    let text = error.to_string();
    assert!(text.starts_with("the locks with the prefix 'lock:' cannot be listed"), "{text}");
    assert_eq!(error.key(), None);
}
