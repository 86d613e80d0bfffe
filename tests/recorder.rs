//! A recorder that panics, blocks and uses the lock manager does no harm.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{panic, thread};

use distlock::LockManager;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use testkit::{RedisServer, eventually};

const LIMIT: Duration = Duration::from_secs(20);

static LOCKS: OnceLock<LockManager> = OnceLock::new();
static BLOCKED: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);

struct Misbehaves;

impl Misbehaves {
    /// Needs the mutexes of the link and of all queues, then panics.
    fn misbehave(key: &Key) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if let Some(locks) = LOCKS.get() {
            assert_eq!(locks.status().nodes.len(), 1);
        }
        while BLOCKED.load(Ordering::Relaxed) && key.name().contains("disconnected") {
            thread::park_timeout(Duration::from_millis(1));
        }
        panic::resume_unwind(Box::new("a bug in a recorder"));
    }
}

struct Panics;

impl CounterFn for Panics {
    fn increment(&self, _: u64) {
        panic::resume_unwind(Box::new("a bug in a counter"));
    }

    fn absolute(&self, _: u64) {}
}

impl Recorder for Misbehaves {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic::resume_unwind(Box::new("a bug in a description"));
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Panics))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Self::misbehave(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Self::misbehave(key);
        Histogram::noop()
    }
}

#[test]
fn locks_are_taken_renewed_and_released_although_the_recorder_misbehaves() {
    assert!(metrics::set_global_recorder(Misbehaves).is_ok(), "there is none yet");
    let server = RedisServer::builder().append_only(true).start().unwrap();
    let ttl = Duration::from_millis(600);
    let locks = LockManager::builder().url(server.url()).ttl(ttl).build().unwrap();
    let locks = LOCKS.get_or_init(|| locks);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let guard = locks.mutex("a").acquire_blocking().unwrap();
                    guard.enter(|| locks.mutex("a").acquire_blocking().map(drop)).unwrap();
                    guard.release_blocking().unwrap();
                }
            });
        }
    });
    assert!(CALLS.load(Ordering::Relaxed) > 0);
    // What the manager's own threads record blocks, and they renew all the same.
    let held = locks.mutex("b").acquire_blocking().unwrap();
    BLOCKED.store(true, Ordering::Relaxed);
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    let clock = std::time::Instant::now();
    eventually(LIMIT, "several ttls pass", || clock.elapsed() > 4 * ttl);
    assert!(held.hold().is_valid());
    locks.mutex("a").acquire_blocking().unwrap().release_blocking().unwrap();
    held.release_blocking().unwrap();
    BLOCKED.store(false, Ordering::Relaxed);
    locks.shutdown_blocking();
}
