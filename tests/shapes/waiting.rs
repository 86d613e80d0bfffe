//! Calls that wait for another, give up, or are dropped meanwhile.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::thread;
use std::time::Duration;

use distlock::{LockError, LockGuard, distributed_lock};
use testkit::{eventually, eventually_async};

use super::support::{Error, current, is_held, support, waiting};

const LIMIT: Duration = Duration::from_secs(20);

fn hold(key: &str) -> LockGuard {
    support();
    distlock::global().and_then(|locks| locks.mutex(key).acquire_blocking()).expect("free")
}

fn until_free(key: &str) {
    eventually(LIMIT, &format!("{key} is free"), || !is_held(key) && waiting(key) == 0);
}

#[distributed_lock("waiting:never", wait = "0s", on_error = panic)]
fn never() -> ! {
    panic!("the body")
}

#[allow(clippy::needless_pass_by_value, reason = "what `on_error` takes")]
fn give_up(error: LockError) -> ! {
    panic!("given up: {error}")
}

#[distributed_lock("waiting:never", wait = "0s", on_error = give_up)]
async fn never_async() -> ! {
    panic!("the body")
}

fn words(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it never returns");
    *payload.downcast().expect("a formatted message")
}

// 5
#[test]
fn a_diverging_function_diverges_without_its_lock_too() {
    let held = hold("waiting:never");
    let sync = words(|| never());
    assert!(sync.contains("'waiting:never'"), "{sync}");
    let later = words(|| futures::executor::block_on(never_async()));
    assert!(later.starts_with("given up: ") && later.contains("'waiting:never'"), "{later}");
    held.release_blocking().expect("ours");
    assert!(catch_unwind(|| never()).is_err());
    until_free("waiting:never");
}

#[distributed_lock("waiting:unpolled", wait = "0s", hold = hold)]
async fn unpolled() -> Result<(), Error> {
    hold.check()?;
    Ok(())
}

// 58
#[tokio::test]
async fn a_future_that_is_never_polled_takes_nothing() {
    let held = hold("waiting:unpolled");
    let future = unpolled();
    assert_eq!(waiting("waiting:unpolled"), 0);
    drop(future);
    let future = unpolled();
    held.release_blocking().expect("ours");
    until_free("waiting:unpolled");
    assert!(future.await.is_ok(), "it asks when it is polled, not when it is made");
}

#[distributed_lock("waiting:{key}")]
async fn for_ever(key: &str) -> Result<(), Error> {
    pending().await
}

// 59
#[tokio::test]
async fn a_call_cancelled_while_it_waits_leaves_no_lock_and_no_context() {
    let held = hold("waiting:queue");
    {
        let mut call = pin!(for_ever("queue"));
        let cancelled = tokio::time::timeout(Duration::from_millis(20), call.as_mut()).await;
        assert!(cancelled.is_err());
        assert_eq!((waiting("waiting:queue"), current()), (1, None));
    }
    eventually(LIMIT, "it has left the queue", || waiting("waiting:queue") == 0);
    held.release_blocking().expect("ours");
    until_free("waiting:queue");
}

// 59
#[tokio::test]
async fn a_call_cancelled_while_it_holds_leaves_no_lock_and_no_context() {
    support();
    {
        let mut call = pin!(for_ever("held"));
        let held = eventually_async(LIMIT, "it holds", async || is_held("waiting:held"));
        tokio::select! {
            _ = call.as_mut() => unreachable!("the body never ends"),
            () = held => assert_eq!(current(), None, "the context is the body's alone"),
        }
    }
    until_free("waiting:held");
    assert_eq!(current(), None);
}

#[distributed_lock("waiting:parent", hold = hold)]
async fn racing() -> Result<(), Error> {
    tokio::select! {
        lost = for_ever("loser") => lost?,
        () = eventually_async(LIMIT, "the loser holds", async || is_held("waiting:loser")) => {}
    }
    until_free("waiting:loser");
    assert!(is_held("waiting:parent") && hold.is_valid());
    assert_eq!(current().as_deref(), Some("waiting:parent"));
    again().await
}

#[distributed_lock("waiting:parent", wait = "0s")]
async fn again() -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

// 66
#[tokio::test]
async fn the_dropped_branch_of_a_race_releases_only_its_own_key() {
    support();
    racing().await.expect("free");
    until_free("waiting:parent");
}

#[distributed_lock("waiting:stranger", wait = "0s")]
fn stranger() -> Result<(), Error> {
    Ok(())
}

fn is_refused(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(Error::Lock(LockError::Busy(_))))
}

#[distributed_lock("waiting:stranger")]
async fn with_strangers() -> Result<(), Error> {
    let task = tokio::spawn(async { (current(), stranger()) }).await.expect("no panic");
    let blocking = tokio::task::spawn_blocking(|| (current(), stranger())).await.expect("no panic");
    let thread = thread::spawn(|| (current(), stranger())).join().expect("no panic");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let (left, right) =
        pool.install(|| rayon::join(|| (current(), stranger()), || (current(), stranger())));
    for (around, outcome) in [task, blocking, thread, left, right] {
        assert_eq!(around, None);
        assert!(is_refused(&outcome), "{outcome:?}");
    }
    stranger()
}

// 67
#[tokio::test]
async fn tasks_and_threads_started_inside_a_section_stand_outside_it() {
    support();
    with_strangers().await.expect("only the body itself re-enters");
}

struct One;
struct Other;

impl One {
    #[distributed_lock("waiting:types")]
    fn work(during: impl FnOnce()) -> Result<(), Error> {
        during();
        Ok(())
    }
}

impl Other {
    #[distributed_lock("waiting:types", wait = "0s")]
    fn work() -> Result<(), Error> {
        Ok(())
    }
}

// 44
#[test]
fn same_named_methods_of_two_types_exclude_one_another() {
    support();
    let during = || assert!(is_refused(&thread::spawn(Other::work).join().expect("no panic")));
    One::work(during).expect("free");
    until_free("waiting:types");
    assert!(Other::work().is_ok());
}
