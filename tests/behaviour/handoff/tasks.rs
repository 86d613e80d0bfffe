//! Tasks in the local queue, with threads, and cancelled.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::support::{alone, traces};

use super::*;

fn two_workers() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn threads_and_tasks_share_one_queue() {
    let (server, runtime) = (server(), two_workers());
    let locks = connect(&server);
    let entries = Arc::new(Entries::default());
    let before = scripts_run(&server);
    let tasks = (0..8).map(|_| {
        let (locks, entries) = (locks.clone(), Arc::clone(&entries));
        runtime.spawn(async move {
            for _ in 0..50 {
                visit_async(&locks, &entries).await.unwrap();
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..100 {
                    visit(&locks, &entries).unwrap();
                }
            });
        }
    });
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    until_free(&locks, "hot");
    let scripts = scripts_run(&server) - before;
    assert!(scripts < 160, "{scripts} scripts for 800 sections");
    assert_rising(Arc::into_inner(entries).expect("all have ended"), 800);
}

#[test]
fn threads_and_tasks_acquire_in_the_order_of_their_arrival() {
    let (server, runtime) = (server(), two_workers());
    let locks = connect(&server);
    let guard = locks.mutex("hot").acquire_blocking().unwrap();
    let entries = Arc::new(Entries::default());
    let task = || {
        let (locks, entries) = (locks.clone(), Arc::clone(&entries));
        runtime.spawn(async move { visit_async(&locks, &entries).await.unwrap() })
    };
    thread::scope(|scope| {
        let first = task();
        until_waiting(&locks, "hot", 1);
        let second = scope.spawn(|| visit(&locks, &entries).unwrap());
        until_waiting(&locks, "hot", 2);
        let third = task();
        until_waiting(&locks, "hot", 3);
        let fence = guard.fence();
        guard.release_blocking().unwrap();
        assert_eq!(runtime.block_on(first).unwrap().get(), after(fence, 1));
        assert_eq!(second.join().unwrap().get(), after(fence, 2));
        assert_eq!(runtime.block_on(third).unwrap().get(), after(fence, 3));
    });
}

#[distributed_lock("hot", manager = locks)]
async fn work(locks: &LockManager, pauses: u32) -> Result<(), LockError> {
    for _ in 0..pauses {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[test]
fn two_thousand_tasks_aborted_in_one_queue_leave_nothing() {
    let _machine = alone();
    let (server, runtime) = (server(), two_workers());
    let locks = connect(&server);
    // Keeps the line busy, so that what is aborted mostly waits.
    let busy = {
        let locks = locks.clone();
        runtime.spawn(async move {
            loop {
                work(&locks, 50).await.unwrap();
            }
        })
    };
    let mut random = 7u64;
    let mut below = |end: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % end
    };
    let mut tasks = Vec::new();
    for round in 0..250 {
        let batch = (0..8).map(|_| {
            let (locks, pauses) = (locks.clone(), u32::try_from(below(4)).unwrap());
            runtime.spawn(async move { work(&locks, pauses).await })
        });
        let batch: Vec<_> = batch.collect();
        // Sometimes long enough to complete.
        let pause = if round % 10 == 0 { 5000 } else { 300 };
        thread::sleep(Duration::from_micros(below(pause)));
        batch.iter().for_each(tokio::task::JoinHandle::abort);
        tasks.extend(batch);
    }
    busy.abort();
    assert!(runtime.block_on(busy).unwrap_err().is_cancelled());
    let ends: Vec<_> = tasks.into_iter().map(|task| runtime.block_on(task)).collect();
    assert!(ends.iter().flatten().all(Result::is_ok), "no call fails");
    let ended = ends.iter().filter(|end| end.is_ok()).count();
    assert!((20..1980).contains(&ended), "{ended} of 2000 came to their end");
    eventually(LIMIT, "nothing is left", || traces(&server).is_empty());
    assert_eq!(inspect(&locks, "hot").waiting, 0);
}
