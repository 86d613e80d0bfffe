//! One hot key within a process: the lock is handed off without the server.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use distlock::{Fence, LockError, LockManager, SharedHold, distributed_lock};
use testkit::{Barrier, RedisServer, eventually};

use crate::support::{LIMIT, connect, inspect, scripts_run, server, until_free, until_waiting};

mod loss;
mod tasks;

/// The tokens of the sections in the order of their running.
type Entries = Mutex<Vec<Fence>>;

fn note(entries: &Entries, fence: Fence) {
    entries.try_lock().expect("two sections at once").push(fence);
}

#[track_caller]
fn assert_rising(entries: Entries, sections: usize) {
    let entries = entries.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(entries.len(), sections);
    assert!(entries.is_sorted_by(|a, b| a < b), "a token that is not above all before");
}

/// The token so many after this one.
fn after(fence: Fence, count: u64) -> u64 {
    fence.get() + count
}

#[distributed_lock("hot", manager = locks, hold = hold)]
fn visit(locks: &LockManager, entries: &Entries) -> Result<Fence, LockError> {
    note(entries, hold.fence());
    Ok(hold.fence())
}

#[distributed_lock("hot", manager = locks, hold = hold)]
async fn visit_async(locks: &LockManager, entries: &Entries) -> Result<Fence, LockError> {
    note(entries, hold.fence());
    tokio::task::yield_now().await;
    Ok(hold.fence())
}

#[distributed_lock("hot", manager = locks, fairness = strict, hold = hold)]
fn visit_in_strict_order(locks: &LockManager, entries: &Entries) -> Result<Fence, LockError> {
    note(entries, hold.fence());
    Ok(hold.fence())
}

type Visit = fn(&LockManager, &Entries) -> Result<Fence, LockError>;

const THREADS: usize = 4;

/// How many scripts the server ran while four threads visited so often each.
fn crowd(server: &RedisServer, locks: &LockManager, visit: Visit, times: usize) -> u64 {
    let entries = Entries::default();
    let before = scripts_run(server);
    // They take from one number, so that none is left alone with what it has not done yet.
    let (start, left) = (Barrier::new(THREADS), AtomicUsize::new(THREADS * times));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                let take = |left: usize| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                    visit(locks, &entries).unwrap();
                }
            });
        }
    });
    until_free(locks, "hot");
    assert_rising(entries, THREADS * times);
    scripts_run(server) - before
}

#[test]
fn threads_hand_the_lock_off_without_the_server() {
    let server = server();
    let locks = connect(&server);
    let scripts = crowd(&server, &locks, visit, 250);
    assert!(scripts < 100, "{scripts} scripts for 1000 sections");
}

#[test]
fn global_fairness_asks_the_server_for_each() {
    let server = server();
    let strict = LockManager::builder().url(server.url()).max_handoffs(0).build().unwrap();
    for (locks, visit) in [(connect(&server), visit_in_strict_order as Visit), (strict, visit)] {
        let scripts = crowd(&server, &locks, visit, 25);
        assert!(scripts >= 100, "{scripts} scripts for 100 sections");
    }
}

/// Holds the lock until it is signalled to stop.
#[distributed_lock("hot", manager = locks, hold = hold)]
fn stay(locks: &LockManager, end: &AtomicBool) -> Result<Fence, LockError> {
    eventually(LIMIT, "the test lets it end", || end.load(Ordering::Relaxed));
    Ok(hold.fence())
}

#[distributed_lock("hot", manager = locks, wait = "1s")]
fn hasty(locks: &LockManager) -> Result<(), LockError> {
    unreachable!("it is held for longer")
}

#[test]
fn a_timeout_names_the_current_section_and_the_position_in_the_queue() {
    let server = server();
    let locks = connect(&server);
    let guard = locks.mutex("hot").acquire_blocking().unwrap();
    let first_may_go = AtomicBool::new(false);
    let second_may_go = AtomicBool::new(false);
    thread::scope(|scope| {
        let first = scope.spawn(|| stay(&locks, &first_may_go));
        until_waiting(&locks, "hot", 1);
        let second = scope.spawn(|| stay(&locks, &second_may_go));
        until_waiting(&locks, "hot", 2);
        let third = scope.spawn(|| hasty(&locks));
        until_waiting(&locks, "hot", 3);
        let fence = guard.fence();
        guard.release_blocking().unwrap();
        let end = third.join().unwrap();
        let Err(LockError::Busy(busy)) = end else { panic!("{end:?}") };
        let holder = busy.holder.expect("the section that runs");
        assert!(holder.function.ends_with("handoff::stay"), "{}", holder.function);
        assert_eq!((holder.fence.get(), busy.ahead), (after(fence, 1), 1));
        assert!(busy.waited >= Duration::from_secs(1));
        first_may_go.store(true, Ordering::Relaxed);
        second_may_go.store(true, Ordering::Relaxed);
        assert_eq!(first.join().unwrap().unwrap().get(), after(fence, 1));
        assert!(second.join().unwrap().unwrap().get() > after(fence, 1));
    });
}

#[distributed_lock("hot", manager = locks, hold = hold)]
fn fall(
    locks: &LockManager,
    end: &AtomicBool,
    fence: &Mutex<Option<Fence>>,
) -> Result<(), LockError> {
    *fence.lock().unwrap() = Some(hold.fence());
    eventually(LIMIT, "the test lets it end", || end.load(Ordering::Relaxed));
    panic!("over the edge")
}

#[test]
fn a_panic_hands_the_lock_to_the_next_waiter() {
    let server = server();
    let locks = connect(&server);
    let (entries, fence) = (Entries::default(), Mutex::new(None));
    let may_fall = AtomicBool::new(false);
    thread::scope(|scope| {
        let falls = scope.spawn(|| {
            let falling = || fall(&locks, &may_fall, &fence);
            catch_unwind(AssertUnwindSafe(falling)).is_err()
        });
        eventually(LIMIT, "one is inside", || fence.lock().unwrap().is_some());
        let next = scope.spawn(|| visit(&locks, &entries));
        until_waiting(&locks, "hot", 1);
        may_fall.store(true, Ordering::Relaxed);
        assert!(falls.join().unwrap());
        let fence = fence.lock().unwrap().expect("it was inside");
        assert_eq!(next.join().unwrap().unwrap().get(), after(fence, 1));
    });
    until_free(&locks, "hot");
}

#[distributed_lock("hot", manager = locks, hold = hold)]
fn share(locks: &LockManager) -> Result<SharedHold, LockError> {
    hold.share()
}

#[test]
fn a_shared_hold_is_handed_off_when_its_last_share_is_dropped() {
    let server = server();
    let locks = connect(&server);
    let entries = Entries::default();
    let share = share(&locks).unwrap();
    thread::scope(|scope| {
        let next = scope.spawn(|| visit(&locks, &entries));
        until_waiting(&locks, "hot", 1);
        let copy = share.clone();
        let fence = share.hold().fence();
        drop(share);
        let seen = inspect(&locks, "hot");
        assert_eq!((seen.holder.expect("the copy keeps it").fence, seen.waiting), (fence, 1));
        assert!(copy.hold().is_valid());
        drop(copy);
        assert_eq!(next.join().unwrap().unwrap().get(), after(fence, 1));
    });
}

#[distributed_lock("hot", manager = locks, release = confirmed, hold = hold)]
fn confirmed(locks: &LockManager, end: &AtomicBool) -> Result<Fence, LockError> {
    eventually(LIMIT, "the test lets it end", || end.load(Ordering::Relaxed));
    Ok(hold.fence())
}

#[test]
fn a_confirmed_release_reaches_the_server_while_a_local_waiter_exists() {
    let server = server();
    let locks = connect(&server);
    for taken_away in [false, true] {
        let entries = Entries::default();
        let may_end = AtomicBool::new(false);
        thread::scope(|scope| {
            let section = scope.spawn(|| confirmed(&locks, &may_end));
            eventually(LIMIT, "it is held", || inspect(&locks, "hot").holder.is_some());
            let next = scope.spawn(|| visit(&locks, &entries));
            until_waiting(&locks, "hot", 1);
            if taken_away {
                server.command(&["DEL", "lock:{hot}"]);
            }
            may_end.store(true, Ordering::Relaxed);
            let end = section.join().unwrap();
            let next = next.join().unwrap().unwrap();
            match end {
                Ok(fence) => assert!(!taken_away && next > fence),
                Err(LockError::Lost(_)) => assert!(taken_away),
                Err(other) => panic!("{other}"),
            }
        });
        until_free(&locks, "hot");
    }
}

const MAX_HOLD: Duration = Duration::from_millis(800);

#[distributed_lock("hot", manager = locks, max_hold = "800ms", hold = hold)]
fn half_of_max_hold(locks: &LockManager) -> Result<Fence, LockError> {
    thread::sleep(MAX_HOLD / 2);
    Ok(hold.fence())
}

/// Its token, and after what time it was lost.
#[distributed_lock("hot", manager = locks, max_hold = "800ms", on_lost = finish, hold = hold)]
fn overstay(locks: &LockManager, lost: &Mutex<Option<(Fence, Duration)>>) -> Result<(), LockError> {
    let start = Instant::now();
    eventually(LIMIT, "it was held too long", || !hold.is_valid());
    *lost.lock().unwrap() = Some((hold.fence(), start.elapsed()));
    Ok(())
}

#[test]
fn each_section_that_is_handed_the_lock_has_the_whole_of_its_max_hold() {
    let server = server();
    let locks = connect(&server);
    let lost = Mutex::new(None);
    thread::scope(|scope| {
        let first = scope.spawn(|| half_of_max_hold(&locks));
        eventually(LIMIT, "it is held", || inspect(&locks, "hot").holder.is_some());
        let end = overstay(&locks, &lost);
        assert!(matches!(end, Err(LockError::Lost(_))), "{end:?}");
        let first = first.join().unwrap().unwrap();
        let (fence, span) = lost.lock().unwrap().expect("it ran");
        assert_eq!(fence.get(), after(first, 1), "it was handed on");
        assert!(span > MAX_HOLD * 3 / 4, "{span:?} counts from the grant");
    });
}

#[test]
fn a_manager_that_is_dropped_leaves_the_server() {
    let server = server();
    let connections = || {
        let clients = server.command(&["CLIENT", "LIST"]);
        let clients: String = redis::from_redis_value(clients).unwrap();
        clients.lines().count()
    };
    let locks = connect(&server);
    visit(&locks, &Entries::default()).unwrap();
    assert_eq!(connections(), 2, "its own and this one");
    drop(locks);
    eventually(LIMIT, "it has disconnected", || connections() == 1);
}

#[test]
fn a_call_right_after_a_shutdown_is_refused() {
    let calls = thread::spawn(|| {
        for _ in 0..1000 {
            let locks = LockManager::connect("memory://").unwrap();
            locks.shutdown_blocking();
            let end = visit(&locks, &Entries::default());
            assert!(matches!(end, Err(LockError::Closed(_))), "{end:?}");
        }
    });
    eventually(LIMIT, "no call waits for ever", || calls.is_finished());
    calls.join().unwrap();
}
