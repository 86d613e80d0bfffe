//! Users of the server that lack one right: no script leaves anything half-done, and the error names the command.

use std::time::Duration;

use distlock::{LockError, LockManager};
use testkit::RedisServer;

use crate::support::{LIMIT, connect, inspect, server, traces, until_free, until_waiting};

const WAIT: Duration = Duration::from_millis(300);

/// Has the manager's connection run as a user without these rights from now on.
fn without(server: &RedisServer, rights: &[&str]) {
    let rules: Vec<String> = rights.iter().map(|right| format!("-{right}")).collect();
    let mut words = vec!["ACL", "SETUSER", "app"];
    words.extend(rules.iter().map(String::as_str));
    server.command(&words);
}

/// A manager of a user with all rights, which may lose some after it has connected.
fn as_user(server: &RedisServer) -> LockManager {
    server.command(&["ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all"]);
    let url = format!("redis://app:pw@127.0.0.1:{}/", server.port());
    let locks = LockManager::connect(&url).expect("the url is well formed");
    locks.lock("warm").acquire().unwrap().release().unwrap();
    locks
}

#[test]
fn a_refused_publish_leaves_no_ghost_and_no_release_is_taken_for_a_loss() {
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    let second = as_user(&server);
    without(&server, &["publish"]);
    std::thread::scope(|scope| {
        let held = locks.lock("rights").release_confirmed().acquire().unwrap();
        let waiter = scope.spawn(|| second.lock("rights").wait(LIMIT).acquire());
        until_waiting(&others, "rights", 1);
        held.release().expect("the hold was sound to its end");
        waiter.join().unwrap().expect("it asks for itself").release().unwrap();
    });
    let held = locks.lock("rights").acquire().unwrap();
    let error = second.lock("rights").wait(WAIT).acquire().unwrap_err();
    assert!(matches!(error, LockError::Busy(_)), "{error:?}");
    held.release().unwrap();
    until_free(&others, "rights");
    assert_eq!(inspect(&others, "rights").waiting, 0);
    others.lock("rights").wait(WAIT).acquire().expect("no ghost has it").release().unwrap();
}

#[test]
fn a_waiter_whose_entry_is_refused_leaves_no_ghost() {
    for right in ["zadd", "hset", "setrange", "zrank", "pttl"] {
        let server = server();
        let (locks, others) = (as_user(&server), connect(&server));
        without(&server, &[right]);
        let held = others.lock("rights").release_confirmed().acquire().unwrap();
        let error = locks.lock("rights").wait(LIMIT).acquire().unwrap_err();
        assert!(matches!(error, LockError::Refused(_)), "{right}: {error:?}");
        let text = error.to_string().to_lowercase();
        assert!(text.contains(&format!("'{right}'")), "{right}: {text}");
        held.release().expect("the hold was sound to its end");
        others.lock("rights").wait(WAIT).acquire().expect("no ghost has it").release().unwrap();
    }
}

#[test]
fn a_missing_right_to_read_is_told_as_such_and_not_as_a_foreign_key() {
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    without(&server, &["get"]);
    let held = others.lock("rights").acquire().unwrap();
    let error = locks.lock("rights").wait(WAIT).acquire().unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().to_lowercase().contains("'get'"), "{error}");
    let error = locks.inspect("rights").unwrap_err();
    assert!(matches!(error, LockError::Refused(_)), "{error:?}");
    assert!(error.to_string().to_lowercase().contains("'get'"), "{error}");
    held.release().unwrap();
}

#[test]
fn every_right_of_the_scripts_that_is_missing_leaves_the_lock_to_others() {
    let rights = [
        "get", "set", "setrange", "del", "exists", "incrby", "pttl", "pexpire", "time", "zadd",
        "zrange", "zrank", "zrem", "zscore", "hset", "hmget", "hdel", "hget", "publish",
    ];
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    let ttl = Duration::from_millis(400);
    for right in rights {
        server.command(&["ACL", "SETUSER", "app", "+@all"]);
        let held = others.lock("rights").wait(LIMIT).release_confirmed().acquire().unwrap();
        without(&server, &[right]);
        let waited = locks.lock("rights").ttl(ttl).wait(WAIT).acquire();
        let error = waited.expect_err(right);
        assert!(matches!(error, LockError::Refused(_) | LockError::Busy(_)), "{right}: {error:?}");
        held.release().unwrap_or_else(|error| panic!("{right}: {error}"));
        // Without DEL it cannot give up what it is granted, and only time does.
        let own = locks.lock("rights").ttl(ttl).wait(WAIT).acquire();
        let told = matches!(own, Ok(_) | Err(LockError::Refused(_) | LockError::Busy(_)));
        assert!(told, "{right}: {own:?}");
        drop(own);
        let next = others.lock("rights").wait(LIMIT).acquire();
        next.unwrap_or_else(|error| panic!("{right}: {error}")).release().unwrap();
    }
    server.command(&["ACL", "SETUSER", "app", "+@all"]);
    until_free(&others, "rights");
    testkit::eventually(LIMIT, "nothing is left", || traces(&server).is_empty());
}

#[test]
fn a_release_that_is_refused_is_told_with_the_servers_words() {
    let server = server();
    let (locks, others) = (as_user(&server), connect(&server));
    let ttl = Duration::from_secs(1);
    let held = locks.lock("rights").ttl(ttl).release_confirmed().acquire().unwrap();
    without(&server, &["del"]);
    let error = held.release().unwrap_err();
    assert!(matches!(error, LockError::Lost(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("refused the release") && text.to_lowercase().contains("'del'"),
        "{text}"
    );
    others.lock("rights").wait(LIMIT).acquire().expect("its ttl is over").release().unwrap();
}

#[test]
fn a_hold_whose_renewals_are_refused_is_lost_with_the_servers_words() {
    let server = server();
    let locks = as_user(&server);
    let held = locks.lock("rights").ttl(Duration::from_millis(600)).acquire().unwrap();
    without(&server, &["pexpire"]);
    let error = futures::executor::block_on(held.hold().lost());
    let text = error.to_string();
    assert!(
        text.contains("refused to renew") && text.to_lowercase().contains("'pexpire'"),
        "{text}"
    );
    assert_eq!(held.release().unwrap_err().to_string(), text);
}
