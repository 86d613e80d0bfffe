//! After a data loss nothing is granted until the longest lease of any process has ended, no matter
//! which process asks first. A manager acts as a process: it has its own connection and state.

use std::time::{Duration, Instant};

use distlock::{LockError, LockGuard, LockManager};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, server};

const SHORT: Duration = Duration::from_secs(1);
/// Renewed after a third, which is later than the short ones have waited.
const LONG: Duration = Duration::from_secs(5);

fn manager(server: &RedisServer, ttl: Duration, waits: bool) -> LockManager {
    let builder = LockManager::builder().url(server.url()).ttl(ttl);
    builder.data_loss_grace(waits).build().unwrap()
}

/// Connects the manager.
fn connect(locks: &LockManager) {
    locks.mutex("connected").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

fn connected(server: &RedisServer, ttl: Duration) -> LockManager {
    let locks = manager(server, ttl, true);
    connect(&locks);
    locks
}

/// What `holder` has is not granted a second time while it is valid: neither to `first`, which asks
/// for another key before anybody else does, nor to `then`. Its hold is not renewed, so that it
/// stays valid without the server.
#[track_caller]
fn assert_waited_out(held: &LockGuard, first: &LockManager, then: &LockManager) {
    let start = Instant::now();
    // As long as its own leases last, and then some: what it does not know of must not let it
    // through.
    let early = first.mutex("unrelated").wait(SHORT * 3).acquire_blocking();
    assert!(matches!(early, Err(LockError::DataLoss(_))), "{early:?} after {:?}", start.elapsed());
    let second = then.mutex("bounds").wait(LIMIT).acquire_blocking().unwrap();
    assert!(!held.hold().is_valid(), "two holds are valid, after {:?}", start.elapsed());
    assert!(second.fence() > held.fence());
}

fn hold(locks: &LockManager, ttl: Duration) -> LockGuard {
    locks.mutex("bounds").ttl(ttl).renew(false).wait(LIMIT).acquire_blocking().unwrap()
}

#[test]
fn the_first_request_after_a_flush_waits_for_the_longest_lease() {
    let server = server();
    let (short, third) = (connected(&server, SHORT), connected(&server, SHORT));
    let held = hold(&connected(&server, LONG), LONG);
    server.command(&["FLUSHALL"]);
    assert_waited_out(&held, &short, &third);
}

#[test]
fn a_lease_of_a_single_call_counts_too() {
    let server = server();
    let short = connected(&server, SHORT);
    let other = connected(&server, SHORT);
    let held = hold(&other, LONG);
    server.command(&["FLUSHALL"]);
    assert_waited_out(&held, &short, &other);
}

#[test]
fn a_new_process_after_a_flush_waits_for_the_longest_lease() {
    let server = server();
    let held = hold(&connected(&server, SHORT), LONG);
    server.command(&["FLUSHALL"]);
    let newcomer = manager(&server, SHORT, true);
    assert_waited_out(&held, &newcomer, &newcomer);
}

#[test]
fn a_new_process_learns_of_the_longest_lease_although_the_scripts_were_flushed() {
    let server = server();
    let held = hold(&connected(&server, SHORT), LONG);
    server.command(&["SCRIPT", "FLUSH"]);
    let newcomer = connected(&server, SHORT);
    server.command(&["FLUSHALL"]);
    assert_waited_out(&held, &newcomer, &newcomer);
}

#[test]
fn a_hold_that_a_nested_call_lengthens_counts_with_its_new_ttl() {
    let server = server();
    let short = connected(&server, SHORT);
    let other = connected(&server, SHORT);
    let guard = other.mutex("bounds").wait(LIMIT).acquire_blocking().unwrap();
    guard.enter(|| {
        let nested = other.mutex("bounds").ttl(LONG).acquire_blocking().unwrap();
        eventually(LIMIT, "the hold is lengthened", || nested.hold().remaining() > SHORT * 2);
        nested.release_blocking().unwrap();
    });
    server.command(&["FLUSHALL"]);
    let early = short.mutex("unrelated").wait(SHORT * 3).acquire_blocking();
    assert!(matches!(early, Err(LockError::DataLoss(_))), "{early:?}");
}

#[test]
fn a_process_without_the_grace_period_does_not_shorten_it_for_others() {
    let server = server();
    let third = connected(&server, SHORT);
    let careless = manager(&server, SHORT, false);
    connect(&careless);
    let held = hold(&connected(&server, LONG), LONG);
    server.command(&["FLUSHALL"]);
    let tokens: Vec<_> = ["one", "two", "three"]
        .map(|key| {
            careless.mutex(key).wait(SHORT).acquire_blocking().expect("it does not wait").fence()
        })
        .into();
    assert!(held.fence() < tokens[0] && tokens.is_sorted(), "{tokens:?} after {}", held.fence());
    assert_waited_out(&held, &third, &third);
}

#[test]
fn after_a_restart_without_data_processes_that_were_connected_know_how_long_to_wait() {
    let server = server();
    let (short, third) = (connected(&server, SHORT), connected(&server, SHORT));
    let held = hold(&connected(&server, LONG), LONG);
    server.restart().unwrap();
    assert_waited_out(&held, &short, &third);
}

#[test]
fn a_flush_of_the_scripts_before_one_of_the_data_hides_no_lease() {
    let server = server();
    let (short, third) = (connected(&server, SHORT), connected(&server, SHORT));
    let held = hold(&connected(&server, LONG), LONG);
    server.command(&["SCRIPT", "FLUSH"]);
    connect(&short);
    // The scripts that it has loaded again show the bound to a new process.
    let newcomer = manager(&server, SHORT, true);
    server.command(&["FLUSHALL"]);
    assert_waited_out(&held, &newcomer, &third);
}

#[test]
fn a_call_whose_wait_ends_before_the_grace_period_fails_at_once() {
    let server = server();
    let locks = connected(&server, LONG);
    server.command(&["FLUSHALL"]);
    let start = Instant::now();
    let wait = LONG / 2;
    let Err(LockError::DataLoss(loss)) = locks.mutex("bounds").wait(wait).acquire_blocking() else {
        panic!("it is not waited out");
    };
    assert!(loss.left.is_some_and(|left| left > wait), "{loss:?}");
    assert!(start.elapsed() < wait / 2, "after {:?}", start.elapsed());

    // Behind a call that can wait, too: those before the first answer and those after it.
    std::thread::scope(|scope| {
        let patient =
            scope.spawn(|| locks.mutex("bounds").wait(LIMIT).acquire_blocking().map(drop));
        let refused = |_| {
            let start = Instant::now();
            let refused = locks.mutex("bounds").wait(LONG / 3).acquire_blocking();
            assert!(matches!(refused, Err(LockError::DataLoss(_))), "{refused:?}");
            start.elapsed()
        };
        for waited in [0; 3].map(refused) {
            assert!(waited < LONG / 6, "after {waited:?}");
        }
        patient.join().unwrap().unwrap();
    });
}
