//! Concurrent branches under one hold, and tasks and threads that do not belong to it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock};
use futures::stream::{FuturesUnordered, StreamExt as _};

use crate::support::{connect, server};

/// Counts running sections; there must never be two.
#[derive(Default)]
struct Room {
    inside: AtomicU32,
    visits: AtomicU32,
}

impl Room {
    fn enter(&self) {
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "two sections at once");
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.visits.fetch_add(1, Ordering::SeqCst);
    }
}

#[distributed_lock("siblings", manager = locks)]
async fn visit(locks: &LockManager, room: &Room) -> Result<(), LockError> {
    room.enter();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    visit_deeper(locks).await?;
    room.leave();
    Ok(())
}

#[distributed_lock("siblings", manager = locks)]
async fn visit_deeper(locks: &LockManager) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    Ok(())
}

#[distributed_lock("siblings", manager = locks)]
async fn visit_by_two_branches(locks: &LockManager, room: &Room) -> Result<(), LockError> {
    let (one, two) = futures::join!(visit(locks, room), visit(locks, room));
    one.and(two)
}

#[distributed_lock("siblings", manager = locks)]
async fn visit_by_many(locks: &LockManager, room: &Room) -> Result<(), LockError> {
    let mut visits: FuturesUnordered<_> = (0..10).map(|_| visit(locks, room)).collect();
    while let Some(visited) = visits.next().await {
        visited?;
    }
    Ok(())
}

#[tokio::test]
async fn two_branches_of_one_holder_take_turns() {
    let (server, room) = (server(), Room::default());
    let locks = connect(&server);
    visit_by_two_branches(&locks, &room).await.unwrap();
    assert_eq!(room.visits.into_inner(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_branches_of_one_holder_take_turns() {
    let (server, room) = (server(), Room::default());
    let locks = connect(&server);
    visit_by_many(&locks, &room).await.unwrap();
    assert_eq!(room.visits.into_inner(), 10);
}

#[distributed_lock("siblings", manager = locks, wait = "0s")]
async fn try_visit(locks: &LockManager) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    Ok(())
}

#[distributed_lock("siblings", manager = locks)]
async fn try_by_two_branches(locks: &LockManager) -> Result<(), LockError> {
    let (one, two) = futures::join!(try_visit(locks), try_visit(locks));
    assert!(one.is_ok() && matches!(two, Err(LockError::Busy { .. })), "{one:?} {two:?}");
    try_visit(locks).await
}

#[tokio::test]
async fn a_branch_that_does_not_wait_fails_with_busy_while_its_sibling_runs() {
    let server = server();
    let locks = connect(&server);
    try_by_two_branches(&locks).await.unwrap();
}

#[distributed_lock("siblings", manager = locks, wait = "0s")]
fn try_visit_sync(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("siblings", manager = locks)]
async fn spawn_strangers(locks: &LockManager) -> Result<(), LockError> {
    let in_task = tokio::spawn({
        let locks = locks.clone();
        async move { try_visit(&locks).await }
    });
    let in_pool = tokio::task::spawn_blocking({
        let locks = locks.clone();
        move || try_visit_sync(&locks)
    });
    let in_thread = thread::scope(|scope| scope.spawn(|| try_visit_sync(locks)).join());
    for answer in [in_task.await.unwrap(), in_pool.await.unwrap(), in_thread.unwrap()] {
        assert!(matches!(answer, Err(LockError::Busy { .. })), "{answer:?}");
    }
    try_visit(locks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_task_or_thread_does_not_enter_its_parents_hold() {
    let server = server();
    let locks = connect(&server);
    spawn_strangers(&locks).await.unwrap();
}

#[tokio::test]
async fn the_dropped_branch_of_select_releases_only_its_own_key() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("siblings").acquire().await.unwrap();
    let inside = guard.scope(async {
        let loser = async {
            let _other = locks.mutex("loser").acquire().await?;
            std::future::pending::<Result<(), LockError>>().await
        };
        let winner = async {
            testkit::eventually_async(Duration::from_secs(9), "the loser has it", async || {
                locks.inspect("loser").await.unwrap().holder.is_some()
            })
            .await;
        };
        tokio::select! {
            answer = loser => panic!("{answer:?}"),
            () = winner => {}
        }
        testkit::eventually_async(Duration::from_secs(9), "the loser gave it back", async || {
            locks.inspect("loser").await.unwrap().holder.is_none()
        })
        .await;
        try_visit(&locks).await
    });
    inside.await.unwrap().unwrap();
    assert!(locks.inspect_blocking("siblings").unwrap().holder.is_some());
}
