//! Futures that are granted a lock and not polled: in a `select!` loop, a paused stream, a
//! variable.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use distlock::{LockError, LockGuard, LockManager, LockRequest};
use futures::task::noop_waker;

use crate::support::{LIMIT, connect, server, traces};

/// A grant waits two seconds for its request; the rest allows for a slow machine.
const TAKEN_BACK: Duration = Duration::from_secs(10);

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&noop_waker()))
}

/// A request that is polled once and then kept does not keep the lock from another process, and
/// gets it when it is polled again.
fn kept(request: impl Fn(&LockManager) -> LockRequest) {
    let server = server();
    let (ours, other) = (connect(&server), connect(&server));
    let held = request(&ours).acquire_blocking().unwrap();
    let asking = request(&ours);
    let mut waiting = Box::pin(asking.acquire());
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop(held);
    let start = Instant::now();
    let guard = request(&other).wait(LIMIT).acquire_blocking().expect("the grant was taken back");
    let fence = guard.fence();
    assert!(start.elapsed() < TAKEN_BACK, "{:?}", start.elapsed());
    assert!(poll_once(waiting.as_mut()).is_pending(), "it asks again");
    guard.release_blocking().unwrap();
    let guard = runtime().block_on(waiting).expect("it has the lock in its turn");
    assert!(guard.fence() > fence);
    guard.release_blocking().unwrap();
    testkit::eventually(LIMIT, "nothing is left", || traces(&server).is_empty());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_future_that_is_kept_and_not_polled_does_not_keep_the_lock() {
    kept(|locks| locks.mutex("unpolled"));
}

#[test]
fn nor_one_that_is_fair_across_the_cluster() {
    kept(|locks| locks.mutex("unpolled").strict_fifo());
}

#[test]
fn nor_one_with_a_short_ttl() {
    kept(|locks| locks.mutex("unpolled").ttl(Duration::from_millis(700)));
}

#[test]
fn nor_one_for_several_keys() {
    let server = server();
    let (ours, other) = (connect(&server), connect(&server));
    ours.mutex("unpolled:a").acquire_blocking().unwrap().release_blocking().unwrap();
    let asking = ours.mutex_many(["unpolled:a", "unpolled:b"]);
    // On a busy machine the answer may be there before the first poll ends.
    let waiting = loop {
        let mut asked = Box::pin(asking.acquire());
        if poll_once(asked.as_mut()).is_pending() {
            break asked;
        }
    };
    crate::support::until_held(&other, "unpolled:b");
    let both = other.mutex_many(["unpolled:a", "unpolled:b"]);
    let start = Instant::now();
    both.wait(LIMIT)
        .acquire_blocking()
        .expect("the grants were taken back")
        .release_blocking()
        .unwrap();
    assert!(start.elapsed() < TAKEN_BACK, "{:?}", start.elapsed());
    let guard = runtime().block_on(waiting).expect("both are had when it is polled");
    guard.release_blocking().unwrap();
}

#[test]
fn a_task_that_requests_a_key_twice_does_not_wait_for_itself() {
    let server = server();
    let locks = connect(&server);
    let outcome: Result<LockGuard, LockError> = runtime().block_on(async {
        let held = locks.mutex("unpolled").acquire().await?;
        let asking = locks.mutex("unpolled");
        let mut first = Box::pin(asking.acquire());
        tokio::select! {
            _ = &mut first => unreachable!("it is held"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        drop(held);
        let again = locks.mutex("unpolled");
        tokio::time::timeout(LIMIT, again.acquire()).await.expect("it ends")
    });
    outcome.unwrap().release_blocking().unwrap();
}

#[test]
fn a_call_polled_after_its_deadline_returns_that_the_lock_was_busy() {
    let server = server();
    let (ours, other) = (connect(&server), connect(&server));
    let held = ours.mutex("unpolled").acquire_blocking().unwrap();
    let asking = ours.mutex("unpolled").wait(Duration::from_secs(3));
    let mut waiting = Box::pin(asking.acquire());
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop(held);
    let guard =
        other.mutex("unpolled").wait(LIMIT).acquire_blocking().expect("the grant was taken back");
    std::thread::sleep(Duration::from_secs(3));
    let error = runtime().block_on(waiting).unwrap_err();
    assert!(matches!(error, LockError::Busy(_)), "{error:?}");
    drop(guard);
}

#[test]
fn a_confirmed_grant_is_renewed_as_long_as_its_owner_holds_it() {
    let server = server();
    let (ours, other) = (connect(&server), connect(&server));
    let guards = [
        ours.mutex("a").acquire_blocking().unwrap(),
        ours.mutex("b").strict_fifo().acquire_blocking().unwrap(),
        ours.mutex_many(["c", "d"]).acquire_blocking().unwrap(),
    ];
    let wait = Duration::from_secs(4);
    std::thread::scope(|scope| {
        for key in ["a", "b", "c", "d"] {
            let other = &other;
            scope.spawn(move || {
                assert!(other.mutex(key).wait(wait).acquire_blocking().is_err(), "{key}");
            });
        }
    });
    assert!(guards.iter().all(|guard| guard.hold().is_valid()));
}
