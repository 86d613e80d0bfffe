//! Keys that stay taken after a release: `min_hold`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use distlock::error::Busy;
use distlock::{LockError, LockManager, distributed_lock};
use testkit::{Barrier, eventually};

use crate::support::process::{Process, orders};
use crate::support::{LIMIT, connect, inspect, server, until_waiting};

const MIN: Duration = Duration::from_millis(900);
const LONG: Duration = Duration::from_secs(20);

fn busy(locks: &LockManager, key: &str) -> Box<Busy> {
    match locks.mutex(key).wait(Duration::ZERO).acquire_blocking() {
        Err(LockError::Busy(busy)) => busy,
        other => panic!("not busy: {other:?}"),
    }
}

fn is_kept(locks: &LockManager, key: &str) -> bool {
    inspect(locks, key).holder.is_some_and(|holder| holder.kept)
}

#[test]
fn a_released_key_stays_taken_and_says_until_when() {
    let server = server();
    for confirmed in [false, true] {
        let (locks, others) = (connect(&server), connect(&server));
        let key = format!("kept:{confirmed}");
        let mut request = locks.mutex(&key).min_hold(LONG);
        if confirmed {
            request = request.wait_for_release();
        }
        request.acquire_blocking().unwrap().release_blocking().unwrap();

        eventually(LIMIT, "it is kept", || is_kept(&locks, &key));
        let busy = busy(&others, &key);
        assert!(busy.holder.as_ref().is_some_and(|holder| holder.kept), "{busy:?}");
        let left = busy.retry_after().expect("it is known");
        assert!(left <= LONG + LONG / 100 && left + LIMIT > LONG, "{left:?}");
        let text = LockError::Busy(busy).to_string();
        assert!(text.contains("kept until its min_hold is over in "), "{text}");
        assert!(inspect(&others, &key).expires_in.is_some_and(|left| left + LIMIT > LONG));
    }
}

#[test]
fn the_next_waiter_of_any_process_has_the_lock_when_the_hold_is_that_old() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    for next in [&locks, &others] {
        let begun = Instant::now();
        let held = locks.mutex("next").min_hold(MIN).wait(LIMIT).acquire_blocking().unwrap();
        let first = Instant::now();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let guard = next.mutex("next").wait(LIMIT).acquire_blocking().unwrap();
                let had = Instant::now();
                guard.release_blocking().unwrap();
                had
            });
            eventually(LIMIT, "it waits", || inspect(&locks, "next").waiting == 1);
            held.release_blocking().unwrap();
            let had = waiter.join().unwrap();
            assert!(had - begun >= MIN, "{:?}", had - begun);
            assert!(had - first < MIN + LIMIT, "{:?}", had - first);
        });
    }
}

#[distributed_lock("nested", manager = locks, min_hold = LONG)]
fn nested(locks: &LockManager) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn a_nested_call_does_not_change_how_long_the_key_is_kept() {
    let server = server();
    let locks = connect(&server);
    let outer = locks.mutex("nested").acquire_blocking().unwrap();
    outer.enter(|| nested(&locks)).unwrap();
    outer.release_blocking().unwrap();
    eventually(LIMIT, "it is free", || inspect(&locks, "nested").holder.is_none());

    let outer = locks.mutex("nested").min_hold(LONG).acquire_blocking().unwrap();
    outer.enter(|| locks.mutex("nested").acquire_blocking().map(drop)).unwrap();
    assert!(!is_kept(&locks, "nested"), "it is held");
    outer.release_blocking().unwrap();
    eventually(LIMIT, "it is kept", || is_kept(&locks, "nested"));
}

#[distributed_lock("panics", manager = locks, min_hold = "20s")]
fn panics(locks: &LockManager) -> Result<(), LockError> {
    panic!("the body fails")
}

#[distributed_lock("panics:async", manager = locks, min_hold = "20s")]
async fn panics_async(locks: &LockManager) -> Result<(), LockError> {
    panic!("the body fails")
}

#[tokio::test]
async fn the_key_of_a_body_that_panics_is_kept_too() {
    let server = server();
    let locks = connect(&server);
    assert!(catch_unwind(AssertUnwindSafe(|| panics(&locks))).is_err());
    let task = tokio::spawn({
        let locks = locks.clone();
        async move { panics_async(&locks).await }
    });
    assert!(task.await.unwrap_err().is_panic());
    for key in ["panics", "panics:async"] {
        let locks = locks.clone();
        let kept = move || eventually(LIMIT, "it is kept", || is_kept(&locks, key));
        tokio::task::spawn_blocking(kept).await.unwrap();
    }
}

#[test]
fn keys_of_a_list_are_kept_if_the_code_ran_and_only_then() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let both = || locks.mutex_many(["list:a", "list:b"]).min_hold(LONG).wait(Duration::ZERO);
    let held = others.mutex("list:b").acquire_blocking().unwrap();
    assert!(matches!(both().acquire_blocking(), Err(LockError::Busy(_))));
    eventually(LIMIT, "the first is free", || inspect(&locks, "list:a").holder.is_none());

    held.release_blocking().unwrap();
    eventually(LIMIT, "both are free", || inspect(&locks, "list:b").holder.is_none());
    both().acquire_blocking().unwrap().release_blocking().unwrap();
    for key in ["list:a", "list:b"] {
        eventually(LIMIT, "it is kept", || is_kept(&locks, key));
    }
}

#[test]
fn a_shutdown_keeps_the_key_of_a_hold_and_gives_up_what_never_ran() {
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let _held = locks.mutex("shutdown").min_hold(LONG).acquire_blocking().unwrap();
    let waiting = others.mutex("shutdown").min_hold(LONG);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| waiting.acquire_blocking().map(drop));
        until_waiting(&locks, "shutdown", 1);
        others.shutdown_blocking();
        assert!(waiter.join().unwrap().is_err());
    });
    locks.shutdown_blocking();
    let looking = connect(&server);
    assert!(is_kept(&looking, "shutdown"));
    assert_eq!(inspect(&looking, "shutdown").waiting, 0);
}

#[test]
fn a_minimum_above_the_maximum_is_a_configuration_error() {
    let locks = LockManager::connect("memory://min_hold").unwrap();
    let request = locks.mutex("key").min_hold(LONG).max_hold(MIN);
    let error = request.acquire_blocking().unwrap_err();
    assert!(matches!(error, LockError::Config(_)), "{error}");
    assert!(error.to_string().contains("is longer than the max_hold of 900ms"), "{error}");

    let manager = LockManager::builder().url("memory://").min_hold(LONG).max_hold(MIN).build();
    assert!(matches!(manager, Err(LockError::Config(_))));
}

/// `ShedLock` #1461, #1542 and #2031: the shortest time of a lock was misread or not respected.
#[test]
fn ten_ticks_of_two_schedulers_are_ten_runs() {
    const TICKS: usize = 10;
    let (server, barrier) = (server(), Barrier::new(2));
    let schedulers = [connect(&server), connect(&server)];
    let runs: usize = thread::scope(|scope| {
        let threads = schedulers.each_ref().map(|locks| {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut runs = 0;
                for _ in 0..TICKS {
                    let job = locks.mutex("tick").min_hold(Duration::from_secs(1));
                    barrier.wait();
                    if let Some(guard) = job.try_acquire_blocking().unwrap() {
                        runs += 1;
                        guard.release_blocking().unwrap();
                    }
                    barrier.wait();
                    let is_free = || inspect(locks, "tick").holder.is_none();
                    eventually(LIMIT, "the key is free", is_free);
                }
                runs
            })
        });
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(runs, TICKS);
}

#[test]
fn the_lease_of_a_process_that_dies_ends_its_hold_as_usual() {
    const TTL: Duration = Duration::from_secs(2);
    if let Some(orders) = orders() {
        let locks = LockManager::connect(&orders.url).unwrap();
        let _held = locks.mutex("dies").ttl(TTL).min_hold(MIN).acquire_blocking().unwrap();
        loop {
            thread::park();
        }
    }
    let server = server();
    let locks = connect(&server);
    let test = the_lease_of_a_process_that_dies_ends_its_hold_as_usual;
    let mut child = Process::start(test, &server.url(), "child");
    let pid = child.id();
    eventually(LIMIT, "the other process holds it", || {
        inspect(&locks, "dies").holder.is_some_and(|holder| holder.pid == pid)
    });
    child.kill();
    let died = Instant::now();
    let guard = locks.mutex("dies").wait(LIMIT).acquire_blocking().unwrap();
    assert!(died.elapsed() < TTL + LIMIT, "{:?}", died.elapsed());
    guard.release_blocking().unwrap();
}

#[test]
fn the_key_of_a_process_that_ends_right_after_its_call_is_kept() {
    if let Some(orders) = orders() {
        let locks = LockManager::connect(&orders.url).unwrap();
        drop(locks.mutex("ends").min_hold(LONG).acquire_blocking().unwrap());
        std::process::exit(0);
    }
    let server = server();
    let locks = connect(&server);
    let test = the_key_of_a_process_that_ends_right_after_its_call_is_kept;
    let mut child = Process::start(test, &server.url(), "child");
    assert_eq!(child.exit_code(), Some(0), "{}", child.errors());
    eventually(LIMIT, "it is kept", || is_kept(&locks, "ends"));
    assert_eq!(inspect(&locks, "ends").holder.map(|holder| holder.pid), Some(child.id()));
}

#[test]
fn requests_in_strict_order_have_a_kept_key_in_their_order() {
    let server = server();
    let processes = [(); 3].map(|()| connect(&server));
    let [first, ..] = &processes;
    let begun = Instant::now();
    let held = first.mutex("strict").min_hold(MIN).strict_fifo().acquire_blocking().unwrap();
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // The last process asks first, and the one that has the lock last.
        for (number, locks) in processes.iter().rev().enumerate() {
            let order = &order;
            scope.spawn(move || {
                let request = locks.mutex("strict").wait(LIMIT).strict_fifo();
                let guard = request.acquire_blocking().unwrap();
                order.lock().unwrap().push((number, begun.elapsed()));
                guard.release_blocking().unwrap();
            });
            until_waiting(first, "strict", number as u64 + 1);
        }
        held.release_blocking().unwrap();
    });
    let order = order.into_inner().unwrap();
    assert!(order.iter().map(|&(number, _)| number).eq(0..3), "{order:?}");
    assert!(order.iter().all(|&(_, had)| had >= MIN), "{order:?}");
}
