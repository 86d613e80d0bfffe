//! Unreachable servers: no call exceeds its wait, or waits for an outcome that is already known.

use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, distributed_lock};
use testkit::{ReservedPort, eventually};

use crate::support::{LIMIT, server};

/// Enough for an answer that waits for nothing, on a machine that does other things too.
const AT_ONCE: Duration = Duration::from_secs(1);
/// As long as one attempt to connect may take, and half as much.
const ONE_ATTEMPT: Duration = Duration::from_secs(3);

#[distributed_lock("unreachable", manager = locks, if_busy = skip)]
fn skips(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("unreachable", manager = locks, wait = "0s")]
async fn tries_once(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

/// What a call says of a server that cannot be reached, and that it says so within `bound`.
#[track_caller]
fn unavailable<T>(bound: Duration, call: impl FnOnce() -> Result<T, LockError>) {
    let start = Instant::now();
    let Err(error) = call() else { panic!("there is no server") };
    let waited = start.elapsed();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    assert!(waited < bound, "{waited:?}: {error}");
}

/// Every call that does not wait for a lock.
fn calls_that_do_not_wait(locks: &LockManager) {
    let zero = Duration::ZERO;
    unavailable(AT_ONCE, || locks.mutex("unreachable").try_acquire_blocking());
    unavailable(AT_ONCE, || locks.mutex("unreachable").wait(zero).acquire_blocking());
    unavailable(AT_ONCE, || locks.mutex("unreachable").wait(zero).strict_fifo().acquire_blocking());
    unavailable(AT_ONCE, || locks.mutex_many(["unreachable", "other"]).try_acquire_blocking());
    unavailable(AT_ONCE, || locks.inspect_blocking("unreachable"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    unavailable(AT_ONCE, || runtime.block_on(tries_once(locks)));
    unavailable(AT_ONCE, || runtime.block_on(locks.mutex("unreachable").try_acquire()));
}

#[test]
fn a_call_without_wait_fails_at_once_when_there_is_no_server() {
    let port = ReservedPort::new().unwrap();
    let url = port.url();
    let locks = LockManager::connect(&url).unwrap();
    unavailable(ONE_ATTEMPT, || locks.mutex("unreachable").try_acquire_blocking());
    calls_that_do_not_wait(&locks);
    let skipping = LockManager::builder().url(url).wait(Duration::ZERO).build().unwrap();
    unavailable(ONE_ATTEMPT, || skips(&skipping));
    unavailable(AT_ONCE, || skips(&skipping));
}

#[test]
fn a_call_without_wait_fails_at_once_when_the_server_has_gone() {
    let server = server();
    let builder = LockManager::builder().url(server.url()).data_loss_grace(false);
    let locks = builder.build().unwrap();
    locks.mutex("unreachable").acquire_blocking().unwrap().release_blocking().unwrap();
    server.kill();
    unavailable(ONE_ATTEMPT, || locks.mutex("unreachable").try_acquire_blocking());
    calls_that_do_not_wait(&locks);
    server.restart().unwrap();
    eventually(LIMIT, "the server is found again", || {
        locks.mutex("back").try_acquire_blocking().is_ok()
    });
}

#[test]
fn wait_limits_a_call_when_there_is_no_server() {
    let port = ReservedPort::new().unwrap();
    let url = port.url();
    let locks = LockManager::connect(&url).unwrap();
    let wait = Duration::from_millis(100);
    unavailable(AT_ONCE, || locks.mutex("unreachable").wait(wait).acquire_blocking());
    unavailable(AT_ONCE, || {
        locks.mutex_many(["unreachable", "other"]).wait(wait).acquire_blocking()
    });
}

#[test]
fn a_confirmed_release_waits_at_most_for_the_outage_timeout() {
    let server = server();
    let outage = Duration::from_millis(300);
    let builder = LockManager::builder().url(server.url()).ttl(LIMIT * 3).outage_timeout(outage);
    let locks = builder.build().unwrap();
    let one = locks.mutex("one").wait_for_release().acquire_blocking().unwrap();
    let two = locks.mutex("two").strict_fifo().wait_for_release().acquire_blocking().unwrap();
    server.kill();
    let start = Instant::now();
    for guard in [one, two] {
        let error = guard.release_blocking().unwrap_err();
        assert!(error.to_string().contains("did not confirm"), "{error}");
    }
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}
