//! The end of calls: panics, shutdowns, and errors in the types of the functions.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager, current, distributed_lock};
use testkit::{ReservedPort, eventually};

use crate::support::{LIMIT, connect, server, until_free, until_waiting};

#[distributed_lock("outcome", manager = locks)]
fn fall(locks: &LockManager) -> Result<(), LockError> {
    nested_fall(locks)
}

#[distributed_lock("outcome", manager = locks)]
fn nested_fall(locks: &LockManager) -> Result<(), LockError> {
    panic!("over the edge")
}

#[distributed_lock("outcome", manager = locks)]
async fn fall_async(locks: &LockManager) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    nested_fall(locks)
}

#[test]
fn a_panic_releases_the_lock_and_leaves_no_owner_behind() {
    let server = server();
    let locks = connect(&server);
    let fallen = catch_unwind(AssertUnwindSafe(|| fall(&locks)));
    assert_eq!(fallen.unwrap_err().downcast_ref(), Some(&"over the edge"));
    assert!(current().is_none());
    locks.mutex("outcome").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    let falling = || futures::executor::block_on(fall_async(&locks));
    assert!(catch_unwind(AssertUnwindSafe(falling)).is_err());
    assert!(current().is_none());
    until_free(&locks, "outcome");
}

#[tokio::test]
async fn a_panic_in_a_task_releases_the_lock() {
    let server = server();
    let locks = connect(&server);
    let task = tokio::spawn({
        let locks = locks.clone();
        async move { fall_async(&locks).await }
    });
    assert!(task.await.unwrap_err().is_panic());
    let next = locks.mutex("outcome").wait(LIMIT);
    next.acquire().await.unwrap().release_blocking().unwrap();
}

#[test]
fn a_shutdown_releases_all_holds_and_cancels_waits() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let guard = locks.mutex("outcome").acquire_blocking().unwrap();
    let foreign = others.mutex("elsewhere").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| locks.mutex("elsewhere").acquire_blocking());
        until_waiting(&others, "elsewhere", 1);
        locks.shutdown_blocking();
        let end = waiter.join().unwrap();
        assert!(matches!(end, Err(LockError::Closed { .. })), "{end:?}");
    });
    let seen = others.inspect_blocking("outcome").unwrap();
    assert!(seen.holder.is_none(), "a shutdown waits for its releases");
    assert_eq!(others.inspect_blocking("elsewhere").unwrap().waiting, 0);
    assert!(!guard.hold().is_valid());
    let error = guard.release_blocking().unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
    drop(foreign);
}

#[test]
fn calls_after_a_shutdown_say_so() {
    let server = server();
    let locks = connect(&server);
    locks.mutex("outcome").acquire_blocking().unwrap().release_blocking().unwrap();
    locks.clone().shutdown_blocking();
    locks.shutdown_blocking();
    for error in [
        locks.mutex("outcome").acquire_blocking().unwrap_err(),
        locks.mutex("outcome").try_acquire_blocking().unwrap_err(),
        locks.inspect_blocking("outcome").unwrap_err(),
        fall(&locks).unwrap_err(),
    ] {
        assert!(matches!(error, LockError::Closed { .. }), "{error:?}");
        assert!(error.to_string().contains("create a new manager"), "{error}");
    }
}

#[test]
fn a_dropped_manager_ends_when_its_last_hold_is_released() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let guard = locks.mutex("outcome").ttl(Duration::from_millis(300)).acquire_blocking().unwrap();
    drop(locks);
    thread::sleep(Duration::from_millis(600));
    assert!(guard.hold().is_valid(), "it is still renewed");
    guard.release_blocking().unwrap();
    until_free(&others, "outcome");
}

#[distributed_lock("outcome", manager = locks, wait = "50ms")]
fn in_io(locks: &LockManager) -> io::Result<u32> {
    if locks.inspect_blocking("outcome")?.holder.is_none() {
        return Err(io::Error::other("not held inside"));
    }
    Ok(7)
}

#[distributed_lock("outcome", manager = locks, wait = "50ms")]
fn in_anyhow(locks: &LockManager) -> anyhow::Result<u32> {
    Ok(7)
}

#[test]
fn a_function_of_io_yields_lock_errors_of_a_fitting_kind() {
    let server = server();
    let locks = connect(&server);
    eventually(LIMIT, "it is connected", || in_io(&locks).is_ok_and(|value| value == 7));
    let guard = locks.mutex("outcome").wait(LIMIT).acquire_blocking().unwrap();
    let error = in_io(&locks).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    assert!(matches!(inner, Some(LockError::Busy { .. })), "{inner:?}");
    let error = in_anyhow(&locks).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(LockError::Busy { .. })), "{error:?}");
    drop(guard);
    let nowhere = ReservedPort::new().unwrap();
    let error = in_io(&LockManager::connect(&nowhere.url()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}
