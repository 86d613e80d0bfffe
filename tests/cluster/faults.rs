//! Faults of the server while a lock is held and waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use distlock::{Fence, LockManager};
use testkit::RedisServer;

use crate::support::{LIMIT, beside_others, connect_with_ttl, server, until_held, until_waiting};

const TTL: Duration = Duration::from_secs(2);
const MANAGERS: usize = 3;
const WAITERS: usize = 6;
/// How often each waiter comes back.
const VISITS: usize = 3;

/// One hold, for as long as its owner saw it valid.
#[derive(Debug)]
struct Visit {
    fence: Fence,
    from: Instant,
    until: Instant,
    lost: bool,
}

/// Holds the lock until `enough`, or until it is lost. In global order, so that the server knows
/// all who wait.
fn visit(locks: &LockManager, mut enough: impl FnMut(Instant) -> bool) -> Visit {
    let guard = locks.mutex("fault").wait(LIMIT).strict_fifo().acquire_blocking().unwrap();
    let from = Instant::now();
    let mut visit = Visit { fence: guard.fence(), from, until: from, lost: false };
    loop {
        let now = Instant::now();
        if !guard.hold().is_valid() {
            visit.lost = true;
            break;
        }
        visit.until = now;
        if enough(from) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let released = guard.release_blocking();
    assert!(released.is_err() || !visit.lost, "a release reports a loss, too");
    visit
}

/// Lets the fault happen while the lock is held and six requests of three managers wait.
fn run_through(server: &RedisServer, holder_keeps_it: bool, fault: impl FnOnce()) {
    let _machine = beside_others();
    let locks: Vec<_> = (0..MANAGERS).map(|_| connect_with_ttl(server, TTL)).collect();
    let enough = AtomicBool::new(false);
    let visits = thread::scope(|scope| {
        let (locks, enough) = (&locks, &enough);
        let holder = scope.spawn(|| visit(&locks[0], |_| enough.load(Ordering::Relaxed)));
        until_held(&locks[0], "fault");
        let come_back = |number: usize| {
            let brief = |from: Instant| from.elapsed() > Duration::from_millis(20);
            let visits = (0..VISITS).map(|_| visit(&locks[number % MANAGERS], brief));
            visits.collect::<Vec<_>>()
        };
        let waiters: Vec<_> =
            (0..WAITERS).map(|number| scope.spawn(move || come_back(number))).collect();
        until_waiting(&locks[0], "fault", WAITERS as u64);
        fault();
        let over = Instant::now();
        if holder_keeps_it {
            thread::sleep(TTL + TTL / 4);
            enough.store(true, Ordering::Relaxed);
        }
        let first = holder.join().unwrap();
        println!("held for {:?} after the fault", first.until.saturating_duration_since(over));
        assert_eq!(first.lost, !holder_keeps_it);
        assert!(holder_keeps_it || first.until < over + TTL, "the loss was reported too late");
        let waiters = waiters.into_iter().flat_map(|waiter| waiter.join().unwrap());
        let visits = [first].into_iter().chain(waiters).collect();
        println!("all done {:?} after the fault", over.elapsed());
        visits
    });
    assert_apart(visits);
}

/// No two holds were valid at the same instant, and the later one has the higher token.
fn assert_apart(mut visits: Vec<Visit>) {
    assert_eq!(visits.len(), 1 + WAITERS * VISITS);
    visits.sort_by_key(|visit| visit.from);
    for pair in visits.windows(2) {
        assert!(pair[0].until <= pair[1].from, "two holds at once: {pair:?}");
        assert!(pair[0].fence < pair[1].fence, "tokens out of order: {pair:?}");
    }
}

fn kill_all_connections(server: &RedisServer) {
    for kind in ["normal", "pubsub"] {
        server.command(&["CLIENT", "KILL", "TYPE", kind]);
    }
}

#[test]
fn a_flush_is_detected_and_starts_the_grace_period() {
    let server = server();
    run_through(&server, false, || drop(server.command(&["FLUSHALL"])));
}

#[test]
fn a_flush_of_the_scripts_changes_nothing() {
    let server = server();
    run_through(&server, true, || drop(server.command(&["SCRIPT", "FLUSH"])));
}

#[test]
fn the_end_of_every_connection_changes_nothing() {
    let server = server();
    run_through(&server, true, || kill_all_connections(&server));
}

#[test]
fn connections_and_scripts_that_vanish_again_and_again_change_nothing() {
    let server = server();
    run_through(&server, true, || {
        for _ in 0..20 {
            kill_all_connections(&server);
            server.command(&["SCRIPT", "FLUSH"]);
            thread::sleep(Duration::from_millis(37));
        }
    });
}

#[test]
fn a_restart_without_data_is_detected_and_starts_the_grace_period() {
    let server = server();
    run_through(&server, false, || server.restart().unwrap());
}

#[test]
fn a_restart_with_all_data_changes_nothing() {
    let server = RedisServer::builder().append_only(true).start().unwrap();
    run_through(&server, true, || server.restart().unwrap());
}

#[test]
fn a_hold_ends_at_its_deadline_while_the_server_is_paused() {
    let server = server();
    run_through(&server, false, || {
        server.pause();
        thread::sleep(TTL + TTL / 2);
        server.resume();
    });
}
