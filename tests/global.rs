//! One global manager, used from every kind of runtime that a process may have.

mod support;

use std::sync::Once;
use std::thread;
use std::time::Duration;

use distlock::{Fence, LockError, LockManager, distributed_lock, global};
use testkit::eventually;

use crate::support::process::{Process, orders};
use crate::support::{LIMIT, server, traces, until_free, until_held};

/// The tests marked as ignored, one after another and then beside one another, in one process.
#[test]
fn one_manager_serves_every_runtime_of_a_process() {
    let server = server();
    for threads in ["1", "4"] {
        let arguments = ["--ignored", "--test-threads", threads];
        let report = Process::start_with(&arguments, &server.url(), "all").finish();
        assert!(report.contains("9 passed; 0 failed"), "{report}");
        eventually(LIMIT, "nothing is left", || traces(&server).is_empty());
    }
}

#[test]
fn the_global_manager_can_be_set_once() {
    distlock::init(LockManager::connect("memory://first").unwrap()).unwrap();
    let error = distlock::init(LockManager::connect("memory://second").unwrap()).unwrap_err();
    assert!(error.to_string().contains("call `init` once"), "{error}");
    assert!(format!("{:?}", global().unwrap()).contains("first"));
}

/// Builds the manager of this process once.
fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let orders = orders().expect("these tests run in a process that another test starts");
        distlock::init(LockManager::connect(&orders.url).unwrap()).unwrap();
    });
}

#[distributed_lock("global", hold = hold)]
fn locked() -> Result<Fence, LockError> {
    Ok(hold.fence())
}

#[distributed_lock("global", hold = hold)]
async fn locked_async() -> Result<(), LockError> {
    futures::future::ready(()).await;
    assert_eq!(again().await?, hold.fence());
    assert_eq!(locked()?, hold.fence());
    Ok(())
}

#[distributed_lock("global", hold = hold)]
async fn again() -> Result<Fence, LockError> {
    Ok(hold.fence())
}

#[tokio::test]
#[ignore = "run in a process with the others"]
async fn a_current_thread_runtime_takes_the_lock() {
    init();
    locked_async().await.unwrap();
}

#[tokio::test]
#[ignore = "run in a process with the others"]
async fn the_next_current_thread_runtime_takes_the_lock() {
    init();
    locked_async().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run in a process with the others"]
async fn a_multi_thread_runtime_takes_the_lock() {
    init();
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(locked_async())).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run in a process with the others"]
async fn a_runtime_without_a_driver_of_its_own_takes_the_lock() {
    init();
    let plain = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(locked_async())
    });
    plain.join().unwrap().unwrap();
    locked_async().await.unwrap();
}

#[test]
#[ignore = "run in a process with the others"]
fn smol_takes_the_lock() {
    init();
    smol::block_on(async {
        let tasks: Vec<_> = (0..8).map(|_| smol::spawn(locked_async())).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
#[ignore = "run in a process with the others"]
fn plain_threads_take_the_lock() {
    init();
    let threads: Vec<_> = (0..8).map(|_| thread::spawn(locked)).collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}

#[test]
#[ignore = "run in a process with the others"]
fn a_minimal_executor_can_acquire_the_lock() {
    init();
    futures::executor::block_on(locked_async()).unwrap();
}

#[distributed_lock("kept for ever")]
async fn keep_for_ever() -> Result<(), LockError> {
    std::future::pending().await
}

#[test]
#[ignore = "run in a process with the others"]
fn a_runtime_that_is_dropped_releases_what_its_tasks_hold() {
    init();
    let locks = global().unwrap();
    for flavour in [Flavour::new_current_thread, Flavour::new_multi_thread] {
        let runtime = flavour().enable_all().build().unwrap();
        runtime.spawn(keep_for_ever());
        // The second of them waits for the first, and is dropped as a waiter.
        runtime.spawn(keep_for_ever());
        runtime.block_on(async {
            testkit::eventually_async(LIMIT, "one holds it, one waits", async || {
                let seen = locks.inspect("kept for ever").await.unwrap();
                seen.holder.is_some() && seen.waiting == 1
            })
            .await;
        });
        drop(runtime);
        let free = || {
            let seen = locks.inspect_blocking("kept for ever").unwrap();
            seen.holder.is_none() && seen.waiting == 0
        };
        eventually(Duration::from_secs(2), "it is released", free);
    }
}

type Flavour = tokio::runtime::Builder;

#[test]
#[ignore = "run in a process with the others"]
fn a_runtime_that_is_abandoned_in_the_background_releases_what_its_tasks_hold() {
    init();
    let locks = global().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(keep_under("kept in the background"));
    until_held(&locks, "kept in the background");
    runtime.shutdown_background();
    until_free(&locks, "kept in the background");
}

#[distributed_lock("{key}")]
async fn keep_under(key: &'static str) -> Result<(), LockError> {
    std::future::pending().await
}
