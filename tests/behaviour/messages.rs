//! Messages that contain text of users and servers.

use std::time::Duration;

use distlock::LockError;
use testkit::Barrier;

use crate::support::{connect, connect_with_ttl, server};

/// Longer than a line of a log.
const LONG: usize = 100_000;

#[track_caller]
fn assert_plain(error: &LockError, key: &str) -> String {
    assert_eq!(error.key(), Some(key), "the key itself is as it was");
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 1000, "{} bytes", text.len());
    text
}

#[test]
fn control_characters_of_a_key_are_escaped_in_messages() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let key = "a\r\nb\x1b[2J\0\u{202e}";
    let _guard = locks.mutex(key).acquire_blocking().unwrap();
    let busy = others.mutex(key).wait(Duration::ZERO).acquire_blocking().unwrap_err();
    let text = assert_plain(&busy, key);
    assert!(text.starts_with(r"lock 'a\r\nb\u{1b}[2J\u{0}\u{202e}' is busy"), "{text}");
}

#[test]
fn a_long_key_is_cut_in_messages_and_its_length_is_shown() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let key = format!("first{}last", "x".repeat(LONG - 9));
    let guard = locks.mutex(&key).acquire_blocking().unwrap();
    let busy = others.mutex(&key).wait(Duration::ZERO).acquire_blocking().unwrap_err();
    let text = assert_plain(&busy, &key);
    assert!(text.contains("'firstxxx") && text.contains("…(100000 bytes)…"), "{text}");
    assert!(text.contains("xxxlast' is busy"), "{text}");
    let hold = guard.hold().clone();
    guard.release_blocking().unwrap();
    assert_plain(&hold.check().unwrap_err(), &key);
    locks.shutdown_blocking();
    assert_plain(&locks.mutex(&key).acquire_blocking().unwrap_err(), &key);
}

#[test]
fn keys_of_a_deadlock_are_cut_and_escaped_too() {
    let server = server();
    let locks = connect_with_ttl(&server, Duration::from_secs(5));
    let keys = [format!("a\n{}", "a".repeat(LONG)), format!("b\n{}", "b".repeat(LONG))];
    let [first, second] = &keys;
    let met = Barrier::new(2);
    let take = |outer: &str, inner: &str| {
        let outer = locks.mutex(outer).acquire_blocking()?;
        met.wait();
        outer.enter(|| locks.mutex(inner).acquire_blocking().map(drop))
    };
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| take(second, first));
        (take(first, second), other.join().unwrap())
    });
    let (error, key) = match (&one, &other) {
        (Err(error), Ok(())) => (error, second),
        (Ok(()), Err(error)) => (error, first),
        both => panic!("{both:?}"),
    };
    assert!(matches!(error, LockError::Deadlock(_)), "{error}");
    let text = error.to_string();
    assert_eq!(error.key(), Some(&**key));
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 2000, "{} bytes", text.len());
}
