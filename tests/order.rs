//! Warnings about the lock order. A separate binary, because the order is recorded for the whole
//! process.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use distlock::{LockError, LockManager, LockRequest, distributed_lock};

/// The warnings of the library, one per line.
static WARNINGS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Collects the warnings of all threads.
struct Collector;

impl io::Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A manager that compares orders, in every build, and whose warnings are seen.
fn locks() -> LockManager {
    listen();
    LockManager::builder().url("memory://").warn_lock_order(true).build().unwrap()
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let format = tracing_subscriber::fmt().with_writer(|| Collector).with_ansi(false);
        format.init();
    });
}

/// The warnings that name `word`, which only one test does.
fn warnings(word: &str) -> Vec<String> {
    let all = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let all = String::from_utf8(all).unwrap();
    all.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

/// The only warning that names `word`, which has to contain all of `parts` too.
#[track_caller]
fn assert_warned(word: &str, parts: &[String]) -> String {
    let warnings = warnings(word);
    let [warning] = &warnings[..] else { panic!("{} warnings: {warnings:#?}", warnings.len()) };
    assert!(warning.contains("WARN distlock: locks are taken in opposite orders"), "{warning}");
    for part in parts {
        assert!(warning.contains(part), "no {part} in {warning}");
    }
    warning.clone()
}

/// The place of a function as the warning has it, by the line of its attribute.
fn at(function: &str, line: u32) -> String {
    format!("order::{function} at {}:{line}", file!())
}

mod sync {
    use super::*;

    pub const LINES: [u32; 4] = [line!() + 2, line!() + 7, line!() + 12, line!() + 17];

    #[distributed_lock("plain-order:{id}", manager = locks)]
    pub fn orders(locks: &LockManager, id: u32) -> Result<(), LockError> {
        stock_inside(locks, "apple")
    }

    #[distributed_lock("plain-stock:{sku}", manager = locks)]
    fn stock_inside(locks: &LockManager, sku: &str) -> Result<(), LockError> {
        Ok(())
    }

    #[distributed_lock("plain-stock:{sku}", manager = locks)]
    pub fn stock(locks: &LockManager, sku: &str) -> Result<(), LockError> {
        orders_inside(locks, 7)
    }

    #[distributed_lock("plain-order:{id}", manager = locks)]
    fn orders_inside(locks: &LockManager, id: u32) -> Result<(), LockError> {
        Ok(())
    }
}

#[test]
fn two_functions_in_opposite_orders_are_reported_once_with_all_call_sites() {
    let locks = locks();
    // Other keys each time: an order is one of templates.
    for id in 0..3 {
        sync::orders(&locks, id).unwrap();
    }
    assert!(warnings("plain-").is_empty(), "one order is none too many");
    for sku in ["pear", "plum"] {
        sync::stock(&locks, sku).unwrap();
        sync::orders(&locks, 7).unwrap();
    }
    let [outer, inner, other_outer, other_inner] = sync::LINES;
    let parts = [
        "\"plain-order:{id}\" inside \"plain-stock:{sku}\"".to_owned(),
        "; but \"plain-stock:{sku}\" inside \"plain-order:{id}\"".to_owned(),
        at("sync::orders", outer),
        at("sync::stock_inside", inner),
        at("sync::stock", other_outer),
        at("sync::orders_inside", other_inner),
    ];
    assert_warned("plain-", &parts);
}

#[distributed_lock("async-{outer}", manager = locks)]
async fn outer(locks: &LockManager, outer: &str) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    inner(locks, outer).await
}

#[distributed_lock("async-inner-{key}", manager = locks)]
async fn inner(locks: &LockManager, key: &str) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    Ok(())
}

#[distributed_lock("async-inner-{key}", manager = locks)]
async fn inner_outside(locks: &LockManager, key: &str) -> Result<(), LockError> {
    tokio::task::yield_now().await;
    outer_inside(locks, key).await
}

#[distributed_lock("async-{outer}", manager = locks)]
async fn outer_inside(locks: &LockManager, outer: &str) -> Result<(), LockError> {
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_async_functions_in_opposite_orders_are_reported_once() {
    let locks = locks();
    for _ in 0..2 {
        for (one, other) in [("x", "y"), ("y", "x")] {
            let locks = locks.clone();
            let call = async move {
                outer(&locks, one).await?;
                inner_outside(&locks, other).await
            };
            tokio::spawn(call).await.unwrap().unwrap();
        }
    }
    let parts = ["\"async-{outer}\" inside \"async-inner-{key}\"", "order::outer_inside at "];
    assert_warned("async-", &parts.map(str::to_owned));
}

fn by_hand(locks: &LockManager) -> LockRequest {
    locks.mutex("by hand")
}

fn by_another_hand(locks: &LockManager) -> LockRequest {
    locks.mutex("by another hand")
}

const BY_HAND: u32 = line!() - 7;

#[test]
fn lock_order_warnings_name_the_lines_of_guards() {
    let locks = locks();
    let nest = |outer: LockRequest, inner: LockRequest| {
        outer.acquire_blocking().unwrap().enter(|| drop(inner.acquire_blocking().unwrap()));
    };
    nest(by_hand(&locks), by_another_hand(&locks));
    assert!(warnings("the lock of").is_empty());
    nest(by_another_hand(&locks), by_hand(&locks));
    nest(by_another_hand(&locks), by_hand(&locks));
    let [one, other] = [BY_HAND, BY_HAND + 4].map(|line| format!("{}:{line}", file!()));
    let parts = [
        format!("the lock of {one} inside the lock of {other} ({one}, inside {other})"),
        format!("; but the lock of {other} inside the lock of {one} ({other}, inside {one})"),
    ];
    assert_warned("the lock of", &parts);
}

macro_rules! nested {
    ($name:ident, $outer:literal, $inner:ident) => {
        #[distributed_lock($outer, manager = locks)]
        fn $name(locks: &LockManager) -> Result<(), LockError> {
            $inner(locks)
        }
    };
    ($name:ident, $key:literal) => {
        #[distributed_lock($key, manager = locks)]
        fn $name(locks: &LockManager) -> Result<(), LockError> {
            Ok(())
        }
    };
}

nested!(three_a, "three-a");
nested!(three_b, "three-b");
nested!(three_c, "three-c");
nested!(three_ab, "three-a", three_b);
nested!(three_bc, "three-b", three_c);
nested!(three_ca, "three-c", three_a);

#[test]
fn a_cycle_of_three_key_patterns_is_reported_with_each_step() {
    let locks = locks();
    three_ab(&locks).unwrap();
    three_bc(&locks).unwrap();
    assert!(warnings("three-").is_empty());
    three_ca(&locks).unwrap();
    three_ab(&locks).unwrap();
    let parts = [
        "\"three-a\" inside \"three-c\"",
        "; but \"three-b\" inside \"three-a\"",
        ", and \"three-c\" inside \"three-b\"",
        "order::three_ab at ",
        "order::three_bc at ",
        "order::three_ca at ",
    ];
    assert_warned("three-", &parts.map(str::to_owned));
}

#[distributed_lock("account-{from}", manager = locks)]
fn transfer(locks: &LockManager, from: u32, to: u32) -> Result<(), LockError> {
    deposit(locks, to)
}

#[distributed_lock("account-{from}", manager = locks)]
fn deposit(locks: &LockManager, from: u32) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn opposite_orders_of_one_key_pattern_are_reported_once() {
    let locks = locks();
    for (from, to) in [(1, 2), (1, 3), (2, 3)] {
        transfer(&locks, from, to).unwrap();
    }
    assert!(warnings("account-").is_empty());
    for (from, to) in [(3, 1), (2, 1)] {
        transfer(&locks, from, to).unwrap();
    }
    let parts = [
        "a smaller key of \"account-{from}\" inside a larger one",
        "; but a larger key of \"account-{from}\" inside a smaller one",
        "order::transfer at ",
        "order::deposit at ",
    ];
    assert_warned("account-", &parts.map(str::to_owned));
}

#[distributed_lock("again-{a}{b}", manager = locks)]
fn again_by_parts(locks: &LockManager, a: &str, b: &str, then: &dyn Fn()) -> Result<(), LockError> {
    then();
    Ok(())
}

#[distributed_lock("again-{key}", manager = locks)]
fn again_whole(locks: &LockManager, key: &str, then: &dyn Fn()) -> Result<(), LockError> {
    then();
    Ok(())
}

#[test]
fn a_key_that_is_entered_again_has_no_order() {
    let locks = locks();
    let whole = |then: &dyn Fn()| again_whole(&locks, "xy", then).unwrap();
    let by_parts = |then: &dyn Fn()| again_by_parts(&locks, "x", "y", then).unwrap();
    let by_hand = || drop(locks.mutex("again-xy").acquire_blocking().unwrap());
    whole(&|| by_parts(&|| whole(&by_hand)));
    by_parts(&|| whole(&|| by_parts(&by_hand)));
    assert!(warnings("again-").is_empty(), "{:?}", warnings("again-"));
}

#[distributed_lock(["list-{a}", "list-{b}"], manager = locks)]
fn list(locks: &LockManager, a: u32, b: u32) -> Result<(), LockError> {
    Ok(())
}

#[test]
fn the_keys_of_a_list_are_taken_in_one_order_whatever_theirs_is() {
    let locks = locks();
    list(&locks, 1, 2).unwrap();
    list(&locks, 2, 1).unwrap();
    // Also where they are taken one after the other, because one is busy.
    for (a, b) in [(1, 2), (2, 1)] {
        let held = locks.mutex("list-2").acquire_blocking().unwrap();
        std::thread::scope(|scope| {
            let call = scope.spawn(|| list(&locks, a, b));
            testkit::eventually(std::time::Duration::from_secs(20), "it waits", || {
                locks.inspect_blocking("list-2").unwrap().waiting > 0
            });
            held.release_blocking().unwrap();
            call.join().unwrap().unwrap();
        });
    }
    assert!(warnings("list-").is_empty(), "{:?}", warnings("list-"));
}

nested!(silent_a, "silent-a");
nested!(silent_b, "silent-b");
nested!(silent_ab, "silent-a", silent_b);
nested!(silent_ba, "silent-b", silent_a);

#[test]
fn a_manager_can_disable_the_lock_order_check() {
    listen();
    let locks = LockManager::builder().url("memory://").warn_lock_order(false).build().unwrap();
    silent_ab(&locks).unwrap();
    silent_ba(&locks).unwrap();
    assert!(warnings("silent-").is_empty(), "{:?}", warnings("silent-"));
}

nested!(default_a, "default-a");
nested!(default_b, "default-b");
nested!(default_ab, "default-a", default_b);
nested!(default_ba, "default-b", default_a);

#[test]
fn without_a_word_debug_builds_compare() {
    listen();
    let locks = LockManager::connect("memory://").unwrap();
    default_ab(&locks).unwrap();
    default_ba(&locks).unwrap();
    assert_eq!(warnings("default-").len(), usize::from(cfg!(debug_assertions)));
}
