//! A hold that is lost while waiters of its process expect a handoff.

use crate::support::connect_with_ttl;

use super::*;

const TTL: Duration = Duration::from_millis(600);

/// The hold goes by `command` while three wait behind it; they get the lock in the end, the section
/// that runs does not have to end for that.
fn lose(command: &[&str]) {
    let server = server();
    let locks = connect_with_ttl(&server, TTL);
    let guard = locks.mutex("hot").acquire_blocking().unwrap();
    let entries = Entries::default();
    thread::scope(|scope| {
        let waiters: Vec<_> = (1..=3)
            .map(|number| {
                let waiter = scope.spawn(|| visit(&locks, &entries));
                until_waiting(&locks, "hot", number);
                waiter
            })
            .collect();
        server.command(command);
        for waiter in waiters {
            assert!(waiter.join().unwrap().unwrap() > guard.fence());
        }
    });
    assert!(!guard.hold().is_valid());
    let end = guard.release_blocking();
    assert!(matches!(end, Err(LockError::Lost(_))), "{end:?}");
    assert_rising(entries, 3);
    until_free(&locks, "hot");
}

#[test]
fn waiters_acquire_a_deleted_lock() {
    lose(&["DEL", "lock:{hot}"]);
}

#[test]
fn waiters_acquire_a_lock_after_a_flush() {
    lose(&["FLUSHALL"]);
}

/// Notes that its hold was lost.
#[distributed_lock("hot", manager = locks, on_lost = finish, hold = hold)]
fn until_lost(locks: &LockManager) -> Result<(), LockError> {
    eventually(LIMIT, "the loss is noticed", || !hold.is_valid());
    Ok(())
}

#[test]
fn a_section_after_a_handoff_is_notified_of_a_loss() {
    let server = server();
    let locks = connect_with_ttl(&server, TTL);
    let guard = locks.mutex("hot").acquire_blocking().unwrap();
    let entries = Entries::default();
    thread::scope(|scope| {
        let second = scope.spawn(|| until_lost(&locks));
        until_waiting(&locks, "hot", 1);
        let third = scope.spawn(|| visit(&locks, &entries));
        until_waiting(&locks, "hot", 2);
        let fence = guard.fence();
        guard.release_blocking().unwrap();
        until_waiting(&locks, "hot", 1);
        let inside = inspect(&locks, "hot").holder.expect("it was handed on").fence;
        assert_eq!(inside.get(), after(fence, 1));
        server.command(&["DEL", "lock:{hot}"]);
        let end = second.join().unwrap();
        assert!(matches!(end, Err(LockError::Lost(_))), "{end:?}");
        assert!(third.join().unwrap().unwrap().get() > after(fence, 2), "not from that hold");
    });
}
