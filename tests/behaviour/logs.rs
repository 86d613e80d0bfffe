//! Log events, in separate processes.

use std::fmt::{self, Write as _};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager};
use testkit::eventually;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::process::{Process, orders};
use crate::support::{LIMIT, connect, server};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Records events: the level, and each field with its value.
struct Keeps;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").expect("a string has room");
    }
}

impl Subscriber for Keeps {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "distlock"
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().unwrap().push(line.0);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

pub fn lines_with(texts: &[&str]) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    lines.iter().filter(|line| texts.iter().all(|text| line.contains(text))).cloned().collect()
}

#[track_caller]
fn until_logged(texts: &[&str]) -> String {
    eventually(LIMIT, &format!("it logs {texts:?}"), || !lines_with(texts).is_empty());
    lines_with(texts).remove(0)
}

/// In the process that records the events.
pub fn keep(url: &str, run: fn(&str)) {
    tracing::subscriber::set_global_default(Keeps).expect("no other code sets one");
    run(url);
}

fn a_crowd_waits(url: &str) {
    let locks = LockManager::connect(url).unwrap();
    let held = locks.mutex("crowd").acquire_blocking().unwrap();
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let locks = locks.clone();
            thread::spawn(move || locks.mutex("crowd").acquire_blocking().map(drop))
        })
        .collect();
    let hint = until_logged(&["WARN", "this process holds", "Hold::share"]);
    assert!(hint.contains("key=\"crowd\"") && hint.contains("logs.rs"), "{hint}");
    let long = until_logged(&["WARN", "still waiting"]);
    assert!(long.contains("calls=40"), "{long}");
    drop(held);
    for thread in waiting {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(lines_with(&["still waiting"]).len(), 1, "one for all that wait for the key");
    assert_eq!(lines_with(&["Hold::share"]).len(), 1, "one for the section");
}

#[test]
fn a_self_wait_is_reported_once_per_key() {
    let test = a_self_wait_is_reported_once_per_key;
    if let Some(orders) = orders() {
        return keep(&orders.url, a_crowd_waits);
    }
    let server = server();
    Process::start(test, &server.url(), "keeps").finish();
}

fn sections_are_short(url: &str) {
    let locks = LockManager::connect(url).unwrap();
    let end = Instant::now() + Duration::from_secs(3);
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let locks = locks.clone();
            thread::spawn(move || {
                while Instant::now() < end {
                    let guard = locks.mutex("short").acquire_blocking().unwrap();
                    thread::sleep(Duration::from_millis(5));
                    guard.release_blocking().unwrap();
                }
            })
        })
        .collect();
    for thread in busy {
        thread.join().unwrap();
    }
    assert_eq!(lines_with(&["WARN"]), [""; 0]);
}

#[test]
fn threads_with_short_sections_are_not_reported() {
    let test = threads_with_short_sections_are_not_reported;
    if let Some(orders) = orders() {
        return keep(&orders.url, sections_are_short);
    }
    let server = server();
    Process::start(test, &server.url(), "keeps").finish();
}

fn the_server_goes_and_comes(url: &str) {
    let locks = LockManager::connect(url).unwrap();
    let held = locks.mutex("held").acquire_blocking().unwrap();
    let others = LockManager::connect(url).unwrap();
    // Connects, so that the short wait is for the lock.
    drop(others.mutex("free").acquire_blocking().unwrap());
    let busy = others.mutex("held").wait(Duration::from_millis(50)).acquire_blocking();
    assert!(matches!(busy, Err(LockError::Busy(_))), "{busy:?}");
    until_logged(&["DEBUG", "gave up", "key=\"held\""]);
    drop(held);
    println!("ready");
    until_logged(&["WARN", "connection lost"]);
    until_logged(&["INFO", "connected again", "after="]);
    let lost = locks.mutex("other").wait(Duration::from_secs(2)).acquire_blocking();
    assert!(matches!(lost, Err(LockError::DataLoss(_))), "{lost:?}");
    until_logged(&["WARN", "lost its data", "left="]);
}

#[test]
fn a_data_loss_of_a_restarted_server_is_reported() {
    let test = a_data_loss_of_a_restarted_server_is_reported;
    if let Some(orders) = orders() {
        return keep(&orders.url, the_server_goes_and_comes);
    }
    let server = server();
    let mut process = Process::start(test, &server.url(), "keeps");
    process.until_printed("ready");
    server.kill();
    server.restart().unwrap();
    process.finish();
}

#[test]
fn a_shutdown_without_a_server_takes_no_longer_than_its_limit() {
    let server = server();
    let locks = connect(&server);
    let other = connect(&server);
    locks.mutex("held").acquire_blocking().unwrap().release_blocking().unwrap();
    let _guards = (
        locks.mutex("held").acquire_blocking().unwrap(),
        other.mutex("other").acquire_blocking().unwrap(),
    );
    server.kill();
    let start = Instant::now();
    assert!(!locks.shutdown_within_blocking(Duration::from_millis(300)));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    other.shutdown_blocking();
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    let end = locks.mutex("held").acquire_blocking().unwrap_err();
    assert!(matches!(end, LockError::Closed(_)), "{end:?}");
}

#[test]
fn a_shutdown_that_the_server_confirms_says_so() {
    let server = server();
    let locks = connect(&server);
    let _guard = locks.mutex("held").acquire_blocking().unwrap();
    assert!(locks.shutdown_within_blocking(LIMIT));
    assert!(locks.shutdown_within_blocking(LIMIT), "there is nothing left to do");
    let free = connect(&server).mutex("held").try_acquire_blocking().unwrap();
    assert!(free.is_some());
}
