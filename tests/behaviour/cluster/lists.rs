//! Listing and inspecting the locks of all nodes.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager};
use futures::future::join_all;
use testkit::{Cluster, Direction, eventually};

use super::super::list::drain;
use super::{ODD_KEYS, PRIMARIES, key_on_each, keys_in, manager};
use crate::support::{LIMIT, inspect};

const TAGS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const OF_TAG: usize = 20;

#[test]
fn the_locks_of_all_nodes_are_listed() {
    let all = Cluster::bare(PRIMARIES).unwrap();
    let locks = manager(&all);
    let keys: BTreeSet<_> = ODD_KEYS.map(|(key, _)| key.to_owned()).into();
    let guards: Vec<_> =
        keys.iter().map(|key| locks.mutex(&**key).acquire_blocking().unwrap()).collect();
    let mut seen = BTreeSet::new();
    // Also by one that has sent nothing before.
    drain(&mut manager(&all).list(), &mut seen);
    assert_eq!(seen, keys);
    drop(guards);
}

#[test]
fn locks_whose_slots_move_meanwhile_are_listed() {
    let all = Cluster::bare(PRIMARIES).unwrap();
    let locks = manager(&all);
    let keys: Vec<_> = TAGS.iter().flat_map(|tag| keys_in(&all, tag, OF_TAG).1).collect();
    let slots: BTreeSet<_> = TAGS.iter().map(|tag| all.slot_of(tag)).collect();
    let guards: Vec<_> =
        TAGS.iter().map(|tag| locks.mutex_many(keys_in(&all, tag, OF_TAG).1)).collect();
    let guards: Vec<_> =
        guards.into_iter().map(|locks| locks.acquire_blocking().unwrap()).collect();
    let mut list = locks.list();
    let (first, _) = list.next_blocking().unwrap().expect("there are some");
    // This node is done for now, and all locks come to it.
    let node = all.owner_of(all.slot_of(&first));
    for slot in slots {
        if all.owner_of(slot) != node {
            all.migrate(slot, node);
        }
    }
    let mut seen = BTreeSet::from([first]);
    drain(&mut list, &mut seen);
    assert_eq!(seen, keys.into_iter().collect());
    drop(guards);
}

#[test]
fn locks_of_a_node_that_fails_over_meanwhile_are_listed() {
    let all = Cluster::start().unwrap();
    let locks = manager(&all);
    let guards: Vec<_> = TAGS
        .iter()
        .map(|tag| locks.mutex_many(keys_in(&all, tag, OF_TAG).1).acquire_blocking().unwrap())
        .collect();
    let keys: BTreeSet<_> = TAGS.iter().flat_map(|tag| keys_in(&all, tag, OF_TAG).1).collect();
    let mut list = locks.list();
    let (first, _) = list.next_blocking().unwrap().expect("there are some");
    let node = all.owner_of(all.slot_of(&first));
    let other = all.primaries().into_iter().find(|&other| other != node).expect("there are three");
    all.wait_for_copy(other);
    all.fail_over(other);
    let mut seen = BTreeSet::from([first]);
    drain(&mut list, &mut seen);
    assert_eq!(seen, keys);
    drop(guards);
}

#[test]
fn a_process_that_has_just_connected_sees_what_holders_wait_for_on_other_nodes() {
    let all = Cluster::start().unwrap();
    let locks = manager(&all);
    let outer = key_on_each(&all);
    let guard = locks.mutex("wanted").acquire_blocking().unwrap();
    let others = manager(&all);
    let wait_inside = |[first, second, third]: &[String; PRIMARIES]| -> Result<(), LockError> {
        let acquire = |key: &str| others.mutex(key).wait(LIMIT).acquire_blocking();
        acquire(first)?.enter(|| {
            acquire(second)?.enter(|| acquire(third)?.enter(|| acquire("wanted").map(drop)))
        })
    };
    thread::scope(|scope| {
        let waiter = scope.spawn(|| wait_inside(&outer));
        eventually(LIMIT, "it is registered in each hold", || {
            outer.iter().all(|key| !inspect(&locks, key).nested_waits.is_empty())
        });
        for late in 0..PRIMARIES {
            all.proxy(late).delay(Direction::ToClient, Duration::from_millis(50));
            let locks = manager(&all);
            for key in outer.iter().filter(|key| all.owner_of(all.slot_of(key)) != late) {
                let found = inspect(&locks, key);
                assert_eq!(found.nested_waits.len(), 1, "{late}: {found:?}");
            }
            all.heal_proxies();
        }
        guard.release_blocking().unwrap();
        waiter.join().unwrap().unwrap();
    });
}

/// Of how many of these keys is not known what their holders wait for.
async fn unknown(locks: &LockManager, keys: &[String]) -> usize {
    let found = join_all(keys.iter().map(|key| locks.inspect(key))).await;
    let found = found.into_iter().map(|found| found.expect("the node of the key answers"));
    let held = found.inspect(|found| assert!(found.holder.is_some(), "{found:?}"));
    held.filter(|found| found.nested_waits_unknown).count()
}

#[tokio::test]
async fn what_holders_wait_for_is_unknown_while_its_node_does_not_answer() {
    let all = Cluster::start().unwrap();
    let locks = manager(&all);
    let (slot, keys) = keys_in(&all, TAGS[0], 2 * OF_TAG);
    let guard = locks.mutex_many(keys.clone()).acquire().await.unwrap();
    assert_eq!(unknown(&locks, &keys).await, 0);
    // What is registered inside a hold is on a node by chance: one of three.
    let silent = (0..PRIMARIES).find(|&node| node != all.owner_of(slot)).unwrap();
    all.proxy(silent).black_hole(true);
    let without = unknown(&locks, &keys).await;
    all.heal_proxies();
    assert!(without > 0 && without < keys.len(), "{without}");
    guard.release().await.unwrap();
}
