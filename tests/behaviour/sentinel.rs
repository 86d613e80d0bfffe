//! Sentinels that name the primary, and promote a replica when it is gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use distlock::{AfterFailover, Credentials, Fence, LockError, LockManager};
use redis::Value;
#[cfg(target_os = "linux")]
use testkit::Resources;
use testkit::{RedisServer, ReservedPort, Sentinels, eventually};

use super::list::drain;
use super::logs::{keep, lines_with};
use crate::support::process::{Process, orders};
use crate::support::{LIMIT, scripts_run};

/// How the connections of the manager are called.
const NAME: &str = "locks-of-this-test";

fn manager(url: impl Into<String>) -> LockManager {
    LockManager::builder().url(url).client_name(NAME).build().unwrap()
}

#[track_caller]
fn assert_locks(locks: &LockManager) {
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

/// How many connections of the manager this server has.
fn connections(all: &Sentinels, server: usize) -> usize {
    match all.server(server).command(&["CLIENT", "LIST"]) {
        Value::BulkString(text) => String::from_utf8_lossy(&text).matches(NAME).count(),
        Value::VerbatimString { text, .. } => text.matches(NAME).count(),
        other => panic!("{other:?}"),
    }
}

fn why(locks: &LockManager) -> String {
    locks.mutex("key").try_acquire_blocking().map(drop).unwrap_err().to_string()
}

#[test]
fn a_manager_follows_failovers_and_crashes() {
    let all = Sentinels::start().unwrap();
    // One is listed, and it names the others.
    let locks = LockManager::builder()
        .sentinel(Sentinels::NAME, [all.addresses()[1].clone()])
        .client_name(NAME)
        .build()
        .unwrap();
    // The old primary may still have granted the lock.
    let wait_until_followed = || {
        eventually(LIMIT, "the manager is connected to the primary", || {
            connections(&all, all.primary()) == 1
        });
    };
    assert_locks(&locks);
    wait_until_followed();
    all.fail_over();
    assert_locks(&locks);
    wait_until_followed();
    all.wait_until_copied();
    // Without the one that is listed, two of three are left.
    all.sentinel(1).kill();
    let old = all.primary();
    all.server(old).kill();
    all.wait_for_another_primary(old);
    assert_locks(&locks);
    wait_until_followed();
}

/// In processes of their own, which take locks all the time.
#[test]
fn all_processes_leave_an_old_primary_that_is_still_alive() {
    if let Some(orders) = orders() {
        let builder = LockManager::builder().url(&*orders.url).client_name(NAME);
        // The test is about where they go, not about how long a busy machine takes.
        let locks = builder.outage_timeout(LIMIT).build().unwrap();
        assert_locks(&locks);
        println!("ready");
        // An inspection fails while there is no connection.
        while !locks.inspect_blocking("over").is_ok_and(|found| found.holder.is_some()) {
            assert_locks(&locks);
        }
        return;
    }
    let all = Sentinels::start().unwrap();
    let test = all_processes_leave_an_old_primary_that_is_still_alive;
    let mut processes = ["1", "2", "3"].map(|name| Process::start(test, &all.url(), name));
    for process in &mut processes {
        process.until_printed("ready");
    }
    let old = all.primary();
    all.server(old).pause();
    all.wait_for_another_primary(old);
    let switched = Instant::now();
    all.server(old).resume();
    let new = all.primary();
    eventually(Duration::from_secs(2), "all have moved", || connections(&all, new) == 3);
    assert!(switched.elapsed() < Duration::from_secs(2));
    let locks = LockManager::connect(&all.url()).unwrap();
    let _over = locks.mutex("over").wait(LIMIT).acquire_blocking().unwrap();
    for process in processes {
        process.finish();
    }
}

/// In a process of its own, as it reads what is logged.
#[test]
fn a_primary_that_no_majority_confirms_is_asked_twice_for_each_lock() {
    if let Some(orders) = orders() {
        return keep(&orders.url, grants_while_sentinels_are_silent);
    }
    let test = a_primary_that_no_majority_confirms_is_asked_twice_for_each_lock;
    Process::start(test, "of Sentinels that it starts", "alone").finish();
}

fn grants_while_sentinels_are_silent(_: &str) {
    let all = Sentinels::start().unwrap();
    let locks = manager(all.url());
    let primary = all.server(all.primary());
    let until_a_pair_is = |scripts: u64| {
        eventually(LIMIT, &format!("a pair is {scripts} scripts"), || {
            let before = scripts_run(primary);
            let guard = locks.mutex("key").wait_for_release().wait(LIMIT).acquire_blocking();
            guard.unwrap().release_blocking().unwrap();
            scripts_run(primary) == before + scripts
        });
    };
    until_a_pair_is(2);
    for episode in 1..=2 {
        for sentinel in [1, 2] {
            all.sentinel(sentinel).pause();
        }
        until_a_pair_is(3);
        let warnings = || lines_with(&["WARN", "no majority of the Sentinels"]).len();
        eventually(LIMIT, "it is logged", || warnings() == episode);
        for sentinel in [1, 2] {
            all.sentinel(sentinel).resume();
        }
        until_a_pair_is(2);
        assert_eq!(warnings(), episode);
    }
}

#[test]
fn a_new_primary_is_not_followed_without_a_majority() {
    let all = Sentinels::start().unwrap();
    let locks = manager(all.url());
    assert_locks(&locks);
    let old = all.primary();
    let others = [all.sentinel(1), all.sentinel(2)];
    for sentinel in others {
        sentinel.pause();
    }
    // One alone promotes a replica when it is asked to.
    all.sentinel(0).command(&["SENTINEL", "FAILOVER", Sentinels::NAME]);
    let is_promoted =
        |server: &usize| *server != old && all.server(*server).replication_says("role:master");
    eventually(LIMIT, "a replica is promoted", || (0..3).any(|server| is_promoted(&server)));
    let new = (0..3).find(is_promoted).unwrap();
    let asked = all.sentinel_proxy(0).commands("SENTINEL");
    eventually(LIMIT, "it was asked again", || {
        all.sentinel_proxy(0).commands("SENTINEL") >= asked + 6
    });
    if let Err(error) = locks.mutex("key").wait(LIMIT).acquire_blocking() {
        // After eight seconds the Sentinel makes the old one a replica.
        assert!(all.server(old).replication_says("role:slave"), "{error}");
    }
    assert_eq!(connections(&all, new), 0);
    for sentinel in others {
        sentinel.resume();
    }
    assert_locks(&locks);
    eventually(LIMIT, "it is connected to the new one", || connections(&all, new) == 1);
}

#[test]
fn one_sentinel_that_names_another_server_is_ignored() {
    let all = Sentinels::start().unwrap();
    let locks = manager(all.url());
    let held = locks.mutex("held").wait(LIMIT).acquire_blocking().unwrap();
    let primary = all.primary();
    let wrong = all.server_proxy((primary + 1) % 3).port().to_string();
    all.sentinel(0).command(&["SENTINEL", "REMOVE", Sentinels::NAME]);
    all.sentinel(0).command(&["SENTINEL", "MONITOR", Sentinels::NAME, "127.0.0.1", &wrong, "2"]);
    let asked = all.sentinel_proxy(0).commands("SENTINEL");
    eventually(LIMIT, "it was asked again", || {
        all.sentinel_proxy(0).commands("SENTINEL") >= asked + 6
    });
    assert!(held.hold().is_valid());
    assert_eq!(connections(&all, primary), 1);
    assert_locks(&locks);
}

#[cfg(target_os = "linux")]
#[test]
fn a_minority_is_not_followed_and_left_when_the_partition_ends() {
    let all = Sentinels::start().unwrap();
    let locks = manager(all.url());
    assert_locks(&locks);
    let old = all.partition(&[std::process::id()], &[]);
    // Left of a failover before, which a busy machine causes.
    let before = [0, 1, 2].map(|server| connections(&all, server));
    all.wait_for_another_primary(old);
    let new = all.primary();
    assert_eq!(connections(&all, new), before[new]);
    all.heal();
    eventually(LIMIT, "it has moved", || connections(&all, new) == 1);
    assert_locks(&locks);
}

#[test]
fn sentinels_have_a_password_of_their_own() {
    let all = Sentinels::start().unwrap();
    // As in `docs/server.md`.
    let rules = "on >of-sentinels resetchannels &+switch-master +hello +subscribe +sentinel|myid \
                 +sentinel|master +sentinel|sentinels";
    let words: Vec<_> = ["ACL", "SETUSER", "watch"].into_iter().chain(rules.split(' ')).collect();
    for sentinel in 0..3 {
        all.sentinel(sentinel).command(&words);
    }
    let primary = all.primary();
    all.server(primary).command(&["ACL", "SETUSER", "app", "on", ">of-it", "~*", "&*", "+@all"]);
    let url = all.url().replace("://", "://app:of-it@");
    let with = |password: &str| {
        LockManager::builder()
            .url(&*url)
            .sentinel_credentials(Credentials::new("watch", password))
            .build()
            .unwrap()
    };
    assert_locks(&with("of-sentinels"));
    let refused = why(&with("wrong"));
    assert!(refused.contains("the Sentinels refuse the user or the password"), "{refused}");
    assert!(!refused.contains("wrong"), "{refused}");
    let unknown = why(&manager(all.url().replace("/locks/", "/other/")));
    assert!(unknown.contains("watch no primary 'other'"), "{unknown}");
    all.sentinel(1).kill();
    all.sentinel(2).kill();
    let alone = why(&manager(all.url()));
    assert!(alone.contains("only 1 of 3 agree"), "{alone}");
}

#[test]
fn sentinels_that_do_not_answer_are_named() {
    let port = ReservedPort::new().unwrap().number();
    let error = why(&manager(format!("redis-sentinel://127.0.0.1:{port}/locks")));
    assert!(error.contains(&format!("no Sentinel answers (127.0.0.1:{port}")), "{error}");
}

#[test]
fn servers_in_the_place_of_sentinels_are_an_error_at_once() {
    let server = RedisServer::start().unwrap();
    let url = format!("redis-sentinel://127.0.0.1:{}/locks", server.port());
    let asked = manager(url).mutex("key").acquire_blocking().map(drop);
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("there are servers where Sentinels should be"), "{error}");
}

#[test]
fn the_builder_names_the_database_of_the_primary() {
    let all = Sentinels::start().unwrap();
    let builder = LockManager::builder().sentinel(Sentinels::NAME, all.addresses());
    let locks = builder.database(3).build().unwrap();
    assert_locks(&locks);
    let _held = locks.mutex("key").acquire_blocking().unwrap();
    let keys = all.server(all.primary()).command(&["INFO", "keyspace"]);
    assert!(format!("{keys:?}").contains("db3:"), "{keys:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_and_no_socket_is_left_of_a_manager() {
    if let Some(orders) = orders() {
        let used = || Resources::of(std::process::id()).unwrap();
        let before = used();
        let locks = manager(orders.url);
        assert_locks(&locks);
        let runs = || used().threads >= before.threads + 4;
        eventually(LIMIT, "the keeper and one thread for each Sentinel run", runs);
        drop(locks);
        eventually(LIMIT, "all is as before", || {
            let after = used();
            (after.threads, after.sockets) == (before.threads, before.sockets)
        });
        return;
    }
    let all = Sentinels::start().unwrap();
    Process::start(no_thread_and_no_socket_is_left_of_a_manager, &all.url(), "alone").finish();
}

#[test]
fn a_manager_that_ends_leaves_no_connection_to_a_sentinel() {
    let all = Sentinels::start().unwrap();
    let locks = manager(all.url());
    assert_locks(&locks);
    drop(locks);
    // The other Sentinels keep theirs, as many as each other Sentinel has.
    let named = |sentinel: usize| match all.sentinel(sentinel).command(&["CLIENT", "LIST"]) {
        Value::BulkString(text) => String::from_utf8_lossy(&text).matches("sub=1").count(),
        other => panic!("{other:?}"),
    };
    eventually(LIMIT, "nobody listens", || (0..3).all(|sentinel| named(sentinel) == 0));
}

#[test]
fn a_list_that_has_begun_before_a_failover_has_all_locks() {
    /// More than a step of the server returns.
    const LOCKS: usize = 1_200;
    let all = Sentinels::start().unwrap();
    let (locks, others) = (manager(all.url()), manager(all.url()));
    let keys: BTreeSet<_> = (0..LOCKS).map(|number| format!("key {number}")).collect();
    let guard = locks.mutex_many(&keys).wait(LIMIT).acquire_blocking().unwrap();
    all.wait_until_copied();
    let mut list = others.list();
    let (first, state) = list.next_blocking().unwrap().expect("there are some");
    assert_eq!(state.holder.expect("it is held").pid, std::process::id());
    let mut seen = BTreeSet::from([first]);
    all.fail_over();
    drain(&mut list, &mut seen);
    assert_eq!(seen, keys);
    guard.hold().check().unwrap();
    guard.release_blocking().unwrap();
}

#[test]
fn scripts_that_are_flushed_around_a_failover_are_sent_again() {
    let all = Sentinels::start().unwrap();
    let locks = manager(all.url());
    let held = locks.mutex("held").wait(LIMIT).acquire_blocking().unwrap();
    all.server(all.primary()).command(&["SCRIPT", "FLUSH"]);
    assert_locks(&locks);
    all.fail_over();
    assert_locks(&locks);
    all.server(all.primary()).command(&["SCRIPT", "FLUSH"]);
    assert_locks(&locks);
    held.hold().check().unwrap();
    held.release_blocking().unwrap();
}

/// A process that the Sentinels cannot tell, and that has asked the old primary for locks while it
/// stood still. What it grants when it goes on, others have by then.
#[cfg(target_os = "linux")]
#[test]
fn a_primary_that_sentinels_replaced_while_it_was_frozen_confirms_nothing() {
    const CALLS: usize = 3;
    let all = Sentinels::start().unwrap();
    let builder = || {
        let builder = LockManager::builder().after_failover(AfterFailover::AtOnce);
        builder.outage_timeout(LIMIT).confirm(LIMIT)
    };
    let locks = builder().url(all.url()).build().unwrap();
    let ask = |key: &str, replicas: u8| {
        let guard = locks.mutex(key).replicas(replicas).wait(LIMIT).acquire_blocking()?;
        Ok::<_, LockError>(guard.fence())
    };
    let calls: Vec<_> =
        [0, 1].iter().flat_map(|replicas| vec![*replicas; CALLS]).enumerate().collect();
    let keys = calls.iter().map(|(number, _)| format!("key {number}"));
    ask("warm", 0).unwrap();
    ask("warm", 1).unwrap();
    let old = all.primary();
    let sent = || ["EVALSHA", "WAIT"].map(|name| all.server_proxy(old).commands(name));
    let [scripts, waits] = sent();
    for sentinel in 0..3 {
        all.sentinel_proxy(sentinel).isolate(&[std::process::id()]);
    }
    all.server(old).pause();
    let (held, tokens) = std::thread::scope(|scope| {
        let start = |&(number, replicas): &(usize, u8)| {
            scope.spawn(move || ask(&format!("key {number}"), replicas))
        };
        let waiting: Vec<_> = calls.iter().map(start).collect();
        // Several acquires may be one script.
        eventually(LIMIT, "both connections are used", || {
            let [scripts_now, waits_now] = sent();
            scripts_now >= scripts + 2 && waits_now > waits
        });
        all.wait_for_another_primary(old);
        let other = builder().url(all.server(all.primary()).url()).build().unwrap();
        let guard = other.mutex_many(keys).wait(LIMIT).acquire_blocking().unwrap();
        all.server(old).resume();
        eventually(LIMIT, "the Sentinels make the old primary a replica", || {
            all.server(old).replication_says("role:slave")
        });
        guard.hold().check().unwrap();
        let held = guard.fence();
        guard.release_blocking().unwrap();
        all.heal();
        let tokens: Vec<_> = waiting.into_iter().map(|call| call.join().unwrap()).collect();
        (held, tokens)
    });
    let (plain, confirmed) = tokens.split_at(CALLS);
    // What the old primary granted has lower tokens.
    let twice = |tokens: &[Result<Fence, LockError>]| {
        tokens.iter().flatten().filter(|token| **token < held).count()
    };
    println!("without replicas: {} of {CALLS} locks had two holders", twice(plain));
    assert_eq!(twice(confirmed), 0, "{tokens:?} and {held:?}");
}
