//! Deadlocks: exactly one call fails, with all members of the cycle.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use distlock::error::DeadlockKind;
use distlock::{LockError, LockManager, distributed_lock};
use futures::executor::block_on;
use testkit::{Barrier, Cluster};

use crate::support::{LIMIT, connect, server, until_free, until_waiting};

/// The limit from the beginning of a deadlock to its error.
const SOON: Duration = Duration::from_secs(1);
/// Slack for a busy machine.
const SLACK: Duration = Duration::from_secs(2);

#[distributed_lock("{outer}", manager = locks)]
fn outside(
    locks: &LockManager,
    outer: &str,
    inner: &str,
    met: &Barrier,
) -> Result<Duration, LockError> {
    met.wait();
    let closed = Instant::now();
    inside(locks, inner)?;
    Ok(closed.elapsed())
}

#[distributed_lock("{key}", manager = locks)]
fn inside(locks: &LockManager, key: &str) -> Result<(), LockError> {
    Ok(())
}

/// In a cluster each is on a node of its own.
const KEYS: [&str; 3] = ["key:0", "key:1", "key:3"];

/// Each acquires a key and then that of the next. Returns how long each waited, and the only error.
fn circle(locks: &[&LockManager]) -> (Vec<Duration>, LockError) {
    let met = Barrier::new(locks.len());
    let keys = &KEYS[..locks.len()];
    let outcomes: Vec<_> = thread::scope(|scope| {
        let calls = locks.iter().enumerate().map(|(number, locks)| {
            let (outer, inner) = (keys[number], keys[(number + 1) % keys.len()]);
            let met = &met;
            scope.spawn(move || outside(locks, outer, inner, met))
        });
        calls.collect::<Vec<_>>().into_iter().map(|call| call.join().unwrap()).collect()
    });
    let (fine, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let mut errors: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    (fine.into_iter().filter_map(Result::ok).collect(), errors.remove(0))
}

fn assert_deadlock(error: &LockError, calls: usize) {
    let text = error.to_string();
    let LockError::Deadlock(deadlock) = error else { panic!("{error:?}") };
    assert_eq!(deadlock.cycle.len(), calls);
    assert_eq!(deadlock.cycle[0].waits_for, deadlock.key);
    for call in &deadlock.cycle {
        assert!(call.function.ends_with("deadlock::inside"), "{call:?}");
        assert_eq!(call.pid, std::process::id());
        assert!(text.contains(&format!("waiting for '{}'", call.waits_for)), "{text}");
    }
}

fn in_opposite_orders(one: &LockManager, other: &LockManager) {
    let (waited, error) = circle(&[one, other]);
    assert_deadlock(&error, 2);
    assert!(waited[0] < SOON + SLACK, "{waited:?}");
    until_free(one, KEYS[0]);
    until_free(one, KEYS[1]);
}

fn three_calls(one: &LockManager, other: &LockManager) {
    let (waited, error) = circle(&[one, other, one]);
    assert_deadlock(&error, 3);
    assert_eq!(waited.len(), 2);
}

#[test]
fn two_processes_in_opposite_orders() {
    let server = server();
    in_opposite_orders(&connect(&server), &connect(&server));
}

#[test]
fn two_calls_of_one_process() {
    let server = server();
    let locks = &connect(&server);
    in_opposite_orders(locks, locks);
}

#[test]
fn three_calls_of_two_processes() {
    let server = server();
    three_calls(&connect(&server), &connect(&server));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_with_keys_on_several_nodes() {
    let cluster = Cluster::bare(3).expect("a cluster starts");
    let node = |key: &&str| cluster.owner_of(cluster.slot_of(key));
    assert_eq!(KEYS.iter().map(node).collect::<BTreeSet<_>>().len(), 3);
    for [first, second] in [["shared", "elsewhere"], ["family", "toy"], ["works", "held"]] {
        assert_ne!(node(&first), node(&second), "{first} and {second}");
    }
    let (one, other) = (patient(&cluster.url()), patient(&cluster.url()));
    tokio::task::block_in_place(|| {
        in_opposite_orders(&one, &other);
        in_opposite_orders(&one, &one);
        three_calls(&one, &other);
        wait_that_ends_in_time(&one, &other);
        each_hold_counts(&one, &other);
    });
    with_a_share(&one, &other).await;
    between_siblings(&one).await;
    with_a_running_sibling(&one, &other).await;
    for key in KEYS.into_iter().chain(["shared", "elsewhere", "family", "toy", "works", "held"]) {
        assert_eq!(one.inspect(key).await.unwrap().holder, None, "{key}");
    }
}

#[test]
fn without_a_server() {
    let locks = LockManager::connect("memory://deadlock").unwrap();
    assert_deadlock(&circle(&[&locks, &locks]).1, 2);
}

/// A manager whose calls fail where a deadlock is not found.
fn patient(url: &str) -> LockManager {
    LockManager::builder().url(url).wait(LIMIT).build().expect("the url is well formed")
}

#[test]
fn a_wait_counts_for_each_hold_that_is_entered_around_it() {
    let server = server();
    each_hold_counts(&patient(&server.url()), &patient(&server.url()));
    each_hold_counts(&patient("memory://entered"), &patient("memory://entered"));
}

fn each_hold_counts(one: &LockManager, other: &LockManager) {
    let [first, second, third] = KEYS;
    let acquire = |key: &str| one.mutex(key).acquire_blocking().unwrap();
    let beside = || (acquire(first), acquire(second));
    assert_cycle(other, |met| {
        let (outer, inner) = beside();
        met.wait();
        outer.enter(|| inner.enter(|| inside(one, third)))
    });
    assert_cycle(other, |met| {
        let (outer, inner) = beside();
        met.wait();
        block_on(outer.scope(inner.scope(takes(one, third))))??
    });
    assert_cycle(other, |met| {
        let (outer, inner) = beside();
        let share = inner.hold().share()?;
        met.wait();
        outer.enter(|| share.run(|| inside(one, third)))
    });
    assert_cycle(other, |met| {
        let both = one.mutex_many([first, second]).acquire_blocking().unwrap();
        met.wait();
        both.enter(|| inside(one, third))
    });
    let (outer, inner) = beside();
    let waits_for_itself = [
        outer.enter(|| inner.enter(|| inside(one, first))),
        block_on(outer.scope(inner.scope(takes(one, first)))).unwrap().unwrap(),
    ];
    let [Err(LockError::Deadlock(blocks)), Err(LockError::Deadlock(cycle))] = &waits_for_itself
    else {
        panic!("{waits_for_itself:?}")
    };
    assert!(matches!(blocks.kind, DeadlockKind::BlocksHolder { .. }), "{blocks}");
    assert_eq!((&cycle.kind, cycle.cycle.len()), (&DeadlockKind::Cycle, 1), "{cycle}");
}

/// `call` waits for the third key inside of the first. Another call has that, and waits for the
/// first.
fn assert_cycle(other: &LockManager, call: impl FnOnce(&Barrier) -> Result<(), LockError> + Send) {
    let [first, _, third] = KEYS;
    let met = &Barrier::new(2);
    let outcomes = thread::scope(|scope| {
        let calls = [
            scope.spawn(|| call(met)),
            scope.spawn(|| outside(other, third, first, met).map(drop)),
        ];
        calls.map(|call| call.join().unwrap())
    });
    let errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    let [LockError::Deadlock(deadlock)] = &errors[..] else { panic!("{errors:?}") };
    let waited_for: BTreeSet<_> = deadlock.cycle.iter().map(|call| &*call.waits_for).collect();
    assert_eq!(waited_for, BTreeSet::from([first, third]));
    assert_eq!(deadlock.cycle.len(), 2, "{deadlock}");
}

#[distributed_lock("shared", manager = locks)]
async fn shares(locks: &LockManager, others: &LockManager) -> Result<(), LockError> {
    let shared = distlock::current().expect("inside").share()?;
    let (locks, others) = (locks.clone(), others.clone());
    let with_share = tokio::spawn(shared.scope({
        let others = others.clone();
        async move { takes(&others, "elsewhere").await }
    }));
    let _ = locks;
    with_share.await.expect("no panic")
}

#[distributed_lock("{key}", manager = locks)]
async fn takes(locks: &LockManager, key: &str) -> Result<(), LockError> {
    Ok(())
}

#[distributed_lock("elsewhere", manager = locks)]
async fn takes_the_shared_one(locks: &LockManager) -> Result<(), LockError> {
    until_held_by_another(locks, "shared").await;
    takes(locks, "shared").await
}

async fn until_held_by_another(locks: &LockManager, key: &str) {
    while locks.inspect(key).await.expect("the server answers").holder.is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_with_a_share_keeps_its_hold_waiting() {
    let server = server();
    with_a_share(&connect(&server), &connect(&server)).await;
}

async fn with_a_share(one: &LockManager, other: &LockManager) {
    let elsewhere = tokio::spawn({
        let other = other.clone();
        async move { takes_the_shared_one(&other).await }
    });
    until_held_by_another(one, "elsewhere").await;
    let shared = tokio::time::timeout(LIMIT, shares(one, one)).await.expect("it ends");
    let elsewhere = elsewhere.await.unwrap();
    assert_eq!([shared.is_err(), elsewhere.is_err()].iter().filter(|&&err| err).count(), 1);
    let error = shared.err().or(elsewhere.err()).unwrap();
    assert!(matches!(error, LockError::Deadlock(_)), "{error:?}");
}

#[distributed_lock("family", manager = locks)]
async fn siblings(locks: &LockManager) -> Result<(), LockError> {
    let met = tokio::sync::Barrier::new(2);
    // One has the turn under the family's key and wants the other's key; the other holds that and
    // wants the turn.
    let first = sibling_with_the_turn(locks, &met);
    let second = sibling_with_the_key(locks, &met);
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err() != second.is_err(), "{first:?} {second:?}");
    first.and(second)
}

#[distributed_lock("family", manager = locks)]
async fn sibling_with_the_turn(
    locks: &LockManager,
    met: &tokio::sync::Barrier,
) -> Result<(), LockError> {
    met.wait().await;
    takes(locks, "toy").await
}

#[distributed_lock("toy", manager = locks)]
async fn sibling_with_the_key(
    locks: &LockManager,
    met: &tokio::sync::Barrier,
) -> Result<(), LockError> {
    met.wait().await;
    takes(locks, "family").await
}

#[tokio::test]
async fn siblings_under_one_hold() {
    let server = server();
    between_siblings(&connect(&server)).await;
}

async fn between_siblings(locks: &LockManager) {
    let outcome = tokio::time::timeout(LIMIT, siblings(locks)).await.expect("it ends");
    let error = outcome.unwrap_err();
    assert!(matches!(error, LockError::Deadlock(_)), "{error:?}");
}

/// The holder of what is waited for waits for a sibling of the waiting call, which does not wait:
/// no circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_sibling_is_not_part_of_a_deadlock() {
    let server = server();
    with_a_running_sibling(&connect(&server), &connect(&server)).await;
}

async fn with_a_running_sibling(one: &LockManager, other: &LockManager) {
    let (family, working) = (one.clone(), one.clone());
    let guard = one.mutex("family").acquire().await.unwrap();
    let around = guard.scope(async move {
        let holds = async {
            let works = working.mutex("works").acquire().await.unwrap();
            // Long enough for several probes.
            tokio::time::sleep(SOON).await;
            works.release().await
        };
        let waits = async {
            until_held_by_another(&family, "held").await;
            takes(&family, "held").await
        };
        tokio::join!(holds, waits)
    });
    let elsewhere = async {
        until_held_by_another(other, "works").await;
        let held = other.mutex("held").acquire().await.unwrap();
        let inner = held.scope(takes(other, "works")).await.unwrap();
        held.release().await.unwrap();
        inner
    };
    let (around, elsewhere) = tokio::join!(around, elsewhere);
    let (held, waited) = around.unwrap();
    assert!(
        held.is_ok() && waited.is_ok() && elsewhere.is_ok(),
        "{held:?} {waited:?} {elsewhere:?}"
    );
}

#[test]
fn a_wait_that_ends_in_time_is_no_deadlock() {
    let server = server();
    wait_that_ends_in_time(&connect(&server), &connect(&server));
}

fn wait_that_ends_in_time(one: &LockManager, other: &LockManager) {
    let held = other.mutex("inner").acquire_blocking().unwrap();
    thread::scope(|scope| {
        let met = Barrier::new(1);
        let waits = scope.spawn(move || outside(one, "outer", "inner", &met));
        until_waiting(other, "inner", 1);
        thread::sleep(SOON);
        held.release_blocking().unwrap();
        waits.join().unwrap().unwrap();
    });
}
