//! How the nodes of a cluster are found, and the rights that a user needs on them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use distlock::{Credentials, LockError, LockManager, LockManagerBuilder, distributed_lock};
use testkit::{Barrier, Cluster, RedisServer, ReservedPort, eventually};

use crate::support::{LIMIT, contend};

/// In slots of all nodes.
const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const OUTAGE: Duration = Duration::from_millis(500);

#[track_caller]
fn assert_locks(locks: &LockManager) {
    for key in KEYS {
        let guard = locks.mutex(key).wait(LIMIT).acquire_blocking();
        guard.unwrap_or_else(|error| panic!("{error}")).release_blocking().unwrap();
    }
}

/// The error of a first call.
#[track_caller]
fn failure(builder: LockManagerBuilder) -> LockError {
    let locks = builder.outage_timeout(OUTAGE).build().unwrap();
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap_err()
}

fn at(address: &str) -> LockManagerBuilder {
    LockManager::builder().url(format!("redis-cluster://{address}"))
}

#[test]
fn any_node_is_enough() {
    let all = Cluster::start().unwrap();
    let owners: Vec<_> = KEYS.iter().map(|key| all.owner_of(all.slot_of(key))).collect();
    assert!((0..3).all(|node| owners.contains(&node)), "{owners:?}");
    let addresses = all.addresses();
    // A master, and a replica.
    assert_locks(&at(&addresses[1]).build().unwrap());
    assert_locks(&at(&addresses[5]).build().unwrap());
    let refuses = format!("127.0.0.1:{}", ReservedPort::new().unwrap().number());
    let listed = [&*refuses, "unknown.invalid", &addresses[3]];
    assert_locks(&LockManager::builder().cluster(listed).build().unwrap());
    let port = all.node(0).port();
    let error = failure(LockManager::builder().url(format!("redis://127.0.0.1:{port}/")));
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("redis-cluster://"), "{error}");
}

#[test]
fn a_server_that_is_no_node_is_refused() {
    let server = RedisServer::start().unwrap();
    let error = failure(at(&format!("127.0.0.1:{}", server.port())));
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("write redis://"), "{error}");
}

#[test]
fn a_cluster_that_is_down_is_named_and_waited_for() {
    let all = Cluster::start().unwrap();
    for node in [1, 2, 4, 5] {
        all.node(node).pause();
    }
    let seed = &all.addresses()[0];
    eventually(LIMIT, "the error says so", || {
        let error = failure(at(seed));
        assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
        let text = error.to_string();
        text.contains("CLUSTERDOWN") && text.contains(&format!("{seed} says cluster_state:fail"))
    });
    let locks = at(seed).outage_timeout(LIMIT).build().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| assert_locks(&locks));
        for node in [1, 2, 4, 5] {
            all.node(node).resume();
        }
        waiting.join().unwrap();
    });
}

/// The nodes name an address that leads nowhere, also when a slot has moved.
#[test]
fn nodes_are_reached_at_the_addresses_of_the_map() {
    let all = Cluster::start().unwrap();
    for node in 0..6 {
        let set = |name, value| all.node(node).command(&["CONFIG", "SET", name, value]);
        set("cluster-announce-hostname", "nodes.invalid");
        set("cluster-preferred-endpoint-type", "hostname");
    }
    // Each has heard of the name of each.
    eventually(LIMIT, "all names are known", || {
        (0..6).all(|node| {
            let nodes: String =
                redis::from_redis_value(all.node(node).command(&["CLUSTER", "NODES"])).unwrap();
            nodes.matches("nodes.invalid").count() == 6
        })
    });
    let seed = &all.addresses()[4];
    eventually(LIMIT, "the error names it", || {
        failure(at(seed)).to_string().contains("nodes.invalid")
    });
    let locks = at(seed).cluster_address_map(|host, port| {
        (host == "nodes.invalid").then(|| ("127.0.0.1".to_owned(), port))
    });
    let locks = locks.build().unwrap();
    assert_locks(&locks);
    let slot = all.slot_of(KEYS[0]);
    all.migrate(slot, (all.owner_of(slot) + 1) % 3);
    assert_locks(&locks);
}

#[test]
fn a_provider_is_asked_for_the_credentials_of_each_node() {
    let all = Cluster::start().unwrap();
    let user = ["ACL", "SETUSER", "app", "on", ">right", "~*", "&*", "+@all"];
    (0..6).for_each(|node| drop(all.node(node).command(&user)));
    (0..6)
        .for_each(|node| drop(all.node(node).command(&["ACL", "SETUSER", "default", "-evalsha"])));
    let seed = &all.addresses()[0];
    let error = failure(at(&format!("app:wrong@{seed}"))).to_string();
    assert!(error.contains("WRONGPASS") && !error.contains(":wrong@"), "{error}");
    assert_locks(&at(&format!("app:right@{seed}")).build().unwrap());
    // The first one is not right yet.
    let asked = AtomicU32::new(0);
    let locks = at(seed).credentials_provider(move || {
        let password = if asked.fetch_add(1, Ordering::Relaxed) == 0 { "old" } else { "right" };
        Ok(Credentials::new("app", password))
    });
    assert_locks(&locks.build().unwrap());
}

fn as_app(all: &Cluster) -> LockManagerBuilder {
    let addresses = all.addresses().join(",");
    at(&format!("app:a-secret@{addresses}")).client_name("a-service").prefix("shop*:")
}

fn grant(all: &Cluster, rules: &[&str]) {
    let user = ["ACL", "SETUSER", "app", "reset", "resetchannels", "on", ">a-secret"];
    (0..6).for_each(|node| drop(all.node(node).command(&[&user[..], rules].concat())));
}

#[track_caller]
fn refusal(all: &Cluster) -> String {
    let error = failure(as_app(all));
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    let error = error.to_string();
    assert!(!error.contains("a-secret"), "{error}");
    error
}

/// The rules that the error for a user without any right shows.
fn rules(all: &Cluster) -> Vec<String> {
    grant(all, &["+hello"]);
    let error = refusal(all);
    let (_, rules) = error.split_once("ACL SETUSER app ").expect(&error);
    // Whether it has keys and channels shows only to a user with commands.
    let (commands, patterns) = rules.split_once(" (and ").expect(&error);
    let patterns = patterns.strip_suffix(", unless it has them)").expect(&error);
    patterns.split(' ').chain(commands.split(' ')).map(str::to_owned).collect()
}

#[distributed_lock("{outer}", manager = locks, wait = "20s")]
fn outside(locks: &LockManager, outer: &str, inner: &str, met: &Barrier) -> Result<(), LockError> {
    met.wait();
    inside(locks, inner)
}

#[distributed_lock("{key}", manager = locks, wait = "20s")]
fn inside(locks: &LockManager, key: &str) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn the_rules_of_the_message_are_enough_for_all_that_locks_do_on_the_nodes() {
    let all = Cluster::start().unwrap();
    let rules = rules(&all);
    grant(&all, &rules.iter().map(|rule| &**rule).collect::<Vec<_>>());
    (0..6).for_each(|node| drop(all.node(node).command(&["ACL", "LOG", "RESET"])));
    let build = || as_app(&all).ttl(Duration::from_secs(2)).build().unwrap();
    let (one, other) = (build(), build());
    assert_locks(&one);
    contend(&one, &other);
    // Several keys, of several slots and of one, a deadlock, and a slot that moves.
    for keys in [["a", "b", "c"], ["{x}1", "{x}2", "{x}3"]] {
        let guard = one.mutex_many(keys).wait(LIMIT).acquire_blocking().unwrap();
        guard.release_blocking().unwrap();
    }
    let met = Barrier::new(2);
    std::thread::scope(|scope| {
        let (one, other, met) = (&one, &other, &met);
        let first = scope.spawn(move || outside(one, "x", "y", met));
        let second = scope.spawn(move || outside(other, "y", "x", met));
        let results = [first.join().unwrap(), second.join().unwrap()];
        let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert!(matches!(errors[..], [LockError::Deadlock(_)]), "{errors:?}");
    });
    let slot = all.slot_of("shop*:{a}");
    let held = one.mutex("a").wait(LIMIT).acquire_blocking().unwrap();
    all.migrate(slot, (all.owner_of(slot) + 1) % 3);
    held.release_blocking().unwrap();
    assert_locks(&other);
    // Newer servers know a command by which the client names its library; it may do without.
    let optional = |entry: &str| entry.contains("setinfo");
    for node in 0..6 {
        let redis::Value::Array(log) = all.node(node).command(&["ACL", "LOG"]) else {
            panic!("a list of entries");
        };
        let denied = log.iter().filter(|entry| !optional(&format!("{entry:?}")));
        assert_eq!(denied.count(), 0, "{log:?}");
    }
}

#[test]
fn rights_are_tried_on_each_node_before_a_request_comes_to_it() {
    let all = Cluster::bare(3).unwrap();
    for node in 0..3 {
        let user = ["ACL", "SETUSER", "app", "on", ">a-secret", "~*", "&*", "+@all"];
        all.node(node).command(&user);
    }
    // What a lock needs only when others wait.
    let owner = all.owner_of(Cluster::SLOTS - 1);
    assert_ne!(owner, all.owner_of(0));
    all.node(owner).command(&["ACL", "SETUSER", "app", "-zadd"]);
    let locks = as_app(&all).build().unwrap();
    // It connects to all nodes.
    let mut list = locks.list();
    let error = list.next_blocking().unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("lacks +zadd; run in each node"), "{error}");
    all.node(owner).command(&["ACL", "SETUSER", "app", "+zadd"]);
    eventually(LIMIT, "it connects", || list.next_blocking().is_ok());
    assert_locks(&locks);
}
