//! Lost holds, and how their owners are notified.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock};
use testkit::{Cut, FaultProxy, RedisServer, eventually};

use crate::support::{LIMIT, connect_with_ttl, server, until_held};

const TTL: Duration = Duration::from_millis(600);

fn setting() -> (RedisServer, LockManager) {
    let server = server();
    let locks = connect_with_ttl(&server, TTL);
    (server, locks)
}

/// Deletes the key of the holder.
fn take_away(server: &RedisServer) {
    server.command(&["DEL", "lock:{loss}"]);
}

/// Records its drop.
struct Witness<'a>(&'a AtomicBool);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn take_away_when_held(server: &RedisServer, locks: &LockManager) {
    testkit::eventually_async(LIMIT, "it is held", async || {
        locks.inspect("loss").await.unwrap().holder.is_some()
    })
    .await;
    take_away(server);
}

#[distributed_lock("loss", manager = locks)]
async fn wait_for_ever(locks: &LockManager, dropped: &AtomicBool) -> Result<(), LockError> {
    let _witness = Witness(dropped);
    std::future::pending().await
}

#[tokio::test]
async fn an_async_body_is_dropped_where_it_waits_when_its_hold_is_lost() {
    let (server, locks) = setting();
    let dropped = AtomicBool::new(false);
    let taken = take_away_when_held(&server, &locks);
    let ends = futures::future::join(wait_for_ever(&locks, &dropped), taken);
    let (end, ()) = tokio::time::timeout(LIMIT, ends).await.expect("the body is dropped");
    assert!(matches!(end, Err(LockError::Lost { .. })), "{end:?}");
    assert!(dropped.load(Ordering::Relaxed));
}

#[distributed_lock("loss", manager = locks)]
async fn wait_deeper(locks: &LockManager, dropped: &AtomicBool) -> Result<(), LockError> {
    wait_for_ever(locks, dropped).await
}

#[tokio::test]
async fn a_nested_body_is_dropped_with_the_outermost() {
    let (server, locks) = setting();
    let dropped = AtomicBool::new(false);
    let taken = take_away_when_held(&server, &locks);
    let (end, ()) = futures::join!(wait_deeper(&locks, &dropped), taken);
    assert!(matches!(end, Err(LockError::Lost { .. })), "{end:?}");
    assert!(dropped.load(Ordering::Relaxed));
}

#[distributed_lock("loss", manager = locks, on_lost = finish, hold = hold)]
async fn finish(locks: &LockManager, finished: &AtomicBool) -> Result<(), LockError> {
    let error = hold.lost().await;
    assert!(matches!(error, LockError::Lost { .. }), "{error:?}");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!hold.is_valid());
    finished.store(true, Ordering::Relaxed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_finishes_after_a_loss_reports_it() {
    let (server, locks) = setting();
    let finished = AtomicBool::new(false);
    let taken = async {
        until_held(&locks, "loss");
        take_away(&server);
    };
    let (end, ()) = futures::join!(finish(&locks, &finished), taken);
    assert!(matches!(end, Err(LockError::Lost { .. })), "{end:?}");
    assert!(finished.load(Ordering::Relaxed));
}

#[derive(Debug)]
enum Own {
    Lock(LockError),
    Mine,
}

impl From<LockError> for Own {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

/// Returns `end` after its hold is lost.
#[distributed_lock("loss", manager = locks, hold = hold)]
fn lose(locks: &LockManager, server: &RedisServer, end: Result<u32, Own>) -> Result<u32, Own> {
    take_away(server);
    eventually(LIMIT, "the loss is noticed", || !hold.is_valid());
    assert!(matches!(hold.check(), Err(LockError::Lost { .. })));
    end
}

#[test]
fn a_loss_takes_the_place_of_a_success() {
    let (server, locks) = setting();
    let end = lose(&locks, &server, Ok(7));
    assert!(matches!(end, Err(Own::Lock(LockError::Lost { .. }))), "{end:?}");
}

#[test]
fn a_loss_leaves_an_error_of_the_body_as_it_is() {
    let (server, locks) = setting();
    let end = lose(&locks, &server, Err(Own::Mine));
    assert!(matches!(end, Err(Own::Mine)), "{end:?}");
}

#[distributed_lock("loss", manager = locks, release = confirmed)]
fn confirmed(locks: &LockManager, taken: impl FnOnce()) -> Result<u32, LockError> {
    taken();
    Ok(7)
}

#[distributed_lock("loss", manager = locks, release = confirmed)]
async fn confirmed_async(locks: &LockManager, taken: impl FnOnce()) -> Result<u32, LockError> {
    taken();
    Ok(7)
}

#[tokio::test]
async fn a_confirmed_release_reports_a_lock_that_was_taken_away_a_moment_ago() {
    let (server, locks) = setting();
    let end = confirmed(&locks, || take_away(&server));
    assert!(matches!(end, Err(LockError::Lost { .. })), "{end:?}");
    let end = confirmed_async(&locks, || take_away(&server)).await;
    assert!(matches!(end, Err(LockError::Lost { .. })), "{end:?}");
    assert_eq!(confirmed(&locks, || ()).unwrap(), 7);
    assert_eq!(confirmed_async(&locks, || ()).await.unwrap(), 7);
}

#[test]
fn a_confirmed_release_is_over_when_the_call_is() {
    let (server, locks) = setting();
    for _ in 0..100 {
        confirmed(&locks, || ()).unwrap();
        assert_eq!(crate::support::traces(&server), [""; 0]);
    }
}

#[test]
fn a_lock_that_was_taken_away_is_not_taken_from_its_next_holder() {
    let (server, locks) = setting();
    let first = locks.mutex("loss").acquire_blocking().unwrap();
    take_away(&server);
    let second = locks.mutex("loss").wait(LIMIT).acquire_blocking().unwrap();
    assert!(second.fence() > first.fence());
    drop(first);
    eventually(LIMIT, "the second is renewed", || second.hold().remaining() > TTL / 2);
    assert_eq!(locks.inspect_blocking("loss").unwrap().holder.unwrap().fence, second.fence());
}

#[test]
fn a_scope_of_a_guard_ends_with_its_hold() {
    let (server, locks) = setting();
    let guard = locks.mutex("loss").acquire_blocking().unwrap();
    take_away(&server);
    let end = futures::executor::block_on(guard.scope(std::future::pending::<()>()));
    assert!(matches!(end, Err(LockError::Lost { .. })), "{end:?}");
    assert!(matches!(guard.release_blocking(), Err(LockError::Lost { .. })));
}

#[test]
fn a_release_that_worked_and_whose_reply_was_lost_is_not_reported_as_a_loss() {
    let server = server();
    let proxy = FaultProxy::start(&server).unwrap();
    let locks = LockManager::connect(&proxy.url()).unwrap();
    let guard = locks.mutex("loss").wait_for_release().acquire_blocking().unwrap();
    proxy.cut_at(Cut::AfterApply, "{loss}");
    let error = guard.release_blocking().unwrap_err();
    assert!(error.to_string().contains("did not confirm the release"), "{error}");
}
