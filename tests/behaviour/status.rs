//! What a manager knows of its servers without asking them.

use std::thread;
use std::time::Duration;

use distlock::{LockManager, ManagerStatus, PauseReason, ServerKind, StatusWatch};
use testkit::{Cluster, RedisServer, Sentinels, eventually};
use tokio::time::timeout;

use crate::support::{LIMIT, connect, connect_with_ttl, server, until_waiting};

/// The next status of this kind.
async fn until(watch: &mut StatusWatch, such: impl Fn(&ManagerStatus) -> bool) -> ManagerStatus {
    let mut last = None;
    let found = timeout(LIMIT, async {
        loop {
            let status = watch.next().await.expect("the manager is not shut down");
            if such(&status) {
                return status;
            }
            last = Some(status);
        }
    });
    found.await.unwrap_or_else(|_| panic!("no such status; the last one: {last:?}"))
}

#[tokio::test]
async fn a_watch_shows_that_the_server_goes_down_and_comes_back() {
    let server = RedisServer::builder().append_only(true).start().unwrap();
    let locks = connect(&server);
    let mut watch = locks.watch();
    let first = until(&mut watch, ManagerStatus::is_ready).await;
    let address = format!("127.0.0.1:{}", server.port());
    assert_eq!((first.server, first.nodes.len()), (ServerKind::Single, 1), "{first:?}");
    assert_eq!((&first.nodes[0].address, &first.nodes[0].error), (&address, &None));
    server.kill();
    let down = until(&mut watch, |status| !status.is_connected()).await;
    assert!(!down.is_ready() && down.nodes[0].error.is_some(), "{down:?}");
    assert_eq!(down.nodes[0].address, address);
    eventually(LIMIT, "the outage gets longer", || {
        locks.status().nodes[0].down_for > Some(Duration::from_millis(50))
    });
    server.restart().unwrap();
    let back = until(&mut watch, ManagerStatus::is_connected).await;
    assert_eq!((back.nodes[0].down_for, &back.nodes[0].error), (None, &None), "{back:?}");
}

#[tokio::test]
async fn a_watch_shows_a_loss_of_data_and_its_end_although_nothing_is_asked_for() {
    let server = server();
    let locks = connect_with_ttl(&server, Duration::from_secs(2));
    locks.mutex("a").acquire().await.unwrap().release().await.unwrap();
    let mut watch = locks.watch();
    until(&mut watch, ManagerStatus::is_ready).await;
    server.kill();
    server.restart().unwrap();
    let lost = until(&mut watch, |status| status.nodes[0].pause.is_some()).await;
    let pause = lost.nodes[0].pause.clone().unwrap();
    assert_eq!(pause.reason, PauseReason::DataLoss);
    assert!(pause.left < Duration::from_secs(3), "the longest lease, rounded up: {pause}");
    assert!(lost.is_connected() && !lost.is_ready(), "{lost}");
    assert!(lost.to_string().contains("grants resume in"), "{lost}");
    until(&mut watch, ManagerStatus::is_ready).await;
    let wait = locks.mutex("a").wait(Duration::from_secs(1)).acquire().await;
    wait.expect("the pause is over").release().await.unwrap();
}

#[tokio::test]
async fn a_process_that_connects_during_a_pause_sees_what_is_left_of_it() {
    let server = server();
    let locks = connect_with_ttl(&server, Duration::from_secs(3));
    locks.mutex("a").acquire().await.unwrap().release().await.unwrap();
    server.kill();
    server.restart().unwrap();
    let paused = |status: &ManagerStatus| status.nodes[0].pause.is_some();
    let first = until(&mut locks.watch(), paused).await;
    eventually(LIMIT, "a second of it passes", || {
        let left = locks.status().nodes[0].pause.as_ref().map(|pause| pause.left);
        left.is_none_or(|left| {
            left + Duration::from_secs(1) < first.nodes[0].pause.as_ref().unwrap().left
        })
    });
    let other = connect(&server);
    let later = until(&mut other.watch(), paused).await;
    let left = later.nodes[0].pause.as_ref().unwrap().left;
    assert!(left < Duration::from_secs(4), "not that of a ttl of its own, 30 s: {later}");
}

#[test]
fn a_flush_is_seen_by_the_next_request_and_ends_with_the_next_grant() {
    let server = server();
    let locks = connect_with_ttl(&server, Duration::from_secs(2));
    locks.mutex("a").acquire_blocking().unwrap().release_blocking().unwrap();
    server.command(&["FLUSHALL"]);
    thread::scope(|scope| {
        let waits = scope.spawn(|| locks.mutex("a").wait(LIMIT).acquire_blocking());
        let reason = || locks.status().nodes[0].pause.as_ref().map(|pause| pause.reason);
        eventually(LIMIT, "it is seen", || reason() == Some(PauseReason::DataLoss));
        let granted = waits.join().unwrap().unwrap();
        assert_eq!(reason(), None);
        granted.release_blocking().unwrap();
    });
}

#[test]
fn holds_and_waiting_requests_are_counted() {
    let server = server();
    for url in [server.url(), "memory://counted".to_owned()] {
        let locks = LockManager::connect(&url).unwrap();
        let counts = || {
            let status = locks.status();
            (status.holds, status.waiting)
        };
        let held = locks.mutex("a").acquire_blocking().unwrap();
        let nested = held.enter(|| locks.mutex("a").acquire_blocking().unwrap());
        let strict = locks.mutex("b").strict_fifo().acquire_blocking().unwrap();
        let both = locks.mutex_many(["c", "d"]).acquire_blocking().unwrap();
        assert_eq!(counts(), (4, 0), "{url}");
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| locks.mutex("a").wait(LIMIT).acquire_blocking().map(drop).unwrap());
            }
            until_waiting(&locks, "a", 3);
            assert_eq!(counts(), (4, 3), "{url}");
            drop(nested);
            held.release_blocking().unwrap();
        });
        let busy = locks.mutex("b").wait(Duration::ZERO).acquire_blocking();
        busy.expect_err("it is held");
        drop((strict, both));
        assert_eq!(counts(), (0, 0), "{url}");
    }
}

#[tokio::test]
async fn a_watch_ends_with_its_manager_and_does_not_keep_it() {
    let server = server();
    for stop in [true, false] {
        let locks = connect(&server);
        let mut watch = locks.watch();
        until(&mut watch, ManagerStatus::is_ready).await;
        let next = tokio::spawn(async move { watch.next().await });
        if stop {
            locks.shutdown().await;
            assert!(!locks.status().is_connected());
            let why = locks.status().nodes[0].error.clone();
            assert!(why.is_some_and(|why| why.contains("shut down")));
        } else {
            drop(locks);
        }
        assert!(timeout(LIMIT, next).await.expect("it ends").unwrap().is_none());
    }
    let clients = || server.command(&["CLIENT", "LIST"]);
    eventually(LIMIT, "the connections are gone", || {
        format!("{:?}", clients()).matches("lib-name=distlock").count() == 0
    });
}

#[tokio::test]
async fn no_change_is_missed_if_a_future_is_dropped() {
    let server = server();
    let locks = connect(&server);
    let mut watch = locks.watch();
    until(&mut watch, ManagerStatus::is_ready).await;
    let unchanged = timeout(Duration::from_millis(1), watch.next()).await;
    unchanged.expect_err("nothing has changed");
    server.kill();
    eventually(LIMIT, "it is noticed", || !locks.status().is_connected());
    let next = timeout(LIMIT, watch.next()).await.expect("it has changed").unwrap();
    assert!(!next.is_connected(), "{next}");
}

#[tokio::test]
async fn a_status_names_the_primary_of_sentinels_and_the_nodes_of_a_cluster() {
    let all = Sentinels::start().unwrap();
    let locks = LockManager::connect(&all.url()).unwrap();
    let status = until(&mut locks.watch(), ManagerStatus::is_connected).await;
    assert_eq!(status.server, ServerKind::Sentinel);
    let port = all.server_proxy(all.primary()).port();
    assert_eq!(status.nodes[0].address, format!("127.0.0.1:{port}"), "{status}");

    let all = Cluster::start().unwrap();
    let locks = LockManager::connect(&all.url()).unwrap();
    let has_all = |status: &ManagerStatus| status.is_connected() && status.nodes.len() == 3;
    let status = until(&mut locks.watch(), has_all).await;
    assert_eq!(status.server, ServerKind::Cluster);
    let addresses = all.addresses();
    let known = status.nodes.iter().all(|node| addresses.contains(&node.address));
    assert!(known, "{status} of {addresses:?}");
    let guard = locks.mutex("a").acquire().await.unwrap();
    assert_eq!(locks.status().holds, 1);
    guard.release().await.unwrap();
}
