//! Keys that are not locks under the name of a lock.

use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, distributed_lock};
use redis::Value;
use testkit::RedisServer;

use crate::support::{LIMIT, connect, inspect, server, until_waiting};

const HOLD: &str = "lock:{foreign}";

#[distributed_lock("foreign", manager = locks, if_busy = skip)]
fn skip(locks: &LockManager) -> Result<Option<u32>, LockError> {
    Ok(Some(1))
}

fn dump(server: &RedisServer) -> Value {
    server.command(&["DUMP", HOLD])
}

/// The error names the key; the key is not modified, and when it is deleted the lock can be
/// acquired.
fn occupies_the_key(server: &RedisServer) {
    let (locks, before) = (connect(server), dump(server));
    for wait in [Duration::ZERO, Duration::from_millis(300)] {
        let error = locks.mutex("foreign").wait(wait).acquire_blocking().unwrap_err();
        assert!(matches!(error, LockError::KeyConflict { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("'foreign'") && text.contains("give the lock another key"), "{text}");
        assert!(!text.contains("delete"), "{text}");
    }
    assert!(matches!(skip(&locks), Err(LockError::KeyConflict { .. })), "no skip for ever");
    let seen = inspect(&locks, "foreign");
    assert!(seen.not_a_lock && seen.holder.is_none());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| locks.mutex("foreign").wait(LIMIT).acquire_blocking());
        until_waiting(&locks, "foreign", 1);
        assert_eq!(dump(server), before, "it was left as it was");
        server.command(&["DEL", HOLD]);
        waiter.join().unwrap().unwrap().release_blocking().unwrap();
    });
    assert!(!inspect(&locks, "foreign").not_a_lock);
}

#[test]
fn a_key_with_a_list_blocks_the_lock_and_is_not_modified() {
    let server = server();
    server.command(&["RPUSH", HOLD, "one", "two"]);
    occupies_the_key(&server);
}

#[test]
fn a_key_with_another_string_blocks_the_lock_and_is_not_modified() {
    let server = server();
    server.command(&["SET", HOLD, "hello"]);
    occupies_the_key(&server);
}

#[test]
fn a_lock_of_another_library_is_busy() {
    let server = server();
    let locks = connect(&server);
    // The values that redis-py, node-redlock, rslock and a plain SET write.
    server.command(&["SET", HOLD, "0a1b2c", "NX", "PX", "60000"]);
    let before = dump(&server);
    assert!(locks.mutex("foreign").try_acquire_blocking().unwrap().is_none());
    let error =
        locks.mutex("foreign").wait(Duration::from_millis(100)).acquire_blocking().unwrap_err();
    let LockError::Busy(busy) = &error else { panic!("{error:?}") };
    assert!(busy.holder.is_none(), "{busy:?}");
    assert!(locks.mutex("foreign").try_acquire_blocking().unwrap().is_none());
    assert_eq!(skip(&locks).unwrap(), None);
    assert!(inspect(&locks, "foreign").expires_in.is_some());
    assert_eq!(dump(&server), before, "it was left as it was");

    server.command(&["PEXPIRE", HOLD, "400"]);
    let asked = Instant::now();
    locks.mutex("foreign").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[test]
fn a_text_that_never_expires_is_no_lock() {
    let server = server();
    server.command(&["SET", HOLD, "0a1b2c"]);
    let error = connect(&server).mutex("foreign").try_acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::KeyConflict { .. }), "{error:?}");
}

#[test]
fn a_release_does_not_delete_a_key_that_is_not_a_lock() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("foreign").wait_for_release().acquire_blocking().unwrap();
    server.command(&["DEL", HOLD]);
    server.command(&["RPUSH", HOLD, "one"]);
    let before = dump(&server);
    assert!(matches!(guard.release_blocking(), Err(LockError::Lost { .. })));
    assert_eq!(dump(&server), before);
}

#[test]
fn a_fence_counter_that_is_not_ours_is_rejected_and_not_modified() {
    let server = server();
    server.command(&["RPUSH", "lock:tokens", "one"]);
    let error = connect(&server).mutex("foreign").wait(LIMIT).acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("the fence key holds a foreign value"), "{error}");
    assert_eq!(server.command(&["LLEN", "lock:tokens"]), Value::Int(1));
}
