//! The graph, from what inspections show. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use distlock::{Holder, Inspection};
use serde::Serialize;

use crate::text;

/// A lock as it was found.
pub struct Lock {
    pub key: String,
    pub state: Inspection,
}

/// Who waits for whom.
#[derive(Debug, Default, Serialize)]
pub struct Graph {
    pub owners: Vec<Owner>,
    pub waits: Vec<Wait>,
    /// The locks of which could not be read what their holders wait for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// Code that holds locks, or waits for one, or both: a call and the calls inside it.
#[derive(Debug, Serialize)]
pub struct Owner {
    pub host: String,
    pub pid: u32,
    /// Of those that hold nothing: what waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    pub holds: Vec<Held>,
}

/// A lock that an owner holds.
#[derive(Debug, Serialize)]
pub struct Held {
    pub key: String,
    pub function: String,
    pub fence: u64,
    #[serde(rename = "held_since_unix_ms", serialize_with = "unix_ms")]
    pub since: SystemTime,
}

/// A wait of one owner for another.
#[derive(Debug, Serialize)]
pub struct Wait {
    /// The place of the owner that waits, in `owners`.
    pub waiter: usize,
    /// The place of the owner that it waits for.
    pub holder: usize,
    /// The key that it waits for.
    pub key: String,
    pub function: String,
    #[serde(rename = "since_unix_ms", serialize_with = "unix_ms")]
    pub since: SystemTime,
    /// Whether it is part of a deadlock.
    pub in_cycle: bool,
    /// Of a wait inside a hold: the same each time that it is read.
    #[serde(skip)]
    id: Option<String>,
}

fn unix_ms<S: serde::Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Graph {
    pub fn new(locks: &[Lock]) -> Self {
        let held: Vec<_> = locks
            .iter()
            .filter_map(|Lock { key, state }| Some((key, state.holder.as_ref()?, state)))
            .collect();
        let owner_of = owners(&held.iter().map(|(_, _, state)| *state).collect::<Vec<_>>());
        let mut graph = Self::default();
        let mut by_key = HashMap::new();
        let mut places = HashMap::new();
        for ((key, holder, state), first) in held.iter().zip(owner_of) {
            let place = *places.entry(first).or_insert_with(|| {
                let (host, pid) = (holder.host.clone(), holder.pid);
                graph.owners.push(Owner { host, pid, function: None, holds: Vec::new() });
                graph.owners.len() - 1
            });
            let lock = Held {
                key: (*key).clone(),
                function: text::function(holder),
                fence: holder.fence.get(),
                since: holder.held_since,
            };
            graph.owners[place].holds.push(lock);
            by_key.insert(key.as_str(), (place, *holder, *state));
        }
        let unknown = locks.iter().filter(|lock| lock.state.nested_waits_unknown);
        graph.unknown = unknown.map(|lock| lock.key.clone()).collect();
        graph.add_nested(&by_key);
        graph.add_queued(&by_key);
        graph.mark_cycles();
        graph
    }

    /// The waits of those that hold other locks.
    fn add_nested(&mut self, locks: &HashMap<&str, (usize, &Holder, &Inspection)>) {
        // In the order of the ids, so that the graph does not depend on that of a hash.
        let mut waits = BTreeMap::new();
        for &(place, holder, state) in locks.values() {
            for wait in &state.nested_waits {
                waits.insert(wait.id.as_str(), (place, holder, wait));
            }
        }
        for (id, (waiter, holder, wait)) in waits {
            let Some(&(place, other, state)) = locks.get(wait.key.as_str()) else { continue };
            let is_same = (&other.host, other.pid) == (&holder.host, holder.pid);
            // The queue says so too, unless it is the wait of a process for itself: one that is not
            // there is over.
            let is_queued = state.waiting > state.waiters.len() as u64
                || state
                    .waiters
                    .iter()
                    .any(|waiter| (&waiter.host, waiter.pid) == (&holder.host, holder.pid));
            if is_same || is_queued {
                self.waits.push(Wait {
                    waiter,
                    holder: place,
                    key: wait.key.clone(),
                    function: wait.function.clone(),
                    since: wait.since,
                    in_cycle: false,
                    id: Some(id.to_owned()),
                });
            }
        }
    }

    /// The waits of those that hold nothing, as far as is known.
    fn add_queued(&mut self, locks: &HashMap<&str, (usize, &Holder, &Inspection)>) {
        let sorted: BTreeMap<_, _> = locks.iter().collect();
        for (&key, &(holder, _, state)) in sorted {
            for waiter in &state.waiters {
                let is_known = self.waits.iter().any(|wait| {
                    let owner = &self.owners[wait.waiter];
                    wait.id.is_some()
                        && wait.key == key
                        && (&owner.host, owner.pid) == (&waiter.host, waiter.pid)
                });
                if is_known {
                    continue;
                }
                let function = match &waiter.label {
                    Some(label) => format!("{} ({label})", waiter.function),
                    None => waiter.function.clone(),
                };
                self.owners.push(Owner {
                    host: waiter.host.clone(),
                    pid: waiter.pid,
                    function: Some(function.clone()),
                    holds: Vec::new(),
                });
                self.waits.push(Wait {
                    waiter: self.owners.len() - 1,
                    holder,
                    key: key.to_owned(),
                    function,
                    since: waiter.since,
                    in_cycle: false,
                    id: None,
                });
            }
        }
    }

    fn mark_cycles(&mut self) {
        let mut next = vec![Vec::new(); self.owners.len()];
        for wait in &self.waits {
            next[wait.waiter].push(wait.holder);
        }
        let leads_to = |from: usize, to: usize| {
            let (mut seen, mut open) = (HashSet::from([from]), vec![from]);
            while let Some(place) = open.pop() {
                if place == to {
                    return true;
                }
                open.extend(next[place].iter().copied().filter(|&place| seen.insert(place)));
            }
            false
        };
        for wait in &mut self.waits {
            wait.in_cycle = leads_to(wait.holder, wait.waiter);
        }
    }

    pub fn has_cycle(&self) -> bool {
        self.waits.iter().any(|wait| wait.in_cycle)
    }

    /// The ids of the waits that form cycles.
    pub fn waits_in_cycles(self) -> HashSet<String> {
        self.waits.into_iter().filter(|wait| wait.in_cycle).filter_map(|wait| wait.id).collect()
    }

    /// Takes back what is not in these cycles.
    pub fn keep_cycles(&mut self, ids: &HashSet<String>) {
        for wait in &mut self.waits {
            wait.in_cycle &= wait.id.as_ref().is_some_and(|id| ids.contains(id));
        }
    }

    /// Removes owners that are not connected with such a key, in any direction.
    pub fn retain_connected(&mut self, is_meant: impl Fn(&str) -> bool) {
        let mut kept: HashSet<usize> = HashSet::new();
        for (place, owner) in self.owners.iter().enumerate() {
            if owner.holds.iter().any(|held| is_meant(&held.key)) {
                kept.insert(place);
            }
        }
        let mut count = usize::MAX;
        while count != kept.len() {
            count = kept.len();
            for wait in &self.waits {
                if kept.contains(&wait.waiter) || kept.contains(&wait.holder) {
                    kept.extend([wait.waiter, wait.holder]);
                }
            }
        }
        let mut places = HashMap::new();
        let owners = std::mem::take(&mut self.owners).into_iter().enumerate();
        for (place, owner) in owners.filter(|(place, _)| kept.contains(place)) {
            places.insert(place, self.owners.len());
            self.owners.push(owner);
        }
        self.waits.retain_mut(|wait| {
            let Some(&waiter) = places.get(&wait.waiter) else { return false };
            (wait.waiter, wait.holder) = (waiter, places[&wait.holder]);
            true
        });
    }
}

/// For each hold the first one of the same owner: two holds around one wait have one owner.
fn owners(holds: &[&Inspection]) -> Vec<usize> {
    let mut first: Vec<usize> = (0..holds.len()).collect();
    let mut hold_of: HashMap<&str, usize> = HashMap::new();
    for (place, state) in holds.iter().enumerate() {
        for wait in &state.nested_waits {
            let other = *hold_of.entry(&wait.id).or_insert(place);
            let (from, to) = (first[place].max(first[other]), first[place].min(first[other]));
            first.iter_mut().filter(|place| **place == from).for_each(|place| *place = to);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A lock that a process holds, with the processes that wait for it, and the waits inside it.
    fn lock(key: &str, pid: u32, waiters: &[u32], nested: &[(&str, &str)]) -> Lock {
        let waiter = |pid| json!({"host": "h", "pid": pid, "function": "f", "since_unix_ms": 5});
        let waiters: Vec<Value> = waiters.iter().map(waiter).collect();
        let nested = nested
            .iter()
            .map(|(id, key)| json!({"id": id, "key": key, "function": "g", "since_unix_ms": 5}));
        let holder = json!({
            "fence": pid, "host": "h", "pid": pid, "function": "f", "since_unix_ms": 1,
            "held_since_unix_ms": 1,
        });
        let state = json!({
            "holder": holder, "not_a_lock": false, "expires_in_ms": 1000,
            "waiting": waiters.len(), "waiters": waiters,
            "nested_waits": nested.collect::<Vec<Value>>(),
        });
        Lock { key: key.to_owned(), state: serde_json::from_value(state).unwrap() }
    }

    /// `pid -> pid: key`, with a `!` in a cycle.
    fn waits(graph: &Graph) -> Vec<String> {
        let pid = |place: usize| graph.owners[place].pid;
        let line = |wait: &Wait| {
            let mark = if wait.in_cycle { "!" } else { "" };
            format!("{} -> {}: {}{mark}", pid(wait.waiter), pid(wait.holder), wait.key)
        };
        graph.waits.iter().map(line).collect()
    }

    #[test]
    fn a_waiter_that_holds_a_lock_is_the_owner_that_others_wait_for() {
        let chain = [lock("a", 1, &[2], &[]), lock("b", 2, &[3], &[("x", "a")])];
        let graph = Graph::new(&chain);
        assert_eq!(waits(&graph), ["2 -> 1: a", "3 -> 2: b"]);
        assert_eq!(graph.owners.len(), 3);
        assert!(!graph.has_cycle());
    }

    #[test]
    fn locks_around_one_wait_have_one_owner() {
        let locks = [
            lock("a", 1, &[2], &[]),
            lock("b", 2, &[3], &[("x", "a")]),
            lock("c", 2, &[], &[("x", "a"), ("y", "a")]),
            lock("d", 2, &[], &[("y", "a")]),
        ];
        let graph = Graph::new(&locks);
        assert_eq!(graph.owners.len(), 3);
        assert_eq!(graph.owners[1].holds.len(), 3);
        assert_eq!(waits(&graph), ["2 -> 1: a", "2 -> 1: a", "3 -> 2: b"]);
    }

    #[test]
    fn two_holders_of_one_process_that_wait_for_each_other_s_process_are_no_deadlock() {
        // One task of process 2 waits for process 1, another one holds what that waits for.
        let locks = [
            lock("a", 1, &[2], &[("x", "c")]),
            lock("b", 2, &[], &[("y", "a")]),
            lock("c", 2, &[1], &[]),
        ];
        let graph = Graph::new(&locks);
        assert_eq!(waits(&graph), ["1 -> 2: c", "2 -> 1: a"]);
        assert_eq!(graph.owners.len(), 3);
    }

    #[test]
    fn a_cycle_is_marked_and_what_waits_for_it_is_not() {
        let locks = [lock("a", 1, &[2, 4], &[("x", "b")]), lock("b", 2, &[1], &[("y", "a")])];
        let mut graph = Graph::new(&locks);
        assert_eq!(waits(&graph), ["1 -> 2: b!", "2 -> 1: a!", "4 -> 1: a"]);
        let graph_again = Graph::new(&[lock("a", 1, &[2], &[]), lock("b", 2, &[1], &[])]);
        graph.keep_cycles(&graph_again.waits_in_cycles());
        assert!(!graph.has_cycle(), "it was not there the second time");
    }

    #[test]
    fn a_holder_that_waits_for_its_own_lock_is_a_cycle() {
        let graph = Graph::new(&[lock("a", 1, &[1], &[("x", "a")])]);
        assert_eq!(waits(&graph), ["1 -> 1: a!"]);
    }

    #[test]
    fn a_wait_that_has_left_the_queue_is_over() {
        let locks = [lock("a", 1, &[], &[]), lock("b", 2, &[], &[("x", "a")])];
        assert!(Graph::new(&locks).waits.is_empty());
        // Within a process the server has no queue.
        let locks = [lock("a", 1, &[], &[]), lock("b", 1, &[], &[("x", "a")])];
        assert_eq!(waits(&Graph::new(&locks)), ["1 -> 1: a"]);
    }

    #[test]
    fn a_pattern_keeps_all_that_is_connected_with_its_keys() {
        let locks = [
            lock("a", 1, &[2], &[]),
            lock("b", 2, &[3], &[("x", "a")]),
            lock("other", 4, &[5], &[]),
        ];
        let mut graph = Graph::new(&locks);
        graph.retain_connected(|key| key == "b");
        assert_eq!(waits(&graph), ["2 -> 1: a", "3 -> 2: b"]);
        graph.retain_connected(|key| key == "other");
        assert!(graph.owners.is_empty() && graph.waits.is_empty());
    }
}
