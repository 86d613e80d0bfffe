//! A manager connected to a fake server, which speaks the protocol of Redis and answers at random.
//!
//! `PROPTEST_CASES` sets how many such servers are tried.

pub(crate) mod handshake;
pub(crate) mod server;
pub(crate) mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use testkit::eventually;

use crate::api::manager::LockManager;
use crate::backend::redis::tests::fake_server::server::{FakeServer, Mood};
use crate::error::LockError;
use crate::wire::tests::config;

const SERVERS: u32 = 1;
const CALLS: usize = 12;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts the panics of I/O threads, which nobody sees otherwise.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if thread::current().name() == Some("distlock-io") {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            before(info);
        }));
    });
}

fn manager(server: &FakeServer) -> LockManager {
    LockManager::connect(&server.url()).expect("a URL")
}

/// Asks for locks of every kind; the tokens of those that were had.
fn acquire(locks: &LockManager, number: usize) -> Vec<u64> {
    let key = ["a", "b", "c"][number % 3];
    // To try once has no deadline but that of the connection, which this server lets pass.
    let wait = Duration::from_millis(40);
    let request = match number % 4 {
        0 => locks.mutex_many(["a", "b"]),
        1 => locks.mutex(key).strict_fifo(),
        _ => locks.mutex(key),
    };
    let guard = request.ttl(Duration::from_millis(300)).wait(wait).acquire_blocking();
    let had = guard.as_ref().map(|guard| guard.fence().get()).ok();
    thread::sleep(Duration::from_millis(2));
    drop(guard);
    had.into_iter().collect()
}

fn acquire_from_threads(locks: &LockManager) -> Vec<u64> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|first| {
                scope.spawn(move || (0..CALLS).map(move |call| acquire(locks, first + call)))
            })
            .collect();
        let had = threads.into_iter().map(|thread| thread.join().expect("a caller never panics"));
        had.flatten().flatten().collect()
    })
}

/// The manager has come through: it gets its lock as soon as the server is one.
fn check_alive(locks: &LockManager, server: &FakeServer) {
    server.set(Mood::Honest);
    eventually(Duration::from_secs(10), "the manager gets a lock again", || {
        let request = locks.mutex("later").wait(Duration::from_millis(200));
        let answer = request.acquire_blocking();
        assert!(!matches!(answer, Err(LockError::Closed(_))), "the I/O thread is gone");
        answer.is_ok()
    });
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "an I/O thread has panicked");
}

#[test]
fn a_server_that_grants_nothing_gives_no_lock_whatever_else_it_replies() {
    count_panics();
    for seed in 0..config(SERVERS).cases {
        let server = FakeServer::start(seed, Mood::Mute);
        let locks = manager(&server);
        assert_eq!(acquire_from_threads(&locks), [0_u64; 0], "seed {seed}");
        assert!(server.calls() > CALLS, "seed {seed}: only {} calls", server.calls());
        check_alive(&locks, &server);
    }
}

#[test]
fn a_server_that_says_anything_gives_no_token_that_it_has_not_said() {
    count_panics();
    for seed in 0..config(SERVERS).cases {
        let server = FakeServer::start(seed, Mood::Talkative);
        let locks = Arc::new(manager(&server));
        for token in acquire_from_threads(&locks) {
            assert!(server.has_said(token), "seed {seed}: nobody said {token}");
        }
        check_alive(&locks, &server);
    }
}
