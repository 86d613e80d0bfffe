//! Processes that are killed or paused while they hold a lock or wait for it.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::process::{Process, orders};
use crate::support::{LIMIT, beside_others, connect, inspect, server, until_waiting};

const TTL: Duration = Duration::from_secs(2);
/// How much longer than its ttl a hold lasts on the server.
const GUARD: Duration = Duration::from_millis(20);
/// How long an unconfirmed grant is valid, and how long a silent waiter stays in the queue.
const CLAIM: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(500);

/// Holds the lock until the process is killed.
#[distributed_lock("crash", manager = locks, ttl = TTL)]
fn hold_for_ever(locks: &LockManager) -> Result<(), LockError> {
    loop {
        thread::park();
    }
}

/// In a child process: acquires the lock and keeps it.
fn is_victim() -> bool {
    let Some(orders) = orders() else { return false };
    let locks = LockManager::connect(&orders.url).unwrap();
    panic!("it goes on for ever: {:?}", hold_for_ever(&locks));
}

fn victim(test: impl Fn(), server: &RedisServer) -> Process {
    Process::start(test, &server.url(), "victim")
}

fn until_held_by(locks: &LockManager, pid: u32) {
    eventually(LIMIT, "the other process holds the lock", || {
        inspect(locks, "crash").holder.is_some_and(|holder| holder.pid == pid)
    });
}

/// Waits for the lock on a thread, in strict order behind earlier requests. Returns when it was
/// acquired.
fn follow<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    locks: &'scope LockManager,
) -> ScopedJoinHandle<'scope, Instant> {
    scope.spawn(|| {
        let guard = locks.mutex("crash").wait(LIMIT).strict_fifo().acquire_blocking().unwrap();
        let had = Instant::now();
        guard.release_blocking().unwrap();
        had
    })
}

#[test]
fn a_killed_holder_is_followed_within_its_ttl() {
    if is_victim() {
        return;
    }
    let (_machine, server) = (beside_others(), server());
    let locks = connect(&server);
    let mut victim = victim(a_killed_holder_is_followed_within_its_ttl, &server);
    until_held_by(&locks, victim.id());
    thread::scope(|scope| {
        let follower = follow(scope, &locks);
        until_waiting(&locks, "crash", 1);
        let killed = Instant::now();
        victim.kill();
        let delay = follower.join().unwrap().duration_since(killed);
        println!("followed after {delay:?}");
        assert!(delay < TTL + GUARD + SLACK, "{delay:?}");
    });
}

#[test]
fn a_killed_waiter_delays_no_other() {
    if is_victim() {
        return;
    }
    let (_machine, server) = (beside_others(), server());
    let locks = connect(&server);
    let held = locks.mutex("crash").acquire_blocking().unwrap();
    let mut victim = victim(a_killed_waiter_delays_no_other, &server);
    until_waiting(&locks, "crash", 1);
    thread::scope(|scope| {
        let follower = follow(scope, &locks);
        until_waiting(&locks, "crash", 2);
        victim.kill();
        let released = Instant::now();
        held.release_blocking().unwrap();
        let delay = follower.join().unwrap().duration_since(released);
        println!("followed after {delay:?}");
        assert!(delay < CLAIM + SLACK, "{delay:?}");
    });
}

#[test]
fn a_waiter_killed_right_after_its_grant_delays_the_next_only_briefly() {
    if is_victim() {
        return;
    }
    let (_machine, server) = (beside_others(), server());
    let locks = connect(&server);
    let held = locks.mutex("crash").acquire_blocking().unwrap();
    let mut victim =
        victim(a_waiter_killed_right_after_its_grant_delays_the_next_only_briefly, &server);
    until_waiting(&locks, "crash", 1);
    thread::scope(|scope| {
        let follower = follow(scope, &locks);
        until_waiting(&locks, "crash", 2);
        victim.pause();
        let released = Instant::now();
        held.release_blocking().unwrap();
        until_held_by(&locks, victim.id());
        victim.kill();
        let delay = follower.join().unwrap().duration_since(released);
        println!("followed after {delay:?}");
        assert!(delay < CLAIM + SLACK, "{delay:?}");
    });
}

#[test]
fn a_paused_waiter_misses_its_grant_and_queues_again() {
    if is_victim() {
        return;
    }
    let (_machine, server) = (beside_others(), server());
    let locks = connect(&server);
    let held = locks.mutex("crash").acquire_blocking().unwrap();
    let mut victim = victim(a_paused_waiter_misses_its_grant_and_queues_again, &server);
    until_waiting(&locks, "crash", 1);
    victim.pause();
    let released = Instant::now();
    held.release_blocking().unwrap();
    let next = locks.mutex("crash").wait(LIMIT).acquire_blocking().unwrap();
    assert!(released.elapsed() < CLAIM + SLACK, "{:?}", released.elapsed());
    victim.resume();
    until_waiting(&locks, "crash", 1);
    assert!(next.hold().is_valid());
    let fence = next.fence();
    next.release_blocking().unwrap();
    until_held_by(&locks, victim.id());
    assert!(inspect(&locks, "crash").holder.is_some_and(|holder| holder.fence > fence));
}
