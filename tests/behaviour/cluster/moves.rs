//! Slots that move to another node while their locks are in use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager};
use testkit::{Cluster, RedisServer, eventually};

use super::{PRIMARIES, assert_locks, keys_in, manager};
use crate::support::{LIMIT, until_free, until_waiting};

/// Far below the interval in which a waiter looks by itself.
const BY_MESSAGE: Duration = Duration::from_millis(300);

/// Without replicas: on a busy machine one of them takes the place of a primary now and then, which
/// is no move.
fn start() -> Cluster {
    Cluster::bare(PRIMARIES).unwrap()
}

fn next(node: usize) -> usize {
    (node + 1) % PRIMARIES
}

fn move_on(all: &Cluster, slot: u16) {
    all.migrate(slot, next(all.owner_of(slot)));
}

#[test]
fn a_hold_moves_with_its_slot() {
    let all = start();
    let ttl = Duration::from_secs(3);
    let locks = LockManager::builder().url(all.url()).ttl(ttl).build().unwrap();
    let other = manager(&all);
    let held = locks.mutex("key").acquire_blocking().unwrap();
    move_on(&all, all.slot_of("key"));
    assert!(other.mutex("key").try_acquire_blocking().unwrap().is_none());
    // Renewals find it.
    held.hold().renew_blocking().unwrap();
    move_on(&all, all.slot_of("key"));
    held.hold().renew_blocking().unwrap();
    let fence = held.fence();
    held.release_blocking().unwrap();
    until_free(&other, "key");
    let next = other.mutex("key").acquire_blocking().unwrap();
    assert!(next.fence() > fence);
}

/// Its process has not subscribed to the channels of the slot: it finds the loss when it renews.
#[test]
fn a_hold_is_force_released_where_its_slot_is() {
    let all = start();
    let locks = LockManager::builder().url(all.url()).ttl(Duration::from_secs(3)).build().unwrap();
    let operator = manager(&all);
    let stuck = locks.mutex("key").acquire_blocking().unwrap();
    assert_locks(&operator, "another");
    let slot = all.slot_of("key");
    let to = next(all.owner_of(slot));
    all.begin_migration(slot, to);
    thread::scope(|scope| {
        // Whether the key is still here or already there, and also in between.
        let released =
            scope.spawn(|| operator.force_release_blocking("key", stuck.fence()).unwrap());
        all.migrate_keys(slot, to);
        all.end_migration(slot, to);
        assert!(released.join().unwrap());
    });
    assert_locks(&operator, "key");
    eventually(LIMIT, "the holder knows", || !stuck.hold().is_valid());
}

/// Long before the next look at the nodes without a reason.
#[test]
fn a_slot_that_no_node_had_is_found_once_one_has_it() {
    let all = start();
    let nodes = || (0..PRIMARIES).map(|node| all.node(node));
    for node in nodes() {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    // The slot loses its data.
    let builder = LockManager::builder().url(all.url()).data_loss_grace(false);
    let locks = builder.outage_timeout(LIMIT).build().unwrap();
    assert_locks(&locks, "key");
    let slot = all.slot_of("key");
    let to = next(all.owner_of(slot));
    let command = |node: &RedisServer, words: &[&str]| {
        let slot = slot.to_string();
        node.command(&[&["CLUSTER"], words, &[&slot]].concat());
    };
    nodes().for_each(|node| command(node, &["DELSLOTS"]));
    // The server says that nobody serves the slot, and then so does the table.
    let error = locks.mutex("key").wait(Duration::from_millis(300)).acquire_blocking();
    assert!(error.is_err(), "{error:?}");
    command(all.node(to), &["ADDSLOTS"]);
    assert_locks(&locks, "key");
}

#[test]
fn a_waiter_whose_slot_has_moved_is_served_by_a_message() {
    let all = start();
    let (locks, other) = (manager(&all), manager(&all));
    let slot = all.slot_of("key");
    let mut spans = Vec::new();
    for _ in 0..4 {
        let guard = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let guard = other.mutex("key").wait(LIMIT).acquire_blocking().unwrap();
                let entered = Instant::now();
                guard.release_blocking().unwrap();
                entered
            });
            until_waiting(&locks, "key", 1);
            move_on(&all, slot);
            guard.hold().renew_blocking().unwrap();
            let node = all.node(all.owner_of(slot));
            eventually(LIMIT, "the waiter listens there", || {
                let channels = node.command(&["PUBSUB", "SHARDCHANNELS"]);
                let channels: Vec<String> = redis::from_redis_value(channels).unwrap();
                channels.iter().any(|channel| all.slot_of(channel) == slot)
            });
            let released = Instant::now();
            guard.release_blocking().unwrap();
            spans.push(waiter.join().unwrap().saturating_duration_since(released));
        });
    }
    println!("{spans:?}");
    // A busy machine may delay some.
    assert!(spans.iter().any(|span| *span < BY_MESSAGE), "{spans:?}");
}

#[test]
fn calls_in_an_open_slot_wait_until_it_is_closed() {
    let all = start();
    let locks = manager(&all);
    let (slot, keys) = keys_in(&all, "open", 3);
    let held = locks.mutex(&keys[0]).acquire_blocking().unwrap();
    let to = next(all.owner_of(slot));
    all.begin_migration(slot, to);
    // Its lock has not moved, and this node has all of it.
    held.hold().renew_blocking().unwrap();
    thread::scope(|scope| {
        let asked = Instant::now();
        let calls = [1, 2].map(|at| {
            let (key, locks) = (&keys[at], &locks);
            scope.spawn(move || assert_locks(locks, key))
        });
        let moved = scope.spawn(|| {
            all.migrate_keys(slot, to);
            held.hold().renew_blocking().unwrap();
            all.end_migration(slot, to);
        });
        moved.join().unwrap();
        for call in calls {
            call.join().unwrap();
        }
        println!("waited {:?}", asked.elapsed());
    });
    held.hold().check().unwrap();
    held.release_blocking().unwrap();
    until_free(&locks, &keys[0]);
}

#[test]
fn a_slot_that_is_left_open_is_named() {
    let all = start();
    let patience = Duration::from_millis(800);
    let locks = LockManager::builder().url(all.url()).outage_timeout(patience).build().unwrap();
    let (slot, keys) = keys_in(&all, "left-open", 2);
    let held = locks.mutex(&keys[0]).acquire_blocking().unwrap();
    let to = next(all.owner_of(slot));
    all.begin_migration(slot, to);
    all.migrate_keys(slot, to);
    let asked = Instant::now();
    let error = locks.mutex(&keys[1]).acquire_blocking().map(drop).unwrap_err();
    println!("after {:?}: {error}", asked.elapsed());
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("slot {slot}")), "{text}");
    assert!(text.contains("redis-cli --cluster fix"), "{text}");
    // Holds stay valid meanwhile.
    held.hold().renew_blocking().unwrap();
    all.end_migration(slot, to);
    eventually(LIMIT, "it is served again", || {
        locks.mutex(&keys[1]).acquire_blocking().is_ok_and(|guard| guard.release_blocking().is_ok())
    });
    held.release_blocking().unwrap();
}

#[test]
fn a_thousand_slots_move_under_load_without_an_error() {
    const WORKERS: usize = 16;
    let all = start();
    let managers = [manager(&all), manager(&all)];
    let keys: Vec<_> = (0..WORKERS).map(|number| format!("key:{number}")).collect();
    let held: Vec<_> = (0..50)
        .map(|number| managers[0].mutex(format!("held:{number}")).acquire_blocking().unwrap())
        .collect();
    let over = AtomicBool::new(false);
    let pairs = AtomicU64::new(0);
    thread::scope(|scope| {
        for (worker, key) in keys.iter().enumerate() {
            let locks = &managers[worker % 2];
            let (over, pairs) = (&over, &pairs);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    assert_locks(locks, key);
                    // All want this one.
                    assert_locks(locks, "shared");
                    pairs.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        let moved = scope.spawn(|| {
            let mut slots = all.slots_of(0);
            slots.truncate(1_000);
            for key in keys.iter().map(String::as_str).chain(["shared"]) {
                slots.push(all.slot_of(key));
            }
            slots.extend((0..50).map(|number| all.slot_of(&format!("held:{number}"))));
            slots.sort_unstable();
            slots.dedup();
            all.reshard(&slots, 1);
            all.reshard(&slots, 2);
        });
        let moved = moved.join();
        over.store(true, Ordering::Relaxed);
        moved.unwrap();
    });
    println!("{pairs:?} pairs");
    for guard in held {
        guard.hold().check().unwrap();
        guard.release_blocking().unwrap();
    }
}

/// A connection that takes a push for a reply answers calls with what was meant for others.
#[test]
fn a_storm_of_moves_confuses_no_replies() {
    const WORKERS: usize = 64;
    const MOVES: usize = 30;
    let all = start();
    let managers = [manager(&all), manager(&all)];
    let (slot, keys) = keys_in(&all, "storm", 8);
    let highest: Vec<_> = keys.iter().map(|_| AtomicU64::new(0)).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (locks, at) = (&managers[worker % 2], worker % keys.len());
            let (key, highest, over) = (&keys[at], &highest[at], &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let guard = locks.mutex(key).wait(LIMIT).acquire_blocking().unwrap();
                    let before = highest.swap(guard.fence().get(), Ordering::Relaxed);
                    assert!(before < guard.fence().get());
                    guard.release_blocking().unwrap();
                }
            });
        }
        let moved = scope.spawn(|| (0..MOVES).for_each(|_| move_on(&all, slot)));
        let moved = moved.join();
        over.store(true, Ordering::Relaxed);
        moved.unwrap();
    });
}

#[test]
fn a_slot_that_never_rests_is_served_between_its_moves() {
    const MOVES: usize = 30;
    let all = start();
    let locks = manager(&all);
    let (slot, keys) = keys_in(&all, "restless", 8);
    let over = AtomicBool::new(false);
    let pairs: Vec<_> = keys.iter().map(|_| AtomicU64::new(0)).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        for (key, pairs) in keys.iter().zip(&pairs) {
            let (locks, over, runtime) = (&locks, &over, &runtime);
            let work = async move {
                while !over.load(Ordering::Relaxed) {
                    locks.mutex(key).acquire().await.unwrap().release().await.unwrap();
                    pairs.fetch_add(1, Ordering::Relaxed);
                }
            };
            scope.spawn(move || runtime.block_on(work));
        }
        let moved = scope.spawn(|| {
            for _ in 0..MOVES {
                let count = || pairs.iter().map(|pairs| pairs.load(Ordering::Relaxed));
                let before: Vec<_> = count().collect();
                all.reshard(&[slot], next(all.owner_of(slot)));
                eventually(LIMIT, "each task has had its lock", || {
                    count().zip(&before).all(|(now, before)| now > *before)
                });
            }
        });
        let moved = moved.join();
        over.store(true, Ordering::Relaxed);
        moved.unwrap();
    });
    println!("{pairs:?} pairs in {:?}", begun.elapsed());
}
