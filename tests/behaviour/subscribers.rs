//! Subscribers of `tracing` that panic, block or acquire locks, in separate processes.
//!
//! The event is a lost hold: the key is deleted on the server, which the next renewal detects.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockGuard, LockManager};
use redis::Commands as _;
use testkit::eventually;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::process::{Process, orders};
use crate::support::{LIMIT, server};

const TTL: Duration = Duration::from_secs(3);

/// Runs a function on each warning of the library.
struct Does(fn());

static WARNINGS: AtomicU32 = AtomicU32::new(0);

impl Subscriber for Does {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "distlock" && *metadata.level() == Level::WARN
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {
        WARNINGS.fetch_add(1, Ordering::SeqCst);
        (self.0)();
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

fn connect(url: &str) -> LockManager {
    LockManager::builder().url(url).ttl(TTL).build().expect("the url is well formed")
}

/// Acquires this key, and makes the library detect its loss.
fn lose(locks: &LockManager, url: &str, key: &str) -> LockGuard {
    let guard = locks.mutex(key).acquire_blocking().expect("the lock is free");
    let client = redis::Client::open(url).expect("the url is well formed");
    let mut connection = client.get_connection().expect("the server answers");
    let deleted: u32 = connection.del(format!("lock:{{{key}}}")).expect("the server answers");
    assert_eq!(deleted, 1);
    eventually(LIMIT, "the loss is found", || !guard.hold().is_valid());
    guard
}

/// Holds are kept and locks are had for longer than a hold lasts without renewals.
fn all_is_well(locks: &LockManager, held: &[LockGuard]) {
    let end = Instant::now() + 2 * TTL;
    while Instant::now() < end {
        let lost = held.iter().filter(|guard| !guard.hold().is_valid());
        assert_eq!(lost.count(), 0, "holds were lost");
        locks
            .mutex("other")
            .wait(LIMIT)
            .acquire_blocking()
            .expect("locks are had")
            .release_blocking()
            .unwrap();
        thread::sleep(TTL / 30);
    }
}

fn keep(locks: &LockManager) -> Vec<LockGuard> {
    let keys = (0..20).map(|number| format!("kept:{number}"));
    keys.map(|key| locks.mutex(key).acquire_blocking().expect("the lock is free")).collect()
}

/// A process whose subscriber does this.
fn with_subscriber(does: fn(), url: &str) {
    tracing::subscriber::set_global_default(Does(does)).expect("nobody else sets one");
    let locks = connect(url);
    let held = keep(&locks);
    let _lost = lose(&locks, url, "doomed");
    eventually(LIMIT, "the subscriber gets the warning", || WARNINGS.load(Ordering::SeqCst) > 0);
    all_is_well(&locks, &held);
}

#[test]
fn a_subscriber_that_panics_stops_nothing() {
    if let Some(orders) = orders() {
        return with_subscriber(|| panic!("a bug in a subscriber"), &orders.url);
    }
    let server = server();
    Process::start(a_subscriber_that_panics_stops_nothing, &server.url(), "panics").finish();
}

#[test]
fn a_subscriber_that_blocks_for_longer_than_a_ttl_loses_no_hold() {
    if let Some(orders) = orders() {
        return with_subscriber(|| thread::sleep(2 * TTL), &orders.url);
    }
    let server = server();
    let blocks = a_subscriber_that_blocks_for_longer_than_a_ttl_loses_no_hold;
    Process::start(blocks, &server.url(), "blocks").finish();
}

static AUDIT: OnceLock<LockManager> = OnceLock::new();
static AUDITED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn audit() {
    let locks = AUDIT.get().expect("made before the first event");
    let guard =
        locks.mutex("audit").wait(LIMIT).acquire_blocking().expect("the audit log's lock is had");
    AUDITED.lock().unwrap().push(guard.fence().get());
}

#[test]
fn a_subscriber_that_takes_a_lock_gets_it() {
    if let Some(orders) = orders() {
        tracing::subscriber::set_global_default(Does(audit)).expect("nobody else sets one");
        let locks = AUDIT.get_or_init(|| connect(&orders.url));
        let held = keep(locks);
        let _lost = lose(locks, &orders.url, "doomed");
        eventually(LIMIT, "it is audited", || !AUDITED.lock().unwrap().is_empty());
        return all_is_well(locks, &held);
    }
    let server = server();
    Process::start(a_subscriber_that_takes_a_lock_gets_it, &server.url(), "locks").finish();
}

const STARTED: &str = "started";

/// As in `app 2>&1 | head`: where neither standard output can be written, printing panics.
#[test]
fn closed_standard_outputs_stop_nothing() {
    if let Some(orders) = orders() {
        tracing_subscriber::fmt().init();
        println!("{STARTED}");
        eventually(LIMIT, "the outputs are closed", || {
            let closed =
                |mut out: Box<dyn Write>| out.write_all(b"\n").and_then(|()| out.flush()).is_err();
            closed(Box::new(io::stdout())) && closed(Box::new(io::stderr()))
        });
        let locks = connect(&orders.url);
        let held = keep(&locks);
        let _lost = lose(&locks, &orders.url, "doomed");
        all_is_well(&locks, &held);
        std::process::exit(42);
    }
    let server = server();
    let mut process = Process::start(closed_standard_outputs_stop_nothing, &server.url(), "closed");
    process.close_outputs_after(STARTED);
    assert_eq!(process.exit_code(), Some(42));
}
