//! A Redis Cluster: which node a lock is on, and that keys of all kinds work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockManager, distributed_lock};
use redis::Value;
use testkit::{Cluster, RedisServer, eventually};

use crate::support::{LIMIT, inspect, until_free, until_waiting};

mod connecting;
mod failovers;
mod lists;
mod moves;

const PRIMARIES: usize = 3;
/// The keys that Redis Cluster hashes in their own ways, and how their locks are hashed.
const ODD_KEYS: [(&str, &str); 6] = [
    ("plain", "plain"),
    ("a{b}c", "b"),
    ("{Test}:x", "Test"),
    ("}x", "~"),
    ("", "~"),
    ("{}b", "{"),
];

fn manager(all: &Cluster) -> LockManager {
    LockManager::builder().url(all.url()).outage_timeout(LIMIT).build().unwrap()
}

#[track_caller]
fn assert_locks(locks: &LockManager, key: &str) {
    locks.mutex(key).wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[track_caller]
fn assert_locks_all(locks: &LockManager, keys: &[String]) {
    for key in keys {
        assert_locks(locks, key);
    }
}

/// A key whose lock is in this slot, with so many others like it.
fn keys_in(all: &Cluster, tag: &str, count: usize) -> (u16, Vec<String>) {
    let keys = (0..count).map(|number| format!("{{{tag}}}:{number}"));
    (all.slot_of(tag), keys.collect())
}

/// A key for each primary, whose lock is on it.
fn key_on_each(all: &Cluster) -> [String; PRIMARIES] {
    [0, 1, 2].map(|node| {
        let keys = (0..).map(|number| format!("of-node-{node}-{number}"));
        let on_node = |key: &String| all.owner_of(all.slot_of(key)) == node;
        keys.into_iter().find(on_node).expect("each node has slots")
    })
}

/// A statistic of CLUSTER INFO; zero if there is no such line.
fn bus_messages(node: &RedisServer, name: &str) -> u64 {
    let info: String = redis::from_redis_value(node.command(&["CLUSTER", "INFO"])).unwrap();
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

/// The commands that a node has run since [`keep_commands`].
fn commands_of(node: &RedisServer) -> Vec<Vec<String>> {
    let log = node.command(&["SLOWLOG", "GET", "-1"]);
    let entries: Vec<Vec<Value>> = redis::from_redis_value(log).unwrap();
    let words = |entry: Vec<Value>| redis::from_redis_value(entry[3].clone()).unwrap();
    entries.into_iter().map(words).collect()
}

fn keep_commands(node: &RedisServer) {
    node.command(&["CONFIG", "SET", "slowlog-max-len", "100000", "slowlog-log-slower-than", "0"]);
    node.command(&["SLOWLOG", "RESET"]);
}

#[test]
fn any_one_node_leads_to_all_locks() {
    let all = Cluster::start().unwrap();
    // Also a replica.
    for address in all.addresses() {
        let locks = LockManager::builder().cluster([&*address]).build().unwrap();
        assert_locks_all(&locks, &key_on_each(&all));
        let locks = LockManager::connect(&format!("redis-cluster://{address}")).unwrap();
        assert_locks(&locks, "key");
    }
}

#[distributed_lock("{key}", manager = locks, wait = LIMIT, hold = hold)]
fn token(locks: &LockManager, key: &str) -> Result<u64, LockError> {
    Ok(hold.fence().get())
}

#[distributed_lock("{key}", manager = locks, wait = LIMIT, hold = hold)]
async fn token_async(locks: &LockManager, key: &str) -> Result<u64, LockError> {
    Ok(hold.fence().get())
}

#[tokio::test]
async fn keys_with_braces_are_locked_by_threads_and_by_tasks() {
    let all = Cluster::bare(PRIMARIES).unwrap();
    let locks = manager(&all);
    for (key, tag) in ODD_KEYS {
        let guard = locks.mutex(key).acquire().await.unwrap();
        let node = all.node(all.owner_of(all.slot_of(tag)));
        let slot = all.slot_of(tag).to_string();
        assert_ne!(node.command(&["CLUSTER", "COUNTKEYSINSLOT", &slot]), Value::Int(0), "{key:?}");
        let other = manager(&all);
        let waiter = tokio::spawn(async move { token_async(&other, key).await });
        let (locks, fence) = (locks.clone(), guard.fence().get());
        tokio::task::spawn_blocking(move || {
            until_waiting(&locks, key, 1);
            guard.release_blocking().unwrap();
            let next = token(&locks, key).unwrap();
            assert!(next > fence);
        })
        .await
        .unwrap();
        assert!(waiter.await.unwrap().unwrap() > fence, "{key:?}");
    }
}

#[test]
fn a_hash_tag_of_the_user_puts_the_lock_beside_the_data() {
    let all = Cluster::bare(PRIMARIES).unwrap();
    let locks = manager(&all);
    let _guard = locks.mutex("order:{customer-7}").acquire_blocking().unwrap();
    let node = all.node(all.owner_of(all.slot_of("{customer-7}:name")));
    let keys: Vec<String> = redis::from_redis_value(node.command(&["KEYS", "*"])).unwrap();
    let slot = all.slot_of("customer-7");
    assert!(!keys.is_empty());
    assert!(keys.iter().any(|key| all.slot_of(key) == slot), "{keys:?}");
}

#[test]
fn locks_of_several_nodes_are_taken_together() {
    let all = Cluster::bare(PRIMARIES).unwrap();
    let (locks, other) = (manager(&all), manager(&all));
    let keys = key_on_each(&all);
    let guard = locks.mutex_many(&keys).wait(LIMIT).acquire_blocking().unwrap();
    for key in &keys {
        assert!(guard.hold().for_key(key).unwrap().is_valid());
        assert!(other.mutex(key).try_acquire_blocking().unwrap().is_none());
    }
    guard.release_blocking().unwrap();
    for key in &keys {
        until_free(&locks, key);
    }
    // One that is taken leaves nothing of the others behind.
    let taken = other.mutex(&keys[2]).acquire_blocking().unwrap();
    assert!(locks.mutex_many(&keys).try_acquire_blocking().unwrap().is_none());
    assert_locks(&other, &keys[0]);
    assert_locks(&other, &keys[1]);
    taken.release_blocking().unwrap();
    assert_locks(&locks, &keys[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_take_random_sets_of_locks_never_stand_still() {
    const TASKS: u64 = 64;
    const ROUNDS: u64 = 10;
    let all = Cluster::bare(PRIMARIES).unwrap();
    let managers = [manager(&all), manager(&all)];
    let keys: Vec<_> =
        key_on_each(&all).into_iter().chain(["a", "b", "c"].map(str::to_owned)).collect();
    let tasks = (0..TASKS).map(|task| {
        let (locks, keys) = (managers[usize::from(task % 2 == 0)].clone(), keys.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                // Each task has its own order of subsets, none of which is empty.
                let set = (task * 7 + round * 13) % 63 + 1;
                let chosen = keys.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
                let chosen: Vec<_> = chosen.map(|(_, key)| key.clone()).collect();
                locks.mutex_many(chosen).wait(LIMIT * 3).acquire().await?.release().await?;
            }
            Ok::<_, LockError>(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
}

#[test]
fn every_call_names_keys_of_one_slot_and_every_channel_is_in_it() {
    let all = Cluster::bare(PRIMARIES).unwrap();
    let (locks, other) = (manager(&all), manager(&all));
    (0..PRIMARIES).for_each(|node| keep_commands(all.node(node)));
    for (key, tag) in ODD_KEYS {
        let guard = locks.mutex(key).acquire_blocking().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| assert_locks(&other, key));
            until_waiting(&locks, key, 1);
            let node = all.node(all.owner_of(all.slot_of(tag)));
            let channels = node.command(&["PUBSUB", "SHARDCHANNELS"]);
            let channels: Vec<String> = redis::from_redis_value(channels).unwrap();
            let in_slot = |channel: &String| all.slot_of(channel) == all.slot_of(tag);
            assert!(channels.iter().any(in_slot), "{key:?}: {channels:?}");
            guard.release_blocking().unwrap();
        });
    }
    locks.mutex_many(["a", "b", "c"]).acquire_blocking().unwrap().release_blocking().unwrap();
    let mut calls = 0;
    for words in (0..PRIMARIES).flat_map(|node| commands_of(all.node(node))) {
        if words[0].to_uppercase() != "EVALSHA" && words[0].to_uppercase() != "EVAL" {
            continue;
        }
        let count: usize = words[2].parse().unwrap();
        assert!(count > 0, "{words:?}");
        let slots: Vec<_> = words[3..3 + count].iter().map(|key| all.slot_of(key)).collect();
        assert!(slots.iter().all(|slot| *slot == slots[0]), "{words:?}: {slots:?}");
        calls += 1;
    }
    assert!(calls > ODD_KEYS.len());
}

#[test]
fn a_handoff_is_announced_in_its_own_shard() {
    const HANDOFFS: u64 = 40;
    let all = Cluster::bare(PRIMARIES).unwrap();
    let (one, two) = (manager(&all), manager(&all));
    let [key, ..] = key_on_each(&all);
    let received = |node: usize| {
        ["publish", "publishshard"].map(|kind| {
            bus_messages(all.node(node), &format!("cluster_stats_messages_{kind}_received"))
        })
    };
    assert_locks(&one, &key);
    assert_locks(&two, &key);
    let before = [1, 2].map(received);
    let handed_off = AtomicU64::new(0);
    thread::scope(|scope| {
        for locks in [&one, &two] {
            scope.spawn(|| {
                while handed_off.load(Ordering::Relaxed) < HANDOFFS {
                    let guard = locks.mutex(&key).wait(LIMIT).acquire_blocking().unwrap();
                    // The other one waits, unless it has ended.
                    eventually(LIMIT, "the other one waits", || {
                        inspect(locks, &key).waiting > 0
                            || handed_off.load(Ordering::Relaxed) >= HANDOFFS
                    });
                    handed_off.fetch_add(1, Ordering::Relaxed);
                    guard.release_blocking().unwrap();
                }
            });
        }
    });
    // Those to all processes are rare.
    for (now, before) in [1, 2].map(received).iter().flatten().zip(before.iter().flatten()) {
        assert!(now - before < HANDOFFS / 4, "{now} after {before}");
    }
}

#[test]
fn waiters_are_served_when_no_message_arrives() {
    let all = Cluster::start().unwrap();
    let (locks, other) = (manager(&all), manager(&all));
    let guard = locks.mutex("key").acquire_blocking().unwrap();
    (0..all.addresses().len()).for_each(|node| all.proxy(node).drop_pushes(true));
    thread::scope(|scope| {
        scope.spawn(|| assert_locks(&other, "key"));
        until_waiting(&locks, "key", 1);
        guard.release_blocking().unwrap();
    });
}

/// It says that no slot is served, as one does that has lost its cluster.
#[test]
fn a_node_that_serves_nothing_is_not_believed() {
    let (all, alone) = (Cluster::bare(PRIMARIES).unwrap(), lonely_node());
    let addresses = [alone, all.addresses()[0].clone()];
    let locks = LockManager::builder().cluster(addresses).build().unwrap();
    assert_locks(&locks, "key");
}

#[test]
fn a_cluster_without_slots_is_an_error_that_says_so() {
    let locks = LockManager::builder().cluster([lonely_node()]);
    let locks = locks.outage_timeout(Duration::from_millis(300)).build().unwrap();
    let error = locks.mutex("key").acquire_blocking().map(drop).unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    println!("{error}");
}

/// The address of a node that knows no other one. It runs until the test ends.
fn lonely_node() -> String {
    let server = RedisServer::builder().arg("cluster-enabled", "yes");
    let port = testkit::ReservedPort::for_server().unwrap();
    let server = server.arg("cluster-port", port.number().to_string()).start().unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    // Ends with this process.
    std::mem::forget((server, port));
    address
}

#[test]
fn scripts_that_one_node_has_forgotten_are_sent_again() {
    let all = Cluster::start().unwrap();
    let locks = manager(&all);
    let keys = key_on_each(&all);
    let held = locks.mutex_many(&keys).acquire_blocking().unwrap();
    all.node(1).command(&["SCRIPT", "FLUSH"]);
    held.hold().check().unwrap();
    held.release_blocking().unwrap();
    assert_locks_all(&locks, &keys);
    all.node(0).command(&["SCRIPT", "FLUSH"]);
    all.fail_over(1);
    assert_locks_all(&locks, &keys);
}

#[test]
fn seeds_may_go_later() {
    let all = Cluster::start().unwrap();
    let seed = all.addresses()[0].clone();
    let locks = LockManager::builder().cluster([seed]).outage_timeout(LIMIT).build().unwrap();
    let keys = key_on_each(&all);
    assert_locks_all(&locks, &keys);
    let replica = all.partner_of(0);
    all.node(0).kill();
    all.wait_for_primary(replica);
    assert_locks_all(&locks, &keys);
    all.wait_until_settled();
    // Another move that only the nodes that are left know of.
    let slot = all.slot_of(&keys[1]);
    all.migrate(slot, 2);
    assert_locks(&locks, &keys[1]);
}
