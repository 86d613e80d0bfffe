//! The service under faults of the in-memory server.

use std::time::{Duration, Instant};

use distlock::testing::MemoryServer;
use distlock::{LockError, LockManager};
use testkit::eventually;

const TTL: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_secs(20);

fn connect(server: &MemoryServer) -> LockManager {
    let builder = LockManager::builder().url(server.url()).ttl(TTL).outage_timeout(TTL);
    builder.build().unwrap()
}

#[test]
fn a_deleted_hold_is_lost_and_its_lock_is_free() {
    let server = MemoryServer::named("lose");
    let (locks, others) = (connect(&server), connect(&server));
    let guard = locks.mutex("stock").acquire_blocking().unwrap();
    assert!(others.mutex("stock").try_acquire_blocking().unwrap().is_none());
    server.lose("stock");
    let second = others.mutex("stock").try_acquire_blocking().unwrap().expect("it is free");
    assert!(second.fence() > guard.fence());
    eventually(LIMIT, "the loss is noticed", || !guard.hold().is_valid());
    let lost = guard.release_blocking().unwrap_err();
    assert!(matches!(lost, LockError::Lost(_)), "{lost}");
    second.release_blocking().unwrap();
}

#[tokio::test]
async fn a_lost_hold_cancels_its_future() {
    let server = MemoryServer::named("lose, async");
    let guard = connect(&server).mutex("stock").acquire().await.unwrap();
    server.lose("stock");
    let lost = guard.scope(std::future::pending::<()>()).await.unwrap_err();
    assert!(matches!(lost, LockError::Lost(_)), "{lost}");
}

#[test]
fn a_server_that_is_down_is_unavailable_and_ends_holds_and_waits() {
    let server = MemoryServer::named("down");
    let (locks, others) = (connect(&server), connect(&server));
    let guard = locks.mutex("stock").acquire_blocking().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| others.mutex("stock").acquire_blocking().map(drop));
        eventually(LIMIT, "it waits", || locks.inspect_blocking("stock").unwrap().waiting == 1);
        server.go_down();
        let refused = waits.join().unwrap().unwrap_err();
        assert!(matches!(refused, LockError::Unavailable(_)), "{refused}");
    });
    let refused = locks.mutex("other").acquire_blocking().unwrap_err();
    assert!(matches!(refused, LockError::Unavailable(_)), "{refused}");
    assert!(locks.inspect_blocking("stock").is_err());
    eventually(LIMIT, "the hold is over", || !guard.hold().is_valid());
    drop(guard);
    server.come_back();
    let served = || others.mutex("stock").acquire_blocking().is_ok();
    eventually(LIMIT, "the lock is granted again", served);
    eventually(LIMIT, "it is free", || {
        // The other manager may still be about to connect again.
        locks.inspect_blocking("stock").is_ok_and(|seen| seen.holder.is_none())
    });
}

#[test]
fn a_short_outage_is_survived_by_holds_and_waits() {
    let server = MemoryServer::named("short");
    let builder = || LockManager::builder().url(server.url()).ttl(LIMIT).outage_timeout(LIMIT);
    let (locks, others) = (builder().build().unwrap(), builder().build().unwrap());
    let guard = locks.mutex("stock").acquire_blocking().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| others.mutex("stock").wait(LIMIT).acquire_blocking().map(drop));
        eventually(LIMIT, "it waits", || locks.inspect_blocking("stock").unwrap().waiting == 1);
        server.go_down();
        server.come_back();
        assert!(guard.hold().is_valid());
        guard.release_blocking().unwrap();
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn a_data_loss_starts_the_grace_period() {
    let server = MemoryServer::named("flush");
    let locks = connect(&server);
    let guard = locks.mutex("stock").acquire_blocking().unwrap();
    server.flush();
    let refused = locks.mutex("other").wait(Duration::ZERO).acquire_blocking().unwrap_err();
    assert!(matches!(refused, LockError::DataLoss(_)), "{refused}");
    let start = Instant::now();
    let after = locks.mutex("other").wait(LIMIT).acquire_blocking().unwrap();
    assert!(!guard.hold().is_valid(), "granted after {:?}", start.elapsed());
    assert!(after.fence() > guard.fence());
}
