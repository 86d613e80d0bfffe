//! Replicas that take the place of nodes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use distlock::{AfterFailover, LockGuard, LockManager};
use testkit::{Cluster, eventually};

use super::{assert_locks, key_on_each, manager};
use crate::support::{LIMIT, until_free, until_waiting};

/// A key on node 0.
fn key_of_first(all: &Cluster) -> String {
    let [key, ..] = key_on_each(all);
    key
}

/// Waits until a replica has all keys of its primary.
fn until_copied(all: &Cluster, primary: usize) {
    let replica = all.partner_of(primary);
    eventually(LIMIT, "the replica has all data", || {
        let offset = |node: usize| {
            let info = all.node(node).command(&["INFO", "replication"]);
            let info: String = redis::from_redis_value(info).unwrap();
            let line = info.lines().find(|line| line.starts_with("master_repl_offset:"));
            line.map(str::to_owned)
        };
        offset(primary) == offset(replica)
    });
}

#[test]
fn two_processes_take_turns_over_manual_failovers() {
    const FAILOVERS: usize = 6;
    let all = Cluster::start().unwrap();
    let key = key_of_first(&all);
    let slot = all.slot_of(&key);
    let managers = [manager(&all), manager(&all)];
    let counts = [AtomicU64::new(0), AtomicU64::new(0)];
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (locks, count) in managers.iter().zip(&counts) {
            let (key, over) = (&key, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    assert_locks(locks, key);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let switched = scope.spawn(|| {
            for _ in 0..FAILOVERS {
                all.fail_over(all.owner_of(slot));
                let now = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
                let before = now();
                eventually(LIMIT, "both get it", || {
                    now().iter().zip(before).all(|(now, before)| *now > before + 1)
                });
            }
        });
        let switched = switched.join();
        over.store(true, Ordering::Relaxed);
        switched.unwrap();
    });
}

#[test]
fn holds_outlive_a_crash_that_loses_nothing() {
    let all = Cluster::start().unwrap();
    let (locks, other) = (manager(&all), manager(&all));
    let key = key_of_first(&all);
    let held = locks.mutex(&key).acquire_blocking().unwrap();
    until_copied(&all, 0);
    let replica = all.partner_of(0);
    all.node(0).kill();
    all.wait_for_primary(replica);
    eventually(LIMIT, "the new node is asked", || held.hold().renew_blocking().is_ok());
    // One that tries once does not wait for the new node in time.
    eventually(LIMIT, "it is taken there", || {
        other.mutex(&key).try_acquire_blocking().is_ok_and(|guard| guard.is_none())
    });
    let fence = held.fence();
    held.release_blocking().unwrap();
    let next = other.mutex(&key).wait(LIMIT).acquire_blocking().unwrap();
    assert!(next.fence() > fence);
}

#[test]
fn a_waiter_is_served_after_a_failover() {
    let all = Cluster::start().unwrap();
    let (locks, other) = (manager(&all), manager(&all));
    let key = key_of_first(&all);
    let held = locks.mutex(&key).acquire_blocking().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert_locks(&other, &key));
        until_waiting(&locks, &key, 1);
        all.fail_over(0);
        held.hold().renew_blocking().unwrap();
        held.release_blocking().unwrap();
    });
}

/// A hold that the replica has not heard of: its holder claims it again before others get it, as
/// nothing is granted for a while.
#[cfg(target_os = "linux")]
#[test]
fn a_hold_that_a_crash_lost_is_claimed_again_or_fenced() {
    let all = Cluster::start().unwrap();
    let (locks, other) = (manager(&all), manager(&all));
    let key = key_of_first(&all);
    assert_locks(&locks, &key);
    assert_locks(&other, &key);
    let mut held = None;
    let replica = all.crash_with_loss(0, |_| {
        held = Some(locks.mutex(&key).acquire_blocking().unwrap());
    });
    all.wait_for_primary(replica);
    assert_claimed_again(held.unwrap(), &other);
}

/// The hold is put back before the other process gets the lock, under a higher token.
#[cfg(target_os = "linux")]
fn assert_claimed_again(held: LockGuard, other: &LockManager) {
    let next = other.mutex(held.key()).wait(LIMIT);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| next.acquire_blocking().unwrap());
        eventually(LIMIT, "the hold is claimed or lost", || {
            held.hold().renew_blocking().is_ok() || held.hold().check().is_err()
        });
        // The default pause after a failover is for this.
        held.hold().check().unwrap();
        assert!(!waiter.is_finished());
        let fence = held.fence();
        held.release_blocking().unwrap();
        assert!(waiter.join().unwrap().fence() > fence);
    });
}

/// The slot of this key moves to node 1, whose replica takes its place without what the node has
/// done in the slot since.
#[cfg(target_os = "linux")]
fn move_to_a_node_that_crashes<T>(all: &Cluster, key: &str, meanwhile: impl FnOnce() -> T) -> T {
    let mut done = None;
    all.migrate(all.slot_of(key), 1);
    until_copied(all, 1);
    let replica = all.crash_with_loss(1, |_| done = Some(meanwhile()));
    all.wait_for_primary(replica);
    done.unwrap()
}

/// The replica has the tokens of node 0 alone, as if the slot had just come from there.
#[cfg(target_os = "linux")]
#[test]
fn a_hold_is_claimed_again_although_its_slot_had_moved_just_before_the_crash() {
    let all = Cluster::start().unwrap();
    let (locks, other) = (manager(&all), manager(&all));
    let key = key_of_first(&all);
    assert_locks(&locks, &key);
    assert_locks(&other, &key);
    let held =
        move_to_a_node_that_crashes(&all, &key, || locks.mutex(&key).acquire_blocking().unwrap());
    assert_claimed_again(held, &other);
}

/// Node 0 finds its own tokens, in which nothing tells that node 1 has drawn later ones.
#[cfg(target_os = "linux")]
#[test]
fn tokens_rise_although_a_slot_returns_from_a_node_that_crashed() {
    let all = Cluster::start().unwrap();
    let locks = manager(&all);
    let [key, neighbour, _] = key_on_each(&all);
    assert_locks(&locks, &key);
    let fence = move_to_a_node_that_crashes(&all, &key, || {
        let guard = locks.mutex(&key).acquire_blocking().unwrap();
        let fence = guard.fence();
        guard.release_blocking().unwrap();
        fence
    });
    // On the new connection.
    assert_locks(&locks, &neighbour);
    all.migrate(all.slot_of(&key), 0);
    let next = manager(&all).mutex(&key).wait(LIMIT).acquire_blocking().unwrap();
    assert!(next.fence() > fence, "{} after {fence}", next.fence());
}

/// Tokens are higher than those of the old primary, also of those that the replica has not seen.
#[cfg(target_os = "linux")]
#[test]
fn tokens_rise_over_a_crash_with_loss() {
    let all = Cluster::start().unwrap();
    let builder = || LockManager::builder().url(all.url()).outage_timeout(LIMIT);
    let at_once = || builder().after_failover(AfterFailover::AtOnce).build().unwrap();
    let (locks, other) = (at_once(), at_once());
    let key = key_of_first(&all);
    assert_locks(&locks, &key);
    let mut highest = None;
    let replica = all.crash_with_loss(0, |_| {
        for _ in 0..100 {
            let guard = locks.mutex(&key).acquire_blocking().unwrap();
            highest = Some(guard.fence());
            guard.release_blocking().unwrap();
        }
    });
    all.wait_for_primary(replica);
    let next = other.mutex(&key).wait(LIMIT).acquire_blocking().unwrap();
    assert!(Some(next.fence()) > highest, "{:?} after {highest:?}", next.fence());
}

/// Empty, so that the longest lease is waited out.
#[test]
fn a_node_that_restarts_goes_on() {
    let all = Cluster::start().unwrap();
    let builder = LockManager::builder().url(all.url()).outage_timeout(LIMIT);
    let locks = builder.ttl(Duration::from_secs(2)).build().unwrap();
    let key = key_of_first(&all);
    assert_locks(&locks, &key);
    // Nobody takes its place: the replica is gone.
    let replica = all.partner_of(0);
    all.node(replica).kill();
    all.node(0).kill();
    all.node(0).restart().unwrap();
    assert_locks(&locks, &key);
    all.node(replica).restart().unwrap();
    all.wait_until_settled();
    assert_locks(&locks, &key);
    until_free(&locks, &key);
}

/// Writes without tokens: only exclusion protects it.
#[test]
fn a_counter_is_exact_through_moves_and_failovers_without_loss() {
    const WORKERS: usize = 8;
    let all = Cluster::start().unwrap();
    let managers = [manager(&all), manager(&all)];
    let key = key_of_first(&all);
    let slot = all.slot_of(&key);
    let (counter, sections) = (AtomicU64::new(0), AtomicU64::new(0));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (locks, key) = (&managers[worker % 2], &key);
            let (counter, sections, over) = (&counter, &sections, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let guard = locks.mutex(key).wait(LIMIT).acquire_blocking().unwrap();
                    let number = counter.load(Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(100));
                    counter.store(number + 1, Ordering::Relaxed);
                    guard.release_blocking().unwrap();
                    sections.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let changed = scope.spawn(|| {
            for _ in 0..2 {
                let owner = all.owner_of(slot);
                all.fail_over(owner);
                let now = all.owner_of(slot);
                let other = (0..6).find(|&node| node != now && !all.slots_of(node).is_empty());
                all.migrate(slot, other.expect("three have slots"));
            }
        });
        let changed = changed.join();
        over.store(true, Ordering::Relaxed);
        changed.unwrap();
    });
    assert_eq!(counter.into_inner(), sections.into_inner());
}
