//! Holds shorter than the poll interval of a waiter, and the requests that follow them.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use distlock::LockManager;
use testkit::{FaultProxy, eventually};

use crate::support::{LIMIT, connect, inspect, server, until_waiting};

const TTL: Duration = Duration::from_millis(300);
/// What a machine with other work adds. A claim of two seconds, or a look after 600 ms on top of a
/// ttl, is more.
const SLACK: Duration = Duration::from_millis(250);
const ROUNDS: u32 = 3;

#[test]
fn a_process_that_dies_right_after_its_grant_is_followed_after_its_ttl() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let mut shortest = Duration::MAX;
    for _ in 0..ROUNDS {
        let proxy = FaultProxy::start(&server).unwrap();
        let dying = LockManager::connect(&proxy.url()).unwrap();
        let held = locks.mutex("short").acquire_blocking().unwrap();
        thread::scope(|scope| {
            let wait = Duration::from_secs(4);
            scope.spawn(move || {
                dying.mutex("short").ttl(TTL).wait(wait).acquire_blocking().map(drop)
            });
            until_waiting(&locks, "short", 1);
            let follower = scope.spawn(|| {
                let guard = others.mutex("short").wait(LIMIT).acquire_blocking().unwrap();
                let had = Instant::now();
                guard.release_blocking().unwrap();
                had
            });
            until_waiting(&locks, "short", 2);
            proxy.black_hole(true);
            let released = Instant::now();
            held.release_blocking().unwrap();
            let took = follower.join().unwrap().duration_since(released);
            println!("followed after {took:?}");
            assert!(took >= TTL, "{took:?}");
            shortest = shortest.min(took);
        });
    }
    assert!(shortest < TTL + SLACK, "{shortest:?}");
}

#[test]
fn short_holds_that_are_not_released_follow_one_another() {
    let ttl = Duration::from_millis(500);
    let server = server();
    let looking = connect(&server);
    let begun = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..8 {
            let (locks, begun) = (connect(&server), &begun);
            scope.spawn(move || {
                let request = locks.mutex("short").ttl(ttl).renew(false).wait(LIMIT);
                let guard = request.acquire_blocking().unwrap();
                begun.lock().unwrap().push(Instant::now());
                std::mem::forget(guard);
            });
            eventually(LIMIT, "it holds or waits", || {
                let seen = inspect(&looking, "short");
                seen.waiting + u64::try_from(begun.lock().unwrap().len()).unwrap() > number
            });
        }
    });
    let begun = begun.into_inner().unwrap();
    let gaps: Vec<_> = begun.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("{gaps:?}");
    assert_eq!(gaps.len(), 7);
    assert!(gaps.iter().all(|gap| *gap < ttl + SLACK * 2), "{gaps:?}");
    let soon = gaps.iter().filter(|gap| **gap < ttl + SLACK / 2).count();
    assert!(soon >= 5, "most follow at once: {gaps:?}");
}

#[test]
fn a_nested_call_with_a_longer_ttl_lengthens_a_hold_without_renewals() {
    let server = server();
    let locks = connect(&server);
    let guard = locks
        .mutex("short")
        .ttl(Duration::from_millis(600))
        .renew(false)
        .acquire_blocking()
        .unwrap();
    let longer = Duration::from_secs(20);
    guard.enter(|| {
        locks.mutex("short").ttl(longer).acquire_blocking().unwrap().release_blocking().unwrap();
    });
    eventually(LIMIT, "it lasts longer", || guard.hold().remaining() > longer / 2);
    guard.release_blocking().unwrap();
}
