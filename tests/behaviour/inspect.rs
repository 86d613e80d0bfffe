//! Inspecting a lock.

use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use distlock::{LockError, LockManager, PauseReason, distributed_lock};
use testkit::{Cluster, RedisServer, eventually};

use crate::support::{LIMIT, connect, inspect, server, until_free, until_waiting};

#[distributed_lock("seen", manager = locks, ttl = "20s", hold = hold)]
fn look_from_inside(locks: &LockManager) -> Result<(), LockError> {
    let seen = inspect(locks, "seen");
    let holder = seen.holder.expect("it is held");
    assert_eq!(holder.fence, hold.fence());
    assert_eq!(holder.pid, std::process::id());
    assert!(holder.function.ends_with("inspect::look_from_inside"), "{}", holder.function);
    assert!(!holder.host.is_empty() && holder.since <= SystemTime::now());
    let left = seen.expires_in.expect("every hold expires");
    assert!(left > Duration::from_secs(10) && left < Duration::from_secs(21), "{left:?}");
    assert!(seen.waiters.is_empty() && seen.waiting == 0 && !seen.not_a_lock);
    Ok(())
}

#[test]
fn the_holder_is_seen_with_its_function_and_process() {
    let server = server();
    let locks = connect(&server);
    look_from_inside(&locks).unwrap();
    until_free(&locks, "seen");
    let seen = inspect(&locks, "seen");
    assert!(seen.expires_in.is_none() && seen.waiters.is_empty());
}

#[distributed_lock("seen", manager = locks)]
fn first_in_line(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("seen", manager = locks)]
fn second_in_line(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn waiters_are_seen_in_their_order() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let elsewhere = connect(&server);
    let guard = locks.mutex("seen").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| first_in_line(&others));
        until_waiting(&locks, "seen", 1);
        let second = scope.spawn(|| second_in_line(&elsewhere));
        until_waiting(&locks, "seen", 2);
        let third = scope.spawn(|| locks.mutex("seen").acquire_blocking().map(drop));
        until_waiting(&locks, "seen", 3);
        assert_eq!(inspect(&others, "seen").waiting, 2, "the third waits for a handoff");
        let seen = inspect(&locks, "seen");
        let functions: Vec<_> =
            seen.waiters.iter().map(|waiter| waiter.function.as_str()).collect();
        assert!(functions[0].ends_with("first_in_line"), "{functions:?}");
        assert!(functions[1].ends_with("second_in_line"), "{functions:?}");
        assert!(functions[2].contains("inspect.rs:"), "{functions:?}");
        let pid = std::process::id();
        assert!(seen.waiters.iter().all(|waiter| waiter.pid == pid));
        guard.release_blocking().unwrap();
        for waiter in [first, second, third] {
            waiter.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_busy_error_names_the_holder_and_the_number_of_earlier_waiters() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("seen").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| first_in_line(&locks));
        until_waiting(&locks, "seen", 1);
        let error =
            locks.mutex("seen").wait(Duration::from_millis(50)).acquire_blocking().unwrap_err();
        let text = error.to_string();
        let LockError::Busy(busy) = error else {
            panic!("{error:?}");
        };
        let holder = busy.holder.expect("the holder is known");
        assert_eq!((holder.fence, busy.ahead), (guard.fence(), 1));
        assert!(busy.waited >= Duration::from_millis(50));
        for part in ["'seen'", "inspect.rs:", "1 ahead of this call", "allow a longer wait"] {
            assert!(text.contains(part), "{text}");
        }
        guard.release_blocking().unwrap();
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn inspection_does_not_change_what_it_looks_at() {
    let server = server();
    let locks = connect(&server);
    assert!(inspect(&locks, "never asked for").holder.is_none());
    assert!(crate::support::traces(&server).is_empty());
}

#[test]
fn an_inspection_under_way_when_the_connection_breaks_finds_the_server_unavailable() {
    let server = server();
    let locks = connect(&server);
    inspect(&locks, "seen");
    server.pause();
    let mut asked: Vec<_> = (0..50).map(|_| Box::pin(locks.inspect("seen"))).collect();
    let context = &mut Context::from_waker(Waker::noop());
    assert!(asked.iter_mut().all(|one| one.as_mut().poll(context).is_pending()));
    server.kill();
    for answer in futures::executor::block_on(futures::future::join_all(asked)) {
        let error = answer.expect_err("the server is gone");
        assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    }
}

#[test]
fn a_request_names_the_function_that_others_see() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let request = locks.mutex("named").function("jobs::count\nof the stock").label("v2");
    let guard = request.acquire_blocking().unwrap();
    let holder = inspect(&others, "named").holder.expect("it is held");
    let shown = (holder.function.as_str(), holder.label.as_deref());
    assert_eq!(shown, ("jobs::count of the stock", Some("v2")), "one line, and the label");
    let busy = others.mutex("named").wait(Duration::ZERO).acquire_blocking().unwrap_err();
    assert!(busy.to_string().contains("jobs::count of the stock (v2)"), "{busy}");
    std::thread::scope(|scope| {
        let waiter =
            scope.spawn(|| others.mutex("named").function("jobs::sell").acquire_blocking());
        until_waiting(&locks, "named", 1);
        assert_eq!(inspect(&locks, "named").waiters[0].function, "jobs::sell");
        guard.release_blocking().unwrap();
        waiter.join().unwrap().unwrap().release_blocking().unwrap();
    });
}

#[test]
fn a_label_is_stored_with_the_lock_and_shown_to_those_who_wait() {
    let server = server();
    let builder = LockManager::builder().url(server.url()).label("shop 1.2\nrolled out today");
    let (labelled, plain) = (builder.build().unwrap(), connect(&server));
    let label = |locks: &LockManager| inspect(locks, "label").holder.expect("it is held").label;

    let guard = labelled.mutex("label").acquire_blocking().unwrap();
    assert_eq!(label(&plain).as_deref(), Some("shop 1.2\nrolled out today"));
    let busy = plain.mutex("label").wait(Duration::ZERO).acquire_blocking().unwrap_err();
    let text = busy.to_string();
    assert!(text.contains(r"(shop 1.2\nrolled out today) in process"), "{text}");
    let LockError::Busy(busy) = busy else { panic!("{busy}") };
    let holder = busy.holder.expect("the server knows");
    assert!(holder.function.contains("inspect.rs") && !holder.function.contains("shop"));
    guard.release_blocking().unwrap();

    let guard =
        labelled.mutex("label").label("nightly count").wait(LIMIT).acquire_blocking().unwrap();
    assert_eq!(label(&plain).as_deref(), Some("nightly count"), "the request's own comes first");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let guard = plain.mutex("label").label("waits").acquire_blocking().unwrap();
            assert_eq!(label(&labelled).as_deref(), Some("waits"), "also after a handoff");
            guard.release_blocking().unwrap();
        });
        until_waiting(&plain, "label", 1);
        let waiters = inspect(&labelled, "label").waiters;
        assert_eq!(waiters[0].label.as_deref(), Some("waits"));
        guard.release_blocking().unwrap();
        waits.join().unwrap();
    });
    let _guard = plain.mutex("label").wait(LIMIT).acquire_blocking().unwrap();
    assert_eq!(label(&plain), None);
}

#[test]
fn a_holder_that_waited_is_seen_with_when_it_asked_and_since_when_it_holds() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let guard = locks.mutex("seen").acquire_blocking().unwrap();
    let holder = inspect(&others, "seen").holder.expect("it is held");
    assert_eq!(holder.held_since, holder.since, "it did not wait");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| others.mutex("seen").acquire_blocking());
        until_waiting(&locks, "seen", 1);
        let pause = Duration::from_millis(300);
        thread::sleep(pause);
        guard.release_blocking().unwrap();
        let guard = waiter.join().unwrap().unwrap();
        for manager in [&locks, &others] {
            let holder = inspect(manager, "seen").holder.expect("it is held");
            let took = holder.held_since.duration_since(holder.since).expect("one clock");
            assert!(took >= pause, "{took:?}");
            assert!(holder.held_since.elapsed().expect("one clock") < Duration::from_secs(10));
        }
        guard.release_blocking().unwrap();
    });
}

#[test]
fn what_a_holder_waits_for_is_seen_in_each_of_its_holds() {
    let server = server();
    for url in [server.url(), "memory://nested".to_owned()] {
        let [locks, others] = [(); 2].map(|()| LockManager::connect(&url).unwrap());
        let guard = locks.mutex("wanted").acquire_blocking().unwrap();
        let nested = |key: &str| inspect(&locks, key).nested_waits;
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let acquire = |key: &str| others.mutex(key).acquire_blocking();
                let (outer, beside) = (acquire("outer")?, acquire("beside")?);
                outer.enter(|| {
                    let inner = acquire("inner")?;
                    inner.enter(|| beside.enter(|| acquire("wanted"))).map(drop)
                })
            });
            eventually(LIMIT, "it is seen", || !nested("inner").is_empty());
            let [seen] = &nested("inner")[..] else { panic!("one wait is registered") };
            assert_eq!(seen.key, "wanted");
            assert!(seen.function.contains("inspect.rs:"), "{seen:?}");
            assert!(seen.since <= SystemTime::now());
            for around in ["outer", "beside"] {
                assert_eq!(nested(around), std::slice::from_ref(seen), "it is inside all");
            }
            assert_eq!(nested("wanted"), []);
            guard.release_blocking().unwrap();
            waiter.join().unwrap().unwrap();
        });
        assert_eq!(nested("outer"), []);
    }
}

#[test]
fn what_a_holder_waits_for_is_unknown_without_the_right_to_read_it() {
    let server = server();
    server.command(&["ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"]);
    let url = format!("redis://app:pw@127.0.0.1:{}/", server.port());
    let locks = LockManager::connect(&url).unwrap();
    assert!(!inspect(&locks, "seen").nested_waits_unknown, "it is free");
    let guard = locks.mutex("seen").acquire_blocking().unwrap();
    assert!(!inspect(&locks, "seen").nested_waits_unknown);
    server.command(&["ACL", "SETUSER", "app", "-hgetall"]);
    let found = inspect(&locks, "seen");
    assert!(found.nested_waits_unknown && found.nested_waits.is_empty(), "{found:?}");
    assert_eq!(found.holder.expect("the rest is known").fence, guard.fence());
}

#[test]
fn inspect_and_the_owner_agree_on_the_expiry_of_a_hold() {
    let server = server();
    let locks = connect(&server);
    let hour = Duration::from_secs(60 * 60);
    let guard = locks.mutex("seen").ttl(hour).acquire_blocking().unwrap();
    let left = inspect(&locks, "seen").expires_in.expect("every hold expires");
    assert!(left <= hour && left > hour * 99 / 100, "{left:?}");
    guard.release_blocking().unwrap();
}

/// The first digits of what a primary calls its history.
fn identity(node: &RedisServer) -> String {
    let mut info = redis::cmd("INFO");
    let info: String =
        info.arg("replication").query(&mut node.connection()).expect("the node answers");
    let id = info.lines().find_map(|line| line.strip_prefix("master_replid:"));
    id.expect("it has one")[..8].to_owned()
}

#[test]
fn in_a_cluster_each_key_is_seen_as_its_node_has_it() {
    let cluster = Cluster::bare(3).expect("a cluster starts");
    let connect = || LockManager::connect(&cluster.url()).expect("the url is well formed");
    let (locks, others) = (connect(), connect());
    let mut primaries = Vec::new();
    for key in ["key:0", "key:1", "key:3"] {
        let guard = locks.mutex(key).acquire_blocking().unwrap();
        thread::scope(|scope| {
            let in_server = scope.spawn(|| others.mutex(key).acquire_blocking().map(drop));
            until_waiting(&locks, key, 1);
            let here = scope.spawn(|| locks.mutex(key).acquire_blocking().map(drop));
            until_waiting(&locks, key, 2);
            for (manager, waiting) in [(&locks, 2_usize), (&others, 1)] {
                let seen = inspect(manager, key);
                let holder = seen.holder.expect("it is held");
                assert_eq!((holder.fence, holder.pid), (guard.fence(), std::process::id()));
                assert!(seen.expires_in > Some(Duration::from_secs(15)), "{:?}", seen.expires_in);
                assert_eq!((seen.waiting, seen.waiters.len()), (waiting as u64, waiting));
                assert_eq!(seen.pause, None);
                primaries.push(seen.primary.expect("tokens were drawn"));
            }
            guard.release_blocking().unwrap();
            in_server.join().unwrap().unwrap();
            here.join().unwrap().unwrap();
        });
        let node = cluster.node(cluster.owner_of(cluster.slot_of(key)));
        assert!(primaries.drain(..).all(|primary| primary == identity(node)), "{key}");
    }
}

#[test]
fn a_pause_after_a_failover_of_a_node_is_seen_for_its_keys_alone() {
    let cluster = Cluster::start().expect("a cluster starts");
    let locks = LockManager::connect(&cluster.url()).expect("the url is well formed");
    let (key, other) = ("key:0", "key:1");
    let owner = || cluster.owner_of(cluster.slot_of(key));
    let (old, stays) = (owner(), cluster.owner_of(cluster.slot_of(other)));
    assert_ne!(old, stays);
    for key in [key, other] {
        locks.mutex(key).acquire_blocking().unwrap().release_blocking().unwrap();
    }
    thread::scope(|scope| {
        let fails = scope.spawn(|| cluster.fail_over(old));
        eventually(LIMIT, "the pause is seen", || {
            // Who asks first opens the tokens of the slot.
            let free = locks.mutex(key).wait(Duration::ZERO).acquire_blocking();
            let seen = locks.inspect_blocking(key).ok().and_then(|seen| seen.pause);
            let paused = seen.is_some_and(|pause| {
                pause.reason == PauseReason::Failover && pause.left <= Duration::from_secs(2)
            });
            paused && free.is_err()
        });
        let seen = inspect(&locks, other);
        assert_eq!((seen.pause, seen.primary), (None, Some(identity(cluster.node(stays)))));
        fails.join().unwrap();
    });
    locks.mutex(key).acquire_blocking().unwrap().release_blocking().unwrap();
    let seen = inspect(&locks, key);
    assert_eq!((seen.pause, seen.primary), (None, Some(identity(cluster.node(owner())))));
}
