//! When temporaries, arguments and locals are dropped, beside the function without the attribute.

use std::cell::RefCell;
use std::sync::Mutex;

use super::support::{Drops, locked_and_plain, support};

type Log = Mutex<Vec<&'static str>>;

fn seen(run: impl FnOnce(&Log)) -> Vec<&'static str> {
    let log = Log::default();
    run(&log);
    log.into_inner().expect("whole")
}

impl Drops<'_> {
    fn get(&self) -> Option<u32> {
        (!self.0.is_empty()).then_some(1)
    }
}

// 87
locked_and_plain! {
    tail: ["temporaries:tail", on_error = panic]
    fn run(log: &Log) -> Option<u32> {
        let _local = Drops("local", log);
        Drops("temporary", log).get()
    }
}

locked_and_plain! {
    tail_async: ["temporaries:tail:async", on_error = panic]
    async fn run(log: &Log) -> Option<u32> {
        let _local = Drops("local", log);
        tokio::task::yield_now().await;
        Drops("temporary", log).get()
    }
}

locked_and_plain! {
    borrowed: ["temporaries:borrowed", on_error = panic]
    fn run() -> usize {
        let cell = RefCell::new("text");
        cell.borrow().len()
    }
}

#[tokio::test]
async fn temporaries_of_the_tail_are_dropped_before_locals() {
    support();
    let plain = seen(|log| assert_eq!(tail::plain::run(log), Some(1)));
    assert_eq!(plain, ["temporary", "local"]);
    assert_eq!(seen(|log| assert_eq!(tail::locked::run(log), Some(1))), plain);
    let log = Log::default();
    assert_eq!(tail_async::plain::run(&log).await, tail_async::locked::run(&log).await);
    assert_eq!(log.into_inner().expect("whole"), [plain.clone(), plain].concat());
    assert_eq!((borrowed::plain::run(), borrowed::locked::run()), (4, 4));
}

// 88
locked_and_plain! {
    scope: ["temporaries:scope", on_error = panic]
    fn run(log: &Log) {
        if let Some(2) = Drops("condition", log).get() {
            drop(Drops("then", log));
        } else {
            drop(Drops("else", log));
        }
    }
}

locked_and_plain! {
    scope_async: ["temporaries:scope:async", on_error = panic]
    async fn run(log: &Log) {
        if let Some(2) = Drops("condition", log).get() {
            drop(Drops("then", log));
        } else {
            tokio::task::yield_now().await;
            drop(Drops("else", log));
        }
    }
}

#[tokio::test]
async fn temporaries_of_a_condition_are_dropped_before_its_else() {
    support();
    let plain = seen(scope::plain::run);
    assert_eq!(plain, ["condition", "else"]);
    assert_eq!(seen(scope::locked::run), plain);
    let log = Log::default();
    scope_async::plain::run(&log).await;
    scope_async::locked::run(&log).await;
    assert_eq!(log.into_inner().expect("whole"), [plain.clone(), plain].concat());
}

// 89
locked_and_plain! {
    unnamed: ["temporaries:unnamed", on_error = panic]
    async fn run(log: &Log, _: Drops<'_>) {
        tokio::task::yield_now().await;
        drop(Drops("body", log));
    }
}

#[tokio::test]
async fn an_argument_without_a_name_outlives_the_body() {
    support();
    let log = Log::default();
    unnamed::plain::run(&log, Drops("argument", &log)).await;
    unnamed::locked::run(&log, Drops("argument", &log)).await;
    drop(unnamed::plain::run(&log, Drops("never polled", &log)));
    drop(unnamed::locked::run(&log, Drops("never polled", &log)));
    let log = log.into_inner().expect("whole");
    assert_eq!(log[..4], ["body", "argument", "body", "argument"]);
    assert_eq!(log[4..], ["never polled", "never polled"]);
}

struct Two<'a>(Drops<'a>, Drops<'a>);

// 90
locked_and_plain! {
    parts: ["temporaries:parts", on_error = panic]
    fn run(Two(first, _): Two<'_>, Two { 1: second, .. }: Two<'_>, log: &Log) {
        drop(second);
        drop(Drops("body", log));
        drop(first);
    }
}

locked_and_plain! {
    parts_async: ["temporaries:parts:async", on_error = panic]
    async fn run(Two(first, _): Two<'_>, Two { 1: second, .. }: Two<'_>, log: &Log) {
        drop(second);
        tokio::task::yield_now().await;
        drop(Drops("body", log));
        drop(first);
    }
}

fn two<'a>(first: &'static str, second: &'static str, log: &'a Log) -> Two<'a> {
    Two(Drops(first, log), Drops(second, log))
}

#[tokio::test]
async fn parts_that_a_pattern_leaves_out_are_dropped_in_their_turn() {
    support();
    let plain = seen(|log| parts::plain::run(two("1", "2", log), two("3", "4", log), log));
    let locked = seen(|log| parts::locked::run(two("1", "2", log), two("3", "4", log), log));
    assert_eq!(plain, locked);
    let (plain, locked) = (Log::default(), Log::default());
    parts_async::plain::run(two("1", "2", &plain), two("3", "4", &plain), &plain).await;
    parts_async::locked::run(two("1", "2", &locked), two("3", "4", &locked), &locked).await;
    assert_eq!(plain.into_inner().expect("whole"), locked.into_inner().expect("whole"));
}

struct Pair {
    kept: String,
    given: String,
}

// 91
locked_and_plain! {
    fields: ["temporaries:fields:{}", pair.kept, on_error = panic]
    fn run(mut pair: Pair, log: &mut Vec<String>) -> String {
        let kept = &pair.kept;
        log.push(pair.given);
        log.push(kept.clone());
        pair.given = String::from("again") + kept.get(4..).unwrap_or_default();
        pair.kept + &pair.given
    }
}

#[test]
fn single_fields_of_an_argument_are_moved_and_borrowed() {
    support();
    let pair = || Pair { kept: "kept".to_owned(), given: "given".to_owned() };
    let (mut plain, mut locked) = (Vec::new(), Vec::new());
    assert_eq!(fields::plain::run(pair(), &mut plain), "keptagain");
    assert_eq!(fields::locked::run(pair(), &mut locked), "keptagain");
    assert_eq!(plain, locked);
}
