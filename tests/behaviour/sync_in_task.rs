//! Blocking calls in a task of tokio that never yields between them.
//!
//! Tokio gives a task a budget of 128 operations per poll. Waits of the library must not depend on
//! it.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager, SharedHold, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, server};

/// Far more than the budget of a task.
const CALLS: u32 = 1_000;

#[distributed_lock("task:one", manager = locks)]
fn one_key(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock(["task:a", "task:b"], manager = locks)]
fn two_keys(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("task:confirmed", manager = locks, release = confirmed)]
fn confirmed(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("task:strict", manager = locks, fairness = strict)]
fn strict(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("task:nested", manager = locks)]
fn around(locks: &LockManager) -> Result<(), LockError> {
    inside(locks)
}

#[distributed_lock("task:inside", manager = locks)]
fn inside(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

/// Makes the calls in one poll of one task of a runtime with several threads.
#[track_caller]
fn in_one_task<F>(what: &str, mut call: F)
where
    F: FnMut() -> Result<(), LockError> + Send + 'static,
{
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_time().build().expect("a runtime");
    let calls = runtime.spawn(async move {
        // Uses the budget up, as a task that has received so many messages before.
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        (0..CALLS).try_for_each(|_| call())
    });
    let deadline = async { tokio::time::timeout(LIMIT, calls).await };
    let ended = runtime.block_on(deadline);
    // A task that hangs would keep a runtime that is dropped from ending.
    runtime.shutdown_background();
    ended.unwrap_or_else(|_| panic!("{what}: hangs")).expect("no call panics").expect(what);
}

fn with_locks(
    server: &RedisServer,
    call: impl Fn(&LockManager) -> Result<(), LockError> + Send + 'static,
) -> impl FnMut() -> Result<(), LockError> + Send + 'static {
    let locks = connect(server);
    move || call(&locks)
}

#[test]
fn annotated_functions_of_each_kind_return() {
    let server = server();
    in_one_task("one key", with_locks(&server, one_key));
    in_one_task("a list of keys", with_locks(&server, two_keys));
    in_one_task("a confirmed release", with_locks(&server, confirmed));
    in_one_task("a call past the line", with_locks(&server, strict));
    in_one_task("a nested call", with_locks(&server, around));
}

#[test]
fn requests_by_hand_return() {
    let server = server();
    let acquired = |locks: &LockManager| locks.mutex("task:hand").acquire_blocking().map(drop);
    in_one_task("acquire", with_locks(&server, acquired));
    let tried = |locks: &LockManager| locks.mutex("task:try").try_acquire_blocking().map(drop);
    in_one_task("try_acquire", with_locks(&server, tried));
    let released = |locks: &LockManager| {
        locks.mutex("task:release").wait_for_release().acquire_blocking()?.release_blocking()
    };
    in_one_task("release", with_locks(&server, released));
    let many =
        |locks: &LockManager| locks.mutex_many(["task:m", "task:n"]).acquire_blocking().map(drop);
    in_one_task("lock_many", with_locks(&server, many));
}

#[test]
fn inspections_and_shutdowns_return() {
    let server = server();
    let inspected = |locks: &LockManager| locks.inspect_blocking("task:seen").map(drop);
    in_one_task("inspect", with_locks(&server, inspected));
    let url = server.url();
    in_one_task("shutdown", move || {
        LockManager::connect(&url)?.shutdown_blocking();
        Ok(())
    });
}

/// A wait this short may end before the server was asked.
fn any_end_is_fine(ended: Result<(), LockError>) -> Result<(), LockError> {
    match ended {
        Err(LockError::Busy(_) | LockError::Unavailable(_) | LockError::NoReply(_)) => Ok(()),
        other => other,
    }
}

#[test]
fn a_request_for_a_busy_key_waits_at_most_for_wait() {
    let server = server();
    let held = connect(&server).mutex("task:busy").acquire_blocking().unwrap();
    let wait = |locks: &LockManager| {
        let request = locks.mutex("task:busy").wait(Duration::from_millis(1));
        any_end_is_fine(request.acquire_blocking().map(drop))
    };
    in_one_task("waits that end busy", with_locks(&server, wait));
    drop(held);
}

#[distributed_lock("task:turns", manager = locks, hold = hold)]
fn share(locks: &LockManager) -> Result<SharedHold, LockError> {
    hold.share()
}

#[distributed_lock("task:turns", manager = locks, wait = "1ms")]
fn turn(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("task:turns", manager = locks)]
fn long_turn(locks: &LockManager, until: &Receiver<()>) -> Result<(), LockError> {
    until.recv().expect("the test ends it");
    Ok(())
}

/// A sibling runs under the same hold the whole time.
#[test]
fn a_call_waits_for_its_sibling_at_most_for_wait() {
    let server = server();
    let locks = connect(&server);
    let share = share(&locks).unwrap();
    let (end, until) = mpsc::channel();
    let sibling = thread::spawn({
        let (share, locks) = (share.clone(), locks.clone());
        move || share.run(|| long_turn(&locks, &until))
    });
    eventually(LIMIT, "the sibling has its turn", || share.run(|| turn(&locks)).is_err());
    in_one_task("turns", move || any_end_is_fine(share.run(|| turn(&locks))));
    end.send(()).unwrap();
    sibling.join().unwrap().unwrap();
}
