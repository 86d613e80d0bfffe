//! A link that its callers drive: who reads, who writes, who is woken.

use std::time::Duration;

use shuttle::thread;

use crate::engine::{Engine, Process, run_task, take_longest_wait};
use crate::explore::explore_with_clock;
use crate::process::{join_all, yield_randomly};

/// Less than any time after which the keeper, or a thread that waits, looks after others.
const PROMPT: Duration = Duration::from_micros(500);

/// Threads with a key each get their answers, and nobody waits for time to pass.
pub fn threads_are_answered_at_once() {
    explore_with_clock(|| at_once(&[blocks, blocks]), 400);
}

/// The same with more threads than read for themselves.
pub fn many_threads_are_answered_at_once() {
    explore_with_clock(|| at_once(&[blocks, blocks, blocks, blocks]), 200);
}

/// The same with tasks.
pub fn tasks_are_answered_at_once() {
    explore_with_clock(|| at_once(&[awaits, awaits, awaits]), 400);
}

/// The same with both, and with tasks that cannot read.
pub fn all_kinds_of_callers_are_answered_at_once() {
    explore_with_clock(|| at_once(&[blocks, awaits, awaits_without_reactor]), 400);
}

/// What a caller does with the key of its number.
type Caller = fn(&Process, &str);

fn at_once(callers: &[Caller]) {
    let engine = Engine::start();
    let process = engine.process("inbox");
    // The first call waits for the connection.
    drop(process.locks.mutex("first").acquire_blocking().expect("it is free"));
    take_longest_wait();
    run_all(&process, callers);
    assert!(take_longest_wait() < PROMPT, "somebody waited for a timer");
    engine.end([process]);
}

fn run_all(process: &Process, callers: &[Caller]) {
    let run = |(number, &caller): (usize, &Caller)| {
        let process = process.clone();
        thread::spawn(move || caller(&process, &format!("key:{number}")))
    };
    join_all(callers.iter().enumerate().map(run).collect::<Vec<_>>());
}

fn blocks(process: &Process, key: &str) {
    for _ in 0..2 {
        let guard = process.locks.mutex(key).acquire_blocking().expect("it is free");
        yield_randomly();
        drop(guard);
    }
}

fn awaits(process: &Process, key: &str) {
    run_task(&process.link, async {
        for _ in 0..2 {
            let guard = process.locks.mutex(key).acquire().await.expect("it is free");
            yield_randomly();
            drop(guard);
        }
    });
}

fn awaits_without_reactor(process: &Process, key: &str) {
    let guard = crate::explore::block_on(process.locks.mutex(key).acquire());
    drop(guard.expect("it is free"));
}
