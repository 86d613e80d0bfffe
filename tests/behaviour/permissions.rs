//! Users without a permission: no script leaves a partial change, and the error names the command.

use std::time::Duration;

use distlock::{LockError, LockManager};
use testkit::RedisServer;

use crate::support::{LIMIT, connect, inspect, server, traces, until_free, until_waiting};

const WAIT: Duration = Duration::from_millis(300);

/// Revokes these permissions of the user of the manager.
fn without(server: &RedisServer, rights: &[&str]) {
    let rules: Vec<String> = rights.iter().map(|right| format!("-{right}")).collect();
    let mut words = vec!["ACL", "SETUSER", "app"];
    words.extend(rules.iter().map(String::as_str));
    server.command(&words);
}

/// A manager of a user with all permissions, which may be revoked after it has connected.
fn as_user(server: &RedisServer) -> LockManager {
    server.command(&["ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"]);
    let url = format!("redis://app:pw@127.0.0.1:{}/", server.port());
    let locks = LockManager::connect(&url).expect("the url is well formed");
    locks.mutex("warm").acquire_blocking().unwrap().release_blocking().unwrap();
    locks
}

/// Whether the lock can be taken: nothing that was rejected has left a hold or an entry.
fn assert_left_free(locks: &LockManager) {
    let guard = locks.mutex("rights").wait(WAIT).acquire_blocking().expect("no ghost has it");
    guard.release_blocking().unwrap();
}

#[test]
fn a_rejected_publish_leaves_no_waiter_behind_and_a_release_is_not_a_loss() {
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    let second = as_user(&server);
    without(&server, &["publish"]);
    std::thread::scope(|scope| {
        let held = locks.mutex("rights").wait_for_release().acquire_blocking().unwrap();
        let waiter = scope.spawn(|| second.mutex("rights").wait(LIMIT).acquire_blocking());
        until_waiting(&others, "rights", 1);
        held.release_blocking().expect("the hold was sound to its end");
        waiter.join().unwrap().expect("it asks for itself").release_blocking().unwrap();
    });
    let held = locks.mutex("rights").acquire_blocking().unwrap();
    let error = second.mutex("rights").wait(WAIT).acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Busy(_)), "{error:?}");
    held.release_blocking().unwrap();
    until_free(&others, "rights");
    assert_eq!(inspect(&others, "rights").waiting, 0);
    assert_left_free(&others);
}

#[test]
fn a_waiter_whose_entry_is_rejected_leaves_nothing_behind() {
    for right in ["zadd", "hset", "setrange", "zcount", "pttl"] {
        let server = server();
        let (locks, others) = (as_user(&server), connect(&server));
        without(&server, &[right]);
        let held = others.mutex("rights").wait_for_release().acquire_blocking().unwrap();
        let error = locks.mutex("rights").wait(LIMIT).acquire_blocking().unwrap_err();
        assert!(matches!(error, LockError::Refused(_)), "{right}: {error:?}");
        let text = error.to_string().to_lowercase();
        assert!(text.contains(&format!("'{right}'")), "{right}: {text}");
        held.release_blocking().expect("the hold was sound to its end");
        assert_left_free(&others);
    }
}

#[test]
fn a_missing_read_permission_is_not_reported_as_a_key_conflict() {
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    without(&server, &["get"]);
    let held = others.mutex("rights").acquire_blocking().unwrap();
    let error = locks.mutex("rights").wait(WAIT).acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().to_lowercase().contains("'get'"), "{error}");
    let error = locks.inspect_blocking("rights").unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().starts_with("lock 'rights' cannot be inspected: "), "{error}");
    assert!(error.to_string().to_lowercase().contains("'get'"), "{error}");
    held.release_blocking().unwrap();
}

#[test]
fn a_list_without_permission_names_the_command_and_goes_on_with_it() {
    let server = server();
    let locks = as_user(&server);
    without(&server, &["scan"]);
    let held = locks.mutex("rights").acquire_blocking().expect("no lock needs it");
    let mut list = locks.list();
    for _ in 0..2 {
        let error = list.next_blocking().unwrap_err();
        assert!(matches!(error, LockError::Refused(_)), "{error:?}");
        assert!(error.to_string().to_lowercase().contains("'scan'"), "{error}");
        assert!(
            error
                .to_string()
                .ends_with("; grant the user `+scan`, which lists need and locks do not")
        );
    }
    server.command(&["ACL", "SETUSER", "app", "+scan"]);
    assert_eq!(list.next_blocking().unwrap().expect("it is held").0, "rights");
    held.release_blocking().unwrap();
}

#[test]
fn a_missing_permission_of_a_script_leaves_no_lock_behind() {
    let rights = [
        "get", "set", "setrange", "del", "exists", "incrby", "pttl", "pexpire", "time", "zadd",
        "zrange", "zcount", "zrem", "zscore", "hset", "hmget", "hdel", "hget", "mget", "publish",
    ];
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    let ttl = Duration::from_millis(400);
    for right in rights {
        server.command(&["ACL", "SETUSER", "app", "+@all"]);
        let held =
            others.mutex("rights").wait(LIMIT).wait_for_release().acquire_blocking().unwrap();
        without(&server, &[right]);
        let waited = locks.mutex("rights").ttl(ttl).wait(WAIT).acquire_blocking();
        let error = waited.expect_err(right);
        assert!(matches!(error, LockError::Refused(_) | LockError::Busy(_)), "{right}: {error:?}");
        held.release_blocking().unwrap_or_else(|error| panic!("{right}: {error}"));
        // Without DEL it cannot give up what it is granted, and only time does.
        let own = locks.mutex("rights").ttl(ttl).wait(WAIT).acquire_blocking();
        let expected = matches!(own, Ok(_) | Err(LockError::Refused(_) | LockError::Busy(_)));
        assert!(expected, "{right}: {own:?}");
        drop(own);
        let next = others.mutex("rights").wait(LIMIT).acquire_blocking();
        next.unwrap_or_else(|error| panic!("{right}: {error}")).release_blocking().unwrap();
    }
    server.command(&["ACL", "SETUSER", "app", "+@all"]);
    until_free(&others, "rights");
    testkit::eventually(LIMIT, "nothing is left", || traces(&server).is_empty());
}

#[test]
fn a_rejected_release_reports_the_error_of_the_server() {
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    let ttl = Duration::from_secs(1);
    let held = locks.mutex("rights").ttl(ttl).wait_for_release().acquire_blocking().unwrap();
    without(&server, &["del"]);
    let error = held.release_blocking().unwrap_err();
    assert!(matches!(error, LockError::Lost(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("refused the release") && text.to_lowercase().contains("'del'"),
        "{text}"
    );
    others
        .mutex("rights")
        .wait(LIMIT)
        .acquire_blocking()
        .expect("its ttl is over")
        .release_blocking()
        .unwrap();
}

#[test]
fn a_hold_whose_renewals_are_rejected_is_lost_with_the_error_of_the_server() {
    let server = server();
    let locks = as_user(&server);
    let held = locks.mutex("rights").ttl(Duration::from_millis(600)).acquire_blocking().unwrap();
    without(&server, &["pexpire"]);
    let error = futures::executor::block_on(held.hold().lost());
    let text = error.to_string();
    assert!(
        text.contains("refused to renew") && text.to_lowercase().contains("'pexpire'"),
        "{text}"
    );
    assert_eq!(held.release_blocking().unwrap_err().to_string(), text);
}
