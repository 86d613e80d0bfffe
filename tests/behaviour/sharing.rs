//! Holds that are shared with tasks and threads.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use distlock::{Fence, LockError, LockManager, SharedHold, distributed_lock};

use crate::support::{connect, inspect, server, until_free};

#[distributed_lock("shared", manager = locks, wait = "0s", hold = hold)]
fn nested(locks: &LockManager) -> Result<Fence, LockError> {
    Ok(hold.fence())
}

#[distributed_lock("shared", manager = locks, wait = "0s", hold = hold)]
async fn nested_async(locks: &LockManager) -> Result<Fence, LockError> {
    tokio::task::yield_now().await;
    Ok(hold.fence())
}

#[distributed_lock("shared", manager = locks, hold = hold)]
fn share(locks: &LockManager) -> Result<SharedHold, LockError> {
    hold.share()
}

#[distributed_lock("shared", manager = locks, hold = hold)]
fn leave_to_a_thread(
    locks: &LockManager,
    go_on: mpsc::Receiver<()>,
) -> Result<(Fence, JoinHandle<Fence>), LockError> {
    let (share, locks) = (hold.share()?, locks.clone());
    let thread = thread::spawn(move || {
        go_on.recv().expect("the test lets it go on");
        share.run(|| nested(&locks).expect("the thread has a share"))
    });
    Ok((hold.fence(), thread))
}

#[test]
fn a_thread_with_a_share_enters_and_keeps_the_lock_after_its_parent_has_left() {
    let server = server();
    let locks = connect(&server);
    let (go_on, wait) = mpsc::channel();
    let (fence, thread) = leave_to_a_thread(&locks, wait).unwrap();
    let holder = inspect(&locks, "shared").holder.expect("it is held for the thread");
    assert_eq!(holder.fence, fence);
    assert!(matches!(nested(&locks), Err(LockError::Busy { .. })));
    go_on.send(()).unwrap();
    assert_eq!(thread.join().unwrap(), fence);
    until_free(&locks, "shared");
}

#[distributed_lock("shared", manager = locks, hold = hold)]
async fn work_with_tasks(locks: &LockManager) -> Result<(), LockError> {
    let tasks = (0..4).map(|_| {
        let (share, locks) = (hold.share()?, locks.clone());
        Ok(tokio::spawn(share.scope(async move { turn(&locks).await })))
    });
    for task in tasks.collect::<Result<Vec<_>, LockError>>()? {
        assert_eq!(task.await.expect("no task panics")?, hold.fence());
    }
    Ok(())
}

/// Waits for its turn among the tasks that share the hold.
#[distributed_lock("shared", manager = locks, hold = hold)]
async fn turn(locks: &LockManager) -> Result<Fence, LockError> {
    tokio::task::yield_now().await;
    let nested = nested_async(locks).await?;
    assert_eq!(nested, hold.fence());
    Ok(nested)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_with_shares_take_turns_inside() {
    let server = server();
    let locks = connect(&server);
    work_with_tasks(&locks).await.unwrap();
    until_free(&locks, "shared");
}

#[test]
fn the_lock_is_released_with_the_last_share() {
    let server = server();
    let locks = connect(&server);
    let share = share(&locks).unwrap();
    let copy = share.clone();
    assert_eq!(copy.hold().key(), "shared");
    drop(share);
    assert!(copy.hold().is_valid() && inspect(&locks, "shared").holder.is_some());
    drop(copy);
    until_free(&locks, "shared");
}

#[test]
fn a_hold_that_has_ended_cannot_be_shared() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("shared").acquire_blocking().unwrap();
    let hold = guard.hold().clone();
    guard.release_blocking().unwrap();
    assert!(matches!(hold.share(), Err(LockError::Lost { .. })));
    assert!(matches!(hold.check(), Err(LockError::Lost { .. })));
    assert!(!hold.is_valid() && hold.remaining().is_zero());
}

#[test]
fn code_inside_an_entered_guard_owns_its_key_and_code_beside_it_does_not() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("shared").acquire_blocking().unwrap();
    assert_eq!(guard.enter(|| nested(&locks)).unwrap(), guard.fence());
    let scoped = futures::executor::block_on(guard.scope(nested_async(&locks)));
    assert_eq!(scoped.unwrap().unwrap(), guard.fence());
    assert!(matches!(nested(&locks), Err(LockError::Busy { .. })));
}

#[test]
fn the_same_key_of_another_manager_is_another_lock_to_the_chain() {
    let server = server();
    let (one, two) = (connect(&server), connect(&server));
    let guard = one.mutex("shared").acquire_blocking().unwrap();
    assert!(matches!(guard.enter(|| nested(&two)), Err(LockError::Busy { .. })));
}
