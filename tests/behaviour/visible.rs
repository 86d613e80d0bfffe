//! What inspection shows of a local handoff and of local waiters.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use distlock::{Fence, LockError, LockManager, distributed_lock};
use testkit::eventually;

use crate::support::{LIMIT, connect, connect_with_ttl, inspect, server, until_waiting};

const WAIT: Duration = Duration::from_millis(300);

#[distributed_lock("visible", manager = locks, hold = hold)]
fn stay(locks: &LockManager, end: &AtomicBool) -> Result<Fence, LockError> {
    eventually(LIMIT, "the test lets it end", || end.load(Ordering::Relaxed));
    Ok(hold.fence())
}

#[distributed_lock("visible", manager = locks)]
fn pass(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn the_section_that_runs_and_those_behind_it_are_seen_in_their_process() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let guard = locks.mutex("visible").acquire_blocking().unwrap();
    let granted = guard.fence();
    let may_end = AtomicBool::new(false);
    thread::scope(|scope| {
        let second = scope.spawn(|| stay(&locks, &may_end));
        until_waiting(&locks, "visible", 1);
        let third = scope.spawn(|| pass(&locks));
        until_waiting(&locks, "visible", 2);
        guard.release_blocking().unwrap();
        until_waiting(&locks, "visible", 1);

        let seen = inspect(&locks, "visible");
        let holder = seen.holder.expect("it was handed on");
        assert_eq!(holder.fence.get(), granted.get() + 1);
        assert!(holder.function.ends_with("visible::stay"), "{}", holder.function);
        let functions: Vec<_> = seen.waiters.iter().map(|one| one.function.as_str()).collect();
        assert!(matches!(functions[..], [one] if one.ends_with("visible::pass")), "{functions:?}");

        let seen = inspect(&others, "visible");
        let holder = seen.holder.expect("that process has it");
        assert_eq!(
            (holder.fence, seen.waiting),
            (granted, 0),
            "the fence and the waiters on the server"
        );

        may_end.store(true, Ordering::Relaxed);
        assert_eq!(second.join().unwrap().unwrap().get(), granted.get() + 1);
        third.join().unwrap().unwrap();
    });
}

/// The holder's token, and how many came first.
#[track_caller]
fn refusal(locks: &LockManager) -> (Fence, u64) {
    let end = locks.mutex("visible").wait(WAIT).acquire_blocking().unwrap_err();
    let LockError::Busy(busy) = end else { panic!("{end:?}") };
    assert!((WAIT..LIMIT).contains(&busy.waited), "{:?}", busy.waited);
    (busy.holder.expect("the holder is known").fence, busy.ahead)
}

#[test]
fn the_position_counts_waiters_of_all_processes() {
    let server = server();
    let (theirs, elsewhere, locks) = (connect(&server), connect(&server), connect(&server));
    let guard = theirs.mutex("visible").acquire_blocking().unwrap();
    let fence = guard.fence();
    thread::scope(|scope| {
        let foreign = scope.spawn(|| pass(&elsewhere));
        until_waiting(&locks, "visible", 1);
        assert_eq!(refusal(&locks), (fence, 1), "the first here, as the server says");
        let first = scope.spawn(|| pass(&locks));
        until_waiting(&locks, "visible", 2);
        assert_eq!(refusal(&locks), (fence, 2));
        let second = scope.spawn(|| pass(&locks));
        until_waiting(&locks, "visible", 3);
        assert_eq!(refusal(&locks), (fence, 3));
        assert_eq!(inspect(&locks, "visible").waiting, 3);
        assert_eq!(inspect(&elsewhere, "visible").waiting, 2, "one for each process");
        guard.release_blocking().unwrap();
        for waiter in [foreign, first, second] {
            waiter.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_busy_error_says_when_the_lease_of_the_holder_ends() {
    let server = server();
    let (theirs, locks) = (connect_with_ttl(&server, LIMIT), connect(&server));
    let _guard = theirs.mutex("visible").acquire_blocking().unwrap();
    let after = |wait| {
        let end = locks.mutex("visible").wait(wait).acquire_blocking().unwrap_err();
        let LockError::Busy(busy) = &end else { panic!("{end:?}") };
        assert_eq!(end.retry_after(), busy.retry_after());
        busy.retry_after().expect("the server knows")
    };
    // The key lives longer than the lease by the guard.
    let longest = LIMIT + LIMIT / 50;
    let first = after(Duration::ZERO);
    assert!((LIMIT / 2..=longest).contains(&first), "{first:?}");
    // By the server's last word, not by its first.
    let wait = Duration::from_secs(2);
    let second = after(wait);
    assert!(second + wait / 2 <= longest, "{second:?}");
}

/// One that tries once behind a section of its own process asks the server, which knows the first
/// section of the hold.
#[test]
fn a_single_attempt_fails_while_the_lock_lingers_elsewhere() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("visible").acquire_blocking().unwrap();
    let end = locks.mutex("visible").wait(Duration::ZERO).acquire_blocking().unwrap_err();
    let LockError::Busy(busy) = end else { panic!("{end:?}") };
    assert_eq!(busy.holder.expect("the server knows").fence, guard.fence());
    assert_eq!(busy.ahead, 0);
    assert!(locks.mutex("visible").try_acquire_blocking().unwrap().is_none());
    assert_eq!(inspect(&locks, "visible").waiting, 0);
}

#[test]
fn a_wait_that_ends_names_the_process_that_has_the_lock_by_then() {
    let server = server();
    let [first, second, third] = [(); 3].map(|()| connect(&server));
    let held = first.mutex("visible").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let next = scope.spawn(|| second.mutex("visible").wait(LIMIT).acquire_blocking().unwrap());
        until_waiting(&first, "visible", 1);
        let wait = Duration::from_secs(3);
        let late = scope.spawn(move || third.mutex("visible").wait(wait).acquire_blocking());
        until_waiting(&first, "visible", 2);
        held.release_blocking().unwrap();
        let guard = next.join().unwrap();
        let end = late.join().unwrap().unwrap_err();
        let LockError::Busy(busy) = end else { panic!("{end:?}") };
        assert_eq!(busy.holder.expect("the server knows").fence, guard.fence());
        assert_eq!(busy.ahead, 0);
    });
}
