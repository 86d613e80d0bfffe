//! User and password from a function that is asked at each attempt to connect.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use distlock::{Credentials, LockError, LockManager, LockManagerBuilder};
use testkit::RedisServer;

use crate::support::{LIMIT, server};

type Provided = Result<&'static str, Box<dyn Error + Send + Sync>>;

const OUTAGE: Duration = Duration::from_millis(300);

/// The user of the manager, with this password alone.
fn set_password(server: &RedisServer, password: &str) {
    let password = format!(">{password}");
    server.command(&["ACL", "SETUSER", "app", "on", "resetpass", &password, "~*", "&*", "+@all"]);
}

/// A URL with credentials that are not to be used.
fn at(server: &RedisServer) -> LockManagerBuilder {
    LockManager::builder().url(format!("redis://nobody:nothing@127.0.0.1:{}/", server.port()))
}

/// A manager whose provider returns what `next` says, and how often it was asked.
fn provided(
    server: &RedisServer,
    next: impl Fn(u32) -> Provided + Send + Sync + 'static,
) -> (LockManagerBuilder, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let provider = move || {
        let time = count.fetch_add(1, Ordering::Relaxed) + 1;
        next(time).map(|password| Credentials::new("app", password))
    };
    (at(server).credentials_provider(provider), asked)
}

#[track_caller]
fn assert_locks(locks: &LockManager) {
    locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
}

#[test]
fn a_changed_password_is_used_at_the_next_connect_and_the_hold_survives() {
    let server = server();
    set_password(&server, "first-secret");
    let password = Arc::new(Mutex::new("first-secret"));
    let current = Arc::clone(&password);
    let (builder, asked) = provided(&server, move |_| Ok(*current.lock().unwrap()));
    let locks = builder.build().unwrap();
    let held = locks.mutex("held").wait(LIMIT).acquire_blocking().unwrap();
    assert_locks(&locks);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "once for one connection");
    set_password(&server, "second-secret");
    *password.lock().unwrap() = "second-secret";
    server.command(&["CLIENT", "KILL", "USER", "app"]);
    assert_locks(&locks);
    assert_eq!(asked.load(Ordering::Relaxed), 2, "once more");
    assert!(held.hold().is_valid());
    held.release_blocking().unwrap();
}

#[test]
fn a_provider_that_fails_or_panics_is_asked_again() {
    let server = server();
    set_password(&server, "right");
    let (builder, asked) = provided(&server, |time| match time {
        1 => Err("the token service is down".into()),
        2 => panic!("a bug in the provider"),
        // A token that has just ended.
        3 => Ok("wrong"),
        _ => Ok("right"),
    });
    assert_locks(&builder.build().unwrap());
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[test]
fn the_error_says_why_there_are_no_credentials_and_what_to_do() {
    let server = server();
    set_password(&server, "right");
    let text = |next: fn(u32) -> Provided| {
        let (builder, _) = provided(&server, next);
        let locks = builder.outage_timeout(OUTAGE).build().unwrap();
        let error = locks.mutex("key").wait(LIMIT).acquire_blocking().unwrap_err();
        (error.to_string(), error)
    };
    let (failed, error) =
        text(|_| Err(anyhow::anyhow!("it is down").context("the token service; no token").into()));
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    let (what, next) = failed.split_once("; ").unwrap();
    let reason = "the credentials provider failed (the token service, no token: it is down)";
    assert!(what.ends_with(reason), "{failed}");
    assert!(next.starts_with("repair what it depends on"), "{failed}");
    let (panicked, _) = text(|_| panic!("a bug in the provider"));
    assert!(panicked.contains("the credentials provider failed (it panicked)"), "{panicked}");
    let (denied, error) = text(|_| Ok("wrong-secret"));
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    assert!(denied.contains("WRONGPASS"), "{denied}");
    let next = "; check the user and the password that the credentials provider returns";
    assert!(denied.ends_with(next) && !denied.contains("wrong-secret"), "{denied}");
}

/// A provider that blocks until the returned sender is dropped.
fn blocked(server: &RedisServer) -> (LockManagerBuilder, std::sync::mpsc::Sender<()>) {
    let (release, blocked) = channel::<()>();
    let blocked: Mutex<Receiver<()>> = Mutex::new(blocked);
    let (builder, _) = provided(server, move |_| {
        // An error once the sender is gone.
        let _ = blocked.lock().unwrap().recv();
        Ok("right")
    });
    (builder, release)
}

#[test]
fn a_slow_provider_delays_no_error_and_no_shutdown() {
    let server = server();
    set_password(&server, "right");
    let (builder, release) = blocked(&server);
    let locks = builder.outage_timeout(OUTAGE).build().unwrap();
    let begun = Instant::now();
    let error = locks.mutex("key").acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
    locks.shutdown_blocking();
    assert!(begun.elapsed() < LIMIT);
    drop(release);
}

#[test]
fn a_request_waits_for_a_slow_provider() {
    let server = server();
    set_password(&server, "right");
    let (builder, release) = blocked(&server);
    let locks = builder.build().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| assert_locks(&locks));
        drop(release);
        waits.join().unwrap();
    });
}

#[test]
fn a_provider_that_uses_its_own_lock_gets_an_error() {
    let server = server();
    set_password(&server, "right");
    let manager: Arc<Mutex<Option<LockManager>>> = Arc::default();
    let (sender, receiver) = channel();
    let (own, sender) = (Arc::clone(&manager), Mutex::new(sender));
    let (builder, _) = provided(&server, move |_| {
        if let Some(locks) = &*own.lock().unwrap() {
            let error = locks.mutex("key").acquire_blocking().unwrap_err();
            let _ = sender.lock().unwrap().send(error.to_string());
        }
        Ok("right")
    });
    let locks = builder.build().unwrap();
    assert_locks(&locks);
    *manager.lock().unwrap() = Some(locks.clone());
    server.command(&["CLIENT", "KILL", "USER", "app"]);
    let error = receiver.recv_timeout(LIMIT).expect("it is asked again");
    assert!(error.contains("acquire it on another thread"), "{error}");
    assert_locks(&locks);
    *manager.lock().unwrap() = None;
}

#[test]
fn no_debug_output_shows_the_password() {
    let server = server();
    set_password(&server, "a-secret");
    let credentials = Credentials::new("app", "a-secret");
    assert_eq!(format!("{credentials:?}"), "Credentials { user: \"app\", .. }");
    let (builder, _) = provided(&server, |_| Ok("a-secret"));
    let shown = format!("{builder:?}");
    let locks = builder.build().unwrap();
    assert_locks(&locks);
    let shown = format!("{shown} {locks:?} {:?}", locks.mutex("key"));
    assert!(!shown.contains("a-secret") && !shown.contains("nothing"), "{shown}");
}
