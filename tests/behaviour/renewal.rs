//! Holds that are renewed on demand, and callbacks of holds.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, connect_with_ttl, inspect, server, until_waiting};

const SECOND: Duration = Duration::from_secs(1);

fn expires_in(locks: &LockManager, key: &str) -> Duration {
    inspect(locks, key).expires_in.expect("it is held")
}

#[test]
fn extend_renews_now_and_says_how_long_the_hold_is_valid() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("renewal").ttl(5 * SECOND).renew(false).acquire_blocking().unwrap();
    let fence = guard.fence();
    let left = guard.hold().extend_blocking(60 * SECOND).unwrap();
    assert!((50 * SECOND..=60 * SECOND).contains(&left), "{left:?}");
    assert!(guard.hold().remaining() <= left);
    assert!(expires_in(&locks, "renewal") > 50 * SECOND);
    // What was asked for is the least.
    let left = guard.hold().extend_blocking(SECOND).unwrap();
    assert!(left > 50 * SECOND, "{left:?}");
    assert_eq!(guard.fence(), fence);
    guard.release_blocking().unwrap();
}

#[test]
fn renew_gives_a_hold_without_renewals_its_ttl_once_more() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("renewal").ttl(SECOND).renew(false).acquire_blocking().unwrap();
    eventually(LIMIT, "half of it is over", || guard.hold().remaining() < SECOND / 2);
    let left = guard.hold().renew_blocking().unwrap();
    assert!(left > SECOND / 2 && left <= SECOND, "{left:?}");
    eventually(LIMIT, "nothing renews it again", || !guard.hold().is_valid());
    let refused = guard.hold().renew_blocking().unwrap_err();
    assert!(matches!(refused, LockError::Lost(_)), "{refused}");
}

#[tokio::test]
async fn a_body_extends_its_hold_in_async_code_and_keeps_it_longer() {
    #[distributed_lock("renewal", manager = locks, ttl = "300ms", hold = hold)]
    async fn body(locks: &LockManager) -> Result<Duration, LockError> {
        hold.extend(10 * SECOND).await?;
        let first = hold.remaining();
        assert!(first > 9 * SECOND, "{first:?}");
        hold.renew().await
    }
    let server = server();
    let left = body(&connect(&server)).await.unwrap();
    assert!(left > 9 * SECOND, "the longer ttl stays: {left:?}");
}

#[test]
fn extend_keeps_to_max_hold_and_to_what_a_ttl_can_be() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("renewal").ttl(SECOND).max_hold(5 * SECOND).acquire_blocking().unwrap();
    let left = guard.hold().extend_blocking(60 * SECOND).unwrap();
    assert!(left <= 5 * SECOND, "{left:?}");
    for ttl in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
        let refused = guard.hold().extend_blocking(ttl).unwrap_err();
        assert!(matches!(refused, LockError::Config(_)), "{refused}");
    }
}

#[test]
fn extend_works_for_strict_fifo_and_multi_key_holds() {
    let server = server();
    let locks = connect(&server);
    let alone = locks.mutex("alone").ttl(SECOND).strict_fifo().acquire_blocking().unwrap();
    assert!(alone.hold().extend_blocking(60 * SECOND).unwrap() > 50 * SECOND);
    let both = locks.mutex_many(["one", "two"]).ttl(SECOND).acquire_blocking().unwrap();
    for key in ["one", "two"] {
        let hold = both.hold().for_key(key).expect("it is one of them");
        assert!(hold.extend_blocking(60 * SECOND).unwrap() > 50 * SECOND);
    }
}

#[test]
fn extend_of_a_hold_that_is_over_is_an_error() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("renewal").acquire_blocking().unwrap();
    let hold = guard.hold().clone();
    guard.release_blocking().unwrap();
    assert!(matches!(hold.extend_blocking(SECOND), Err(LockError::Lost(_))));
    let guard = locks.mutex("renewal").acquire_blocking().unwrap();
    server.command(&["DEL", "lock:{renewal}"]);
    assert!(
        matches!(guard.hold().renew_blocking(), Err(LockError::Lost(_))),
        "the server has not got it"
    );
    drop(guard);
    let guard = locks.mutex("renewal").acquire_blocking().unwrap();
    locks.shutdown_blocking();
    assert!(matches!(guard.hold().renew_blocking(), Err(LockError::Lost(_))));
}

#[test]
fn extend_waits_for_a_stopped_server_until_the_hold_is_over() {
    let server = server();
    let locks = connect_with_ttl(&server, SECOND);
    let guard = locks.mutex("renewal").acquire_blocking().unwrap();
    server.pause();
    assert!(matches!(guard.hold().extend_blocking(60 * SECOND), Err(LockError::Lost(_))));
    server.resume();
}

fn delete(server: &RedisServer) {
    server.command(&["DEL", "lock:{renewal}"]);
}

#[test]
fn the_loss_callback_runs_on_its_own_thread() {
    let server = server();
    let locks = connect_with_ttl(&server, SECOND);
    let guard = locks.mutex("renewal").acquire_blocking().unwrap();
    let (notify, notified) = channel();
    let again = notify.clone();
    guard.hold().on_lost(|_| panic!("a bug in a callback: it ends there"));
    let nested = locks.clone();
    guard.hold().on_lost(move |error| {
        // It may take locks, which a callback on the thread of the locks could not.
        let lock = nested.mutex("other").acquire_blocking().map(drop);
        notify.send((error, lock, thread::current().id())).unwrap();
    });
    delete(&server);
    let (error, lock, id) = notified.recv_timeout(LIMIT).unwrap();
    assert!(matches!(error, LockError::Lost(_)), "{error}");
    assert_eq!(error.key(), Some("renewal"));
    lock.unwrap();
    assert_ne!(id, thread::current().id());
    // It is lost already.
    guard.hold().on_lost(move |error| again.send((error, Ok(()), thread::current().id())).unwrap());
    assert!(matches!(notified.recv_timeout(LIMIT).unwrap().0, LockError::Lost(_)));
    assert!(guard.release_blocking().is_err());
    locks.mutex("other").acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_release_does_not_run_the_loss_callback() {
    let server = server();
    let locks = connect_with_ttl(&server, SECOND / 5);
    let (notify, notified) = channel::<()>();
    let (lost, contended) = (notify.clone(), notify);
    let guard = locks.mutex("renewal").acquire_blocking().unwrap();
    guard.hold().on_lost(move |_| lost.send(()).unwrap());
    guard.hold().on_contended(move || contended.send(()).unwrap());
    let hold = guard.hold().clone();
    guard.release_blocking().unwrap();
    locks.mutex("renewal").acquire_blocking().unwrap().release_blocking().unwrap();
    drop(hold);
    // Both are gone uncalled, with the hold.
    assert_eq!(notified.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_holder_learns_of_waiters_in_its_own_and_in_other_processes() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    for waiting in [&others, &locks] {
        for global in [false, true] {
            let request = |locks: &LockManager| {
                let request = locks.mutex("renewal").wait(LIMIT);
                if global { request.strict_fifo() } else { request }
            };
            let guard = request(&locks).acquire_blocking().unwrap();
            let (notify, notified) = channel();
            let late = notify.clone();
            guard.hold().on_contended(move || notify.send(()).unwrap());
            assert!(
                others.mutex("renewal").try_acquire_blocking().unwrap().is_none(),
                "it does not wait"
            );
            thread::scope(|scope| {
                let waits = scope.spawn(|| request(waiting).acquire_blocking().map(drop));
                notified.recv_timeout(LIMIT).expect("the holder is notified");
                until_waiting(&locks, "renewal", 1);
                guard.hold().on_contended(move || late.send(()).unwrap());
                notified.recv_timeout(LIMIT).expect("one waits already");
                guard.release_blocking().unwrap();
                waits.join().unwrap().unwrap();
            });
        }
    }
}

#[test]
fn a_section_learns_of_waiters_that_existed_before_it() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("renewal").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| {
            let guard = locks.mutex("renewal").acquire_blocking().unwrap();
            let (notify, notified) = channel();
            guard.hold().on_contended(move || notify.send(()).unwrap());
            notified.recv_timeout(LIMIT)
        });
        until_waiting(&locks, "renewal", 1);
        let third = scope.spawn(|| locks.mutex("renewal").acquire_blocking().map(drop));
        until_waiting(&locks, "renewal", 2);
        guard.release_blocking().unwrap();
        assert_eq!(second.join().unwrap(), Ok(()));
        third.join().unwrap().unwrap();
    });
}
