//! The options of the attribute.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, server};

/// A server whose key `settings` another manager holds.
fn occupied() -> (RedisServer, LockManager, distlock::LockGuard) {
    let server = server();
    let guard = connect(&server).mutex("settings").acquire_blocking().unwrap();
    let locks = connect(&server);
    (server, locks, guard)
}

#[distributed_lock("settings", manager = locks, if_busy = skip, on_error = panic)]
fn skip_unit(locks: &LockManager, runs: &mut u32) {
    *runs += 1;
}

#[distributed_lock("settings", manager = locks, if_busy = skip, on_error = panic)]
fn skip_option(locks: &LockManager) -> Option<u32> {
    Some(7)
}

#[distributed_lock("settings", manager = locks, if_busy = skip)]
fn skip_result(locks: &LockManager) -> Result<Option<u32>, LockError> {
    Ok(Some(7))
}

#[distributed_lock("settings", manager = locks, if_busy = skip)]
async fn skip_async(locks: &LockManager, runs: &mut u32) -> Result<(), LockError> {
    *runs += 1;
    Ok(())
}

#[tokio::test]
async fn if_busy_skip_skips_the_body_of_a_busy_lock() {
    let (_server, locks, guard) = occupied();
    let (start, mut runs) = (Instant::now(), 0);
    skip_unit(&locks, &mut runs);
    assert_eq!(skip_option(&locks), None);
    assert_eq!(skip_result(&locks).unwrap(), None);
    skip_async(&locks, &mut runs).await.unwrap();
    assert_eq!(runs, 0);
    assert!(start.elapsed() < LIMIT / 4, "nobody waits: {:?}", start.elapsed());
    guard.release_blocking().unwrap();
    let next = locks.mutex("settings").wait(LIMIT).acquire().await.unwrap();
    next.release_blocking().unwrap();
    skip_unit(&locks, &mut runs);
    assert_eq!(skip_option(&locks), Some(7));
    assert_eq!(skip_result(&locks).unwrap(), Some(7));
    skip_async(&locks, &mut runs).await.unwrap();
    assert_eq!(runs, 2);
}

#[distributed_lock("settings", manager = locks, if_busy = skip, wait = "300ms")]
fn skip_later(locks: &LockManager) -> Result<Option<u32>, LockError> {
    Ok(Some(7))
}

#[test]
fn a_skip_may_be_waited_for() {
    let (_server, locks, guard) = occupied();
    let start = Instant::now();
    assert_eq!(skip_later(&locks).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(300));
    drop(guard);
}

#[distributed_lock("settings", manager = locks, wait = "0s", on_error = |err| err.to_string())]
fn handled(locks: &LockManager) -> String {
    "ran".to_owned()
}

#[distributed_lock("settings", manager = locks, wait = "0s", on_error = |err| err.to_string())]
async fn handled_async(locks: &LockManager) -> String {
    "ran".to_owned()
}

#[tokio::test]
async fn a_closure_makes_a_value_of_the_error() {
    let (_server, locks, guard) = occupied();
    assert!(handled(&locks).contains("'settings' is busy"));
    assert!(handled_async(&locks).await.contains("'settings' is busy"));
    guard.enter(|| assert!(handled(&locks).contains("busy"), "another manager's key"));
    guard.release().await.unwrap();
    let next = locks.mutex("settings").wait(LIMIT).acquire().await.unwrap();
    assert_eq!(next.enter(|| handled(&locks)), "ran");
}

#[distributed_lock("settings", manager = locks, wait = "0s", on_error = panic)]
fn panics(locks: &LockManager) -> u32 {
    7
}

#[test]
fn a_panic_carries_the_text_of_the_error() {
    let (_server, locks, guard) = occupied();
    let end = catch_unwind(AssertUnwindSafe(|| panics(&locks)));
    let text = end.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("'settings' is busy") && text.contains("try again later"), "{text}");
    drop(guard);
}

#[distributed_lock("settings", manager = locks, wait = "0s")]
fn once(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn no_wait_tries_once_and_does_not_queue() {
    let (server, locks, guard) = occupied();
    let error = once(&locks).unwrap_err();
    assert!(matches!(error, LockError::Busy { .. }), "{error:?}");
    assert!(locks.mutex("settings").try_acquire_blocking().unwrap().is_none());
    assert_eq!(crate::support::traces(&server), ["lock:{settings}"]);
    drop(guard);
}

#[distributed_lock("settings", manager = locks, wait = "200ms")]
async fn briefly(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[tokio::test]
async fn a_wait_ends_in_time_and_leaves_the_queue() {
    let (server, locks, guard) = occupied();
    let start = Instant::now();
    let error = briefly(&locks).await.unwrap_err();
    assert!(matches!(error, LockError::Busy { .. }), "{error:?}");
    let waited = start.elapsed();
    assert!((Duration::from_millis(200)..LIMIT / 4).contains(&waited), "{waited:?}");
    testkit::eventually_async(LIMIT, "the queue is gone", async || {
        crate::support::traces(&server) == ["lock:{settings}"]
    })
    .await;
    drop(guard);
}

#[test]
fn a_manager_brings_the_defaults_of_its_calls() {
    let (server, _, guard) = occupied();
    let builder = LockManager::builder().url(server.url()).wait(Duration::from_millis(50));
    let hasty = builder.build().unwrap();
    eventually(LIMIT, "it is connected", || hasty.mutex("free").acquire_blocking().is_ok());
    let error = hasty.mutex("settings").acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Busy { .. }), "{error:?}");
    drop(guard);
}

#[distributed_lock("settings:{a}:{}", b + 1, manager = locks, hold = hold)]
fn with_key(locks: &LockManager, a: &str, b: u32) -> Result<String, LockError> {
    Ok(hold.key().to_owned())
}

#[test]
fn the_key_is_made_of_the_arguments() {
    let server = server();
    let locks = connect(&server);
    for (a, key) in
        [("x", "settings:x:8"), ("{ü} \n%s", "settings:{ü} \n%s:8"), ("", "settings::8")]
    {
        assert_eq!(with_key(&locks, a, 7).unwrap(), key);
    }
    assert!(with_key(&locks, &"long".repeat(10_000), 7).is_ok());
    assert!(
        locks.mutex("").acquire_blocking().is_ok()
            && locks.mutex("a\0b").acquire_blocking().is_ok()
    );
}
