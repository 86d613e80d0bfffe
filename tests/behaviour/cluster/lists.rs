//! Listing the locks of all nodes.

use std::collections::BTreeSet;

use distlock::{LockError, LockList};
use testkit::{Cluster, eventually};

use super::{ODD_KEYS, PRIMARIES, keys_in, manager};
use crate::support::LIMIT;

const TAGS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const OF_TAG: usize = 20;

/// Adds what the list still returns. While a node fails over there may be errors.
fn drain(list: &mut LockList, seen: &mut BTreeSet<String>) {
    eventually(LIMIT, "the list ends", || {
        loop {
            match list.next_blocking() {
                Ok(Some((key, _))) => assert!(seen.insert(key.clone()), "{key} comes twice"),
                Ok(None) => return true,
                Err(LockError::Unavailable(_)) => return false,
                Err(error) => panic!("{error:?}"),
            }
        }
    });
}

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
