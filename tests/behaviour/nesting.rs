//! Re-entry: calls with a key that an enclosing call holds.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use distlock::{Fence, LockError, LockManager, distributed_lock};
use futures::future::BoxFuture;
use testkit::eventually;

use crate::support::{LIMIT, connect, server, traces};

/// The code inside an outer section.
type Inner<'a> = &'a mut (dyn FnMut() -> Result<Fence, LockError> + Send);

#[distributed_lock("nest", manager = locks, hold = hold)]
fn outer(locks: &LockManager, inner: Inner<'_>) -> Result<(), LockError> {
    assert_eq!(inner()?, hold.fence(), "a nested call shows the token of the hold");
    Ok(())
}

#[distributed_lock("nest", manager = locks, hold = hold)]
async fn outer_async(locks: &LockManager, inner: Inner<'_>) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    assert_eq!(inner()?, hold.fence());
    Ok(())
}

#[distributed_lock("nest", manager = locks, wait = "0s", hold = hold)]
fn nested(locks: &LockManager) -> Result<Fence, LockError> {
    Ok(hold.fence())
}

#[distributed_lock("nest", manager = locks, wait = "0s", hold = hold)]
async fn nested_async(locks: &LockManager) -> Result<Fence, LockError> {
    tokio::task::yield_now().await;
    Ok(hold.fence())
}

#[test]
fn a_nested_call_sends_no_command_to_the_server() {
    let server = server();
    let locks = connect(&server);
    outer(&locks, &mut || {
        let before = server.commands_processed();
        for _ in 0..100 {
            nested(&locks)?;
            futures::executor::block_on(nested_async(&locks))?;
            locks.mutex("nest").acquire_blocking()?.release_blocking()?;
            locks
                .mutex("nest")
                .try_acquire_blocking()?
                .expect("it is ours already")
                .release_blocking()?;
        }
        assert_eq!(server.commands_processed(), before);
        nested(&locks)
    })
    .unwrap();
    eventually(LIMIT, "the outermost call releases", || traces(&server).is_empty());
}

#[tokio::test]
async fn sync_calls_nest_in_async_ones() {
    let server = server();
    let locks = connect(&server);
    outer_async(&locks, &mut || nested(&locks)).await.unwrap();
}

#[test]
fn async_calls_nest_in_sync_ones_by_blocking() {
    let server = server();
    let locks = connect(&server);
    outer(&locks, &mut || futures::executor::block_on(nested_async(&locks))).unwrap();
    outer(&locks, &mut || smol::block_on(nested_async(&locks))).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    outer(&locks, &mut || runtime.block_on(nested_async(&locks))).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_nest_through_block_in_place() {
    let server = server();
    let locks = connect(&server);
    let mut inner = || {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runtime.block_on(nested_async(&locks)))
    };
    outer_async(&locks, &mut inner).await.unwrap();
}

/// Yields inside the section until it has run on at least two threads.
#[distributed_lock("nest", manager = locks, hold = hold)]
async fn wander(locks: &LockManager) -> Result<usize, LockError> {
    let start = (thread::current().id(), Instant::now());
    let mut calls = 0;
    while thread::current().id() == start.0 && start.1.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_micros(100)).await;
        assert_eq!(nested_async(locks).await?, hold.fence());
        assert_eq!(nested(locks)?, hold.fence());
        calls += 1;
    }
    assert_ne!(thread::current().id(), start.0, "the runtime never moved the task");
    Ok(calls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_nest_after_the_task_has_moved_to_another_thread() {
    let server = server();
    let locks = connect(&server);
    let noise = (0..8).map(|_| {
        tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        })
    });
    let noise: Vec<_> = noise.collect();
    for _ in 0..5 {
        let locks = locks.clone();
        let wandered = tokio::spawn(async move { wander(&locks).await.map(drop) });
        wandered.await.unwrap().unwrap();
    }
    noise.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Polls once on a new thread.
fn poll_elsewhere<T: Send>(future: &mut BoxFuture<'_, T>) -> (ThreadId, Poll<T>) {
    let poll = move || {
        let poll = Pin::new(future).poll(&mut Context::from_waker(Waker::noop()));
        (thread::current().id(), poll)
    };
    thread::scope(|scope| scope.spawn(poll).join().unwrap())
}

#[test]
fn a_future_polled_on_another_thread_each_time_keeps_its_hold() {
    let server = server();
    let locks = connect(&server);
    let mut future: BoxFuture<'_, _> = Box::pin(async {
        let guard = locks.mutex("nest").acquire().await?;
        let fence = guard.scope(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
                assert_eq!(nested(&locks)?, guard.fence());
            }
            nested_async(&locks).await
        });
        fence.await?
    });
    let mut threads = std::collections::HashSet::new();
    eventually(LIMIT, "the future ends", || {
        let (thread, poll) = poll_elsewhere(&mut future);
        threads.insert(thread);
        assert!(distlock::current().is_none());
        match poll {
            Poll::Ready(fence) => fence.is_ok(),
            Poll::Pending => false,
        }
    });
    assert!(threads.len() > 10, "{}", threads.len());
}
