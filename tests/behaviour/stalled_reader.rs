//! A task that reads the socket for a manager, and whose runtime is then blocked by other code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockManager, LockRequest};
use futures::FutureExt;

use crate::support::server;

const TTL: Duration = Duration::from_millis(300);

/// Blocks a current-thread runtime for ten ttls while a task of it waits for a lock, and so reads.
/// Meanwhile `call` is made again and again; how long each took.
fn while_stalled(locks: &LockManager, mut call: impl FnMut()) -> Vec<Duration> {
    let waits = locks.clone();
    let stalled = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let waiting = tokio::spawn(async move {
                drop(waits.mutex("busy").wait(TTL * 20).acquire().await);
            });
            tokio::time::sleep(Duration::from_millis(50)).await;
            thread::sleep(TTL * 10);
            waiting.abort();
        });
    });
    thread::sleep(Duration::from_millis(100));
    let mut times = Vec::new();
    while !stalled.is_finished() {
        let start = Instant::now();
        call();
        times.push(start.elapsed());
        thread::sleep(Duration::from_millis(5));
    }
    stalled.join().expect("no panic");
    times.sort_unstable();
    times
}

/// Nine calls of ten take less than `limit` beside a stalled reader, and the hold stays valid.
fn check(limit: Duration, acquire: impl Fn(&LockRequest)) {
    let server = server();
    let others = LockManager::connect(&server.url()).unwrap();
    let _busy = others.mutex("busy").acquire_blocking().unwrap();
    let locks = LockManager::builder().url(server.url()).ttl(TTL).build().unwrap();
    let held = locks.mutex("held").acquire_blocking().unwrap();
    let request = locks.mutex("free");
    let times = while_stalled(&locks, || acquire(&request));
    let slow = times.len() * 9 / 10;
    println!("{} calls, the slowest took {:?}", times.len(), times.last());
    assert!(times[slow] < limit, "{times:?}");
    held.hold().check().unwrap();
    held.release_blocking().unwrap();
}

#[test]
fn costs_nobody_a_hold_and_delays_no_other_caller() {
    check(Duration::from_millis(10), |request| drop(request.acquire_blocking().unwrap()));
}

#[test]
fn does_not_delay_tasks_that_cannot_read() {
    check(Duration::from_millis(15), |request| drop(smol::block_on(request.acquire()).unwrap()));
}

/// What others ask meanwhile does not hide that nobody reads.
#[test]
fn delays_no_caller_while_others_ask_all_the_time() {
    let server = server();
    let others = LockManager::connect(&server.url()).unwrap();
    let _busy = others.mutex("busy").acquire_blocking().unwrap();
    let locks = LockManager::builder().url(server.url()).ttl(TTL).build().unwrap();
    let request = locks.mutex("free");
    let (asks, over) = (locks.clone(), Arc::new(AtomicBool::new(false)));
    let until = Arc::clone(&over);
    let asking = thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            // Asks, and does not wait for the answer.
            let _ = asks.inspect("asked").now_or_never();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let times = while_stalled(&locks, || {
        drop(smol::block_on(request.acquire()).unwrap());
    });
    over.store(true, Ordering::Relaxed);
    asking.join().expect("no panic");
    println!("{} calls, the slowest took {:?}", times.len(), times.last());
    assert!(times[times.len() / 2] < Duration::from_millis(15), "{times:?}");
}
