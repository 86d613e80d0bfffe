//! The duration of a hold.

use std::thread;
use std::time::{Duration, Instant};

use distlock::{Hold, LockError, LockManager, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, server};

const SHORT: Duration = Duration::from_millis(300);

/// The remaining ttl of the key on the server.
fn server_ttl(server: &RedisServer) -> Duration {
    let mut pttl = redis::cmd("PTTL");
    let left: i64 = pttl.arg("lock:{lease}").query(&mut server.connection()).unwrap();
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

fn until_over(hold: &Hold) {
    eventually(LIMIT, "the hold is over", || !hold.is_valid());
}

#[distributed_lock("lease", manager = locks, ttl = SHORT, hold = hold)]
fn outlive_the_ttl(locks: &LockManager) -> Result<(), LockError> {
    let start = Instant::now();
    while start.elapsed() < SHORT * 5 {
        hold.check()?;
        assert!(hold.remaining() < SHORT);
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
fn a_hold_is_renewed_for_as_long_as_its_section_runs() {
    let server = server();
    outlive_the_ttl(&connect(&server)).unwrap();
}

#[distributed_lock("lease", manager = locks, ttl = SHORT, hold = hold)]
async fn block_the_worker(locks: &LockManager) -> Result<(), LockError> {
    thread::sleep(SHORT * 3);
    hold.check()
}

#[tokio::test]
async fn a_hold_is_renewed_while_its_section_blocks_the_only_worker() {
    let server = server();
    block_the_worker(&connect(&server)).await.unwrap();
}

#[distributed_lock("lease", manager = locks, ttl = SHORT, renew = false, hold = hold)]
fn outlive_without_renewal(locks: &LockManager) -> Result<Duration, LockError> {
    let start = Instant::now();
    until_over(&hold);
    assert!((SHORT / 2..SHORT + SHORT).contains(&start.elapsed()), "{:?}", start.elapsed());
    Ok(start.elapsed())
}

#[test]
fn a_hold_without_renewal_ends_with_its_ttl() {
    let server = server();
    let locks = connect(&server);
    let error = outlive_without_renewal(&locks).unwrap_err();
    assert!(matches!(error, LockError::Lost { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("was lost while it was held") && text.contains("fencing"), "{text}");
    locks.mutex("lease").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[distributed_lock("lease", manager = locks, ttl = SHORT, max_hold = SHORT * 2, hold = hold)]
fn outlive_the_longest_hold(locks: &LockManager) -> Result<(), LockError> {
    let start = Instant::now();
    until_over(&hold);
    assert!(start.elapsed() > SHORT * 3 / 2, "it was renewed before: {:?}", start.elapsed());
    // The clock tells of the end at once; why it ended is known when the server has said so.
    thread::sleep(Duration::from_millis(50));
    Ok(())
}

#[test]
fn max_hold_ends_a_renewed_hold() {
    let server = server();
    let locks = connect(&server);
    let error = outlive_the_longest_hold(&locks).unwrap_err();
    assert!(error.to_string().contains("max_hold"), "{error}");
    locks.mutex("lease").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[distributed_lock("lease", manager = locks, ttl = "5s", hold = hold)]
fn lengthen(locks: &LockManager, server: &RedisServer) -> Result<(), LockError> {
    assert!(hold.remaining() < Duration::from_secs(5));
    let nested = locks.mutex("lease").ttl(Duration::from_secs(60)).acquire_blocking()?;
    eventually(LIMIT, "the lease is lengthened", || {
        hold.remaining() > Duration::from_secs(50) && server_ttl(server) > Duration::from_secs(50)
    });
    nested.release_blocking()?;
    let shorter = locks.mutex("lease").ttl(SHORT).acquire_blocking()?;
    thread::sleep(SHORT * 2);
    assert!(shorter.hold().remaining() > Duration::from_secs(40), "{:?}", hold.remaining());
    assert!(server_ttl(server) > Duration::from_secs(40));
    Ok(())
}

#[test]
fn a_nested_call_lengthens_the_lease_and_never_shortens_it() {
    let server = server();
    lengthen(&connect(&server), &server).unwrap();
}

#[test]
fn the_key_outlives_the_validity_that_its_holder_sees() {
    let server = server();
    let locks = connect(&server);
    let guard =
        locks.mutex("lease").ttl(Duration::from_secs(5)).renew(false).acquire_blocking().unwrap();
    for _ in 0..20 {
        let seen = guard.hold().remaining();
        let real = server_ttl(&server);
        assert!(seen <= Duration::from_secs(5), "{seen:?}");
        let later = guard.hold().remaining();
        assert!(later < real, "valid for {later:?}, kept for {real:?}");
    }
}

#[test]
fn max_hold_ends_a_leaked_hold() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("lease").ttl(SHORT).max_hold(SHORT).acquire_blocking().unwrap();
    std::mem::forget(guard);
    locks.mutex("lease").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}
