//! The state of a hold after its release.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use distlock::{Hold, LockManager};
use distlock::{LockError, distributed_lock};

use crate::support::{connect_with_ttl, server, until_free};

const TTL: Duration = Duration::from_millis(200);

#[distributed_lock("released", manager = locks, hold = hold)]
fn take(locks: &LockManager) -> Result<Hold, LockError> {
    assert_eq!(hold.depth(), 1);
    Ok(hold)
}

fn assert_released(hold: &Hold) {
    let error = hold.check().expect_err("it is not held any more");
    assert!(matches!(error, LockError::Lost(_)), "{error:?}");
    assert!(error.to_string().contains("it was released"), "{error}");
    let error = hold.share().expect_err("it is not held any more");
    assert!(error.to_string().contains("it was released"), "{error}");
    assert!(!hold.is_valid() && hold.remaining().is_zero());
}

#[test]
fn a_released_hold_stays_released() {
    let server = server();
    let locks = connect_with_ttl(&server, TTL);
    let guard = locks.mutex("released").acquire_blocking().unwrap();
    let by_guard = guard.hold().clone();
    guard.release_blocking().unwrap();
    let by_call = take(&locks).unwrap();
    let confirmed = locks.mutex("released").wait_for_release().acquire_blocking().unwrap();
    let by_answer = confirmed.hold().clone();
    confirmed.release_blocking().unwrap();
    let shared = locks.mutex("released").acquire_blocking().unwrap();
    let share = shared.hold().share().unwrap();
    let by_share = shared.hold().clone();
    drop(shared);
    by_share.check().expect("a share keeps it");
    drop(share);
    let holds = [by_guard, by_call, by_answer, by_share];
    holds.iter().for_each(assert_released);
    let mut watches: Vec<_> = holds.iter().map(|hold| Box::pin(hold.lost())).collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut alarms = || watches.iter_mut().any(|lost| lost.as_mut().poll(&mut context).is_ready());
    assert!(!alarms());
    // Until after the deadlines that they had.
    thread::sleep(TTL * 2);
    holds.iter().for_each(assert_released);
    assert!(!alarms(), "a release is no loss");
    let mut late = Box::pin(holds[0].lost());
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    until_free(&locks, "released");
}

#[distributed_lock("released", manager = locks, hold = hold)]
async fn nest(locks: &LockManager, levels: usize) -> Result<Hold, LockError> {
    if levels > 1 { Box::pin(nest(locks, levels - 1)).await } else { Ok(hold) }
}

#[test]
fn a_hold_knows_how_deep_it_was_re_entered() {
    let server = server();
    let locks = Arc::new(connect_with_ttl(&server, TTL));
    assert_eq!(futures::executor::block_on(nest(&locks, 5)).unwrap().depth(), 5);
    let guard = locks.mutex("released").acquire_blocking().unwrap();
    let other = guard.enter(|| locks.mutex("another").acquire_blocking()).unwrap();
    assert_eq!(other.hold().depth(), 1, "of another key");
    let inner = other.enter(|| locks.mutex("released").acquire_blocking()).unwrap();
    assert_eq!((guard.hold().depth(), inner.hold().depth()), (1, 2));
    assert_eq!(inner.hold().for_key("released").unwrap().depth(), 2);
    let share = inner.hold().share().unwrap();
    let seen = thread::spawn(move || share.run(|| distlock::current().unwrap().depth()));
    assert_eq!(seen.join().unwrap(), 2);
}
