//! Releasing a lock in place of its holder.

use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager};
use testkit::eventually;

use crate::support::{LIMIT, connect, inspect, server, until_waiting};

/// Renewed after so long that only a message can tell of a loss.
const LONG: Duration = Duration::from_secs(7_200);

#[test]
fn the_holder_is_notified_and_the_next_waiter_has_the_lock() {
    let server = server();
    for url in [server.url(), "memory://stuck".to_owned()] {
        let [holder, waiter, operator] = [(); 3].map(|()| LockManager::connect(&url).unwrap());
        let stuck = holder.mutex("stuck").ttl(LONG).acquire_blocking().unwrap();
        thread::scope(|scope| {
            let next = scope.spawn(|| waiter.mutex("stuck").wait(LIMIT).acquire_blocking());
            until_waiting(&operator, "stuck", 1);
            let token = inspect(&operator, "stuck").holder.unwrap().fence;
            assert_eq!(token, stuck.fence());
            assert!(operator.force_release_blocking("stuck", token).unwrap());
            let next = next.join().unwrap().unwrap();
            assert!(next.fence() > token);
            eventually(LIMIT, "the holder knows", || !stuck.hold().is_valid());
            assert!(!operator.force_release_blocking("stuck", token).unwrap(), "an old token");
            assert!(next.hold().is_valid());
        });
        let error = stuck.release_blocking().unwrap_err();
        assert!(matches!(error, LockError::Lost(_)), "{error:?}");
        assert!(error.to_string().contains("an operator released it"), "{error}");
        let again = holder.mutex("stuck").wait(LIMIT).acquire_blocking();
        again.expect("as any other process").release_blocking().unwrap();
    }
}

#[test]
fn another_token_or_a_free_key_changes_nothing() {
    let server = server();
    let (locks, operator) = (connect(&server), connect(&server));
    let guard = locks.mutex("key").acquire_blocking().unwrap();
    let other = locks.mutex("other").acquire_blocking().unwrap();
    assert!(!operator.force_release_blocking("key", other.fence()).unwrap());
    assert!(!operator.force_release_blocking("free", guard.fence()).unwrap());
    assert!(guard.hold().renew_blocking().is_ok());
    guard.release_blocking().unwrap();
    let released = operator.force_release_blocking("key", other.fence()).unwrap();
    assert!(!released);
}

/// The server shows the first token of a block that its process hands on between its own calls.
#[test]
fn a_token_of_a_later_call_that_shares_the_hold_counts() {
    let server = server();
    let (locks, operator) = (connect(&server), connect(&server));
    let first = locks.mutex("hot").ttl(LONG).acquire_blocking().unwrap();
    thread::scope(|scope| {
        let next = scope.spawn(|| locks.mutex("hot").ttl(LONG).wait(LIMIT).acquire_blocking());
        until_waiting(&locks, "hot", 1);
        let token = first.fence();
        first.release_blocking().unwrap();
        let next = next.join().unwrap().unwrap();
        assert!(next.fence() > token);
        assert!(operator.force_release_blocking("hot", next.fence()).unwrap());
        eventually(LIMIT, "the holder knows", || !next.hold().is_valid());
    });
}

#[test]
fn a_key_that_min_hold_keeps_taken_is_free() {
    let server = server();
    let (locks, operator) = (connect(&server), connect(&server));
    locks.mutex("tick").min_hold(LONG).acquire_blocking().unwrap().release_blocking().unwrap();
    let kept = inspect(&operator, "tick").holder.expect("it is kept");
    assert!(kept.kept);
    assert!(operator.force_release_blocking("tick", kept.fence).unwrap());
    assert!(locks.mutex("tick").try_acquire_blocking().unwrap().is_some());
}

#[test]
fn a_server_that_cannot_be_reached_is_an_error() {
    let locks = LockManager::builder()
        .url("redis://127.0.0.1:1/")
        .outage_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let token = LockManager::connect("memory://").unwrap();
    let token = token.mutex("key").acquire_blocking().unwrap().fence();
    let error = locks.force_release_blocking("key", token).unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
}
