//! A link that its callers drive: who reads, who writes, who is woken.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use distlock_runtime::verification::ModelledLink;
use shuttle::thread;

use crate::engine::{Engine, LinkedProcess, poll_as_task, run_task, take_longest_wait};
use crate::environment;
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

/// The same while a task starts to read and is dropped.
pub fn a_reader_that_is_dropped_passes_the_role_on() {
    explore_with_clock(|| at_once(&[gives_up, blocks, awaits]), 400);
}

/// A task reads, and its runtime is blocked. Nobody else waits for more than 10 ms.
pub fn a_reader_that_stalls_delays_nobody() {
    explore_with_clock(|| beside_a_stalled_reader(blocks), 200);
    explore_with_clock(|| beside_a_stalled_reader(awaits_without_reactor), 200);
}

fn beside_a_stalled_reader(caller: LinkedCaller) {
    let engine = Engine::start();
    let (process, others) = (engine.process("inbox"), engine.process("others"));
    let busy = others.locks.mutex("busy").acquire_blocking().expect("it is free");
    drop(process.locks.mutex("first").acquire_blocking().expect("it is free"));
    let (stalls, goes_on) = shuttle::sync::mpsc::channel();
    let stalled = {
        let process = process.clone();
        thread::spawn(move || {
            environment::set_reactor();
            let request = process.locks.mutex("busy");
            let mut waits = pin!(request.acquire());
            let context = Context::from_waker(Waker::noop());
            assert!(poll_as_task(&process.link, waits.as_mut(), &context).is_pending());
            goes_on.recv().expect("the others are answered first");
        })
    };
    yield_randomly();
    let start = environment::now();
    take_longest_wait();
    run_all(&process, &[caller]);
    let took = environment::now().since(start);
    assert!(took < Duration::from_millis(20), "two calls took {took:?}");
    stalls.send(()).expect("it stalls");
    stalled.join().expect("it gives up");
    drop(busy);
    engine.end([process, others]);
}

/// Two processes take turns: a grant that the server pushes is read at once.
pub fn a_pushed_grant_is_read_at_once() {
    explore_with_clock(
        || {
            let engine = Engine::start();
            let processes = [engine.process("one"), engine.process("other")];
            for process in &processes {
                drop(process.locks.mutex("key").acquire_blocking().expect("it is free"));
            }
            take_longest_wait();
            let run = |(process, caller): (&LinkedProcess, LinkedCaller)| {
                let process = process.clone();
                thread::spawn(move || caller(&process, "key"))
            };
            let callers: [LinkedCaller; 2] = [blocks, awaits];
            join_all(processes.iter().zip(callers).map(run).collect::<Vec<_>>());
            assert!(take_longest_wait() < PROMPT, "a call waited for a timer");
            engine.end(processes);
        },
        300,
    );
}

/// The connection breaks meanwhile. All are answered.
pub fn a_lost_connection_ends_no_wait() {
    explore_with_clock(
        || {
            let engine = Engine::start();
            let process = engine.process("inbox");
            let callers = {
                let process = process.clone();
                thread::spawn(move || run_all(&process, &[blocks, awaits]))
            };
            yield_randomly();
            engine.disconnect("inbox");
            callers.join().expect("they are answered");
            // What names a lost request is left on the server until it expires there.
            engine.stop([process]);
        },
        300,
    );
}

/// What is done for callers happens in the order in which it came up.
pub fn effects_happen_in_order() {
    explore_with_clock(
        || {
            let engine = Engine::start();
            let process = engine.process("inbox");
            let asked = Arc::new(AtomicU32::new(0));
            let done = Arc::new(AtomicU32::new(0));
            let run = |_| {
                let (link, asked, done) = (process.link.clone(), asked.clone(), done.clone());
                thread::spawn(move || {
                    for _ in 0..2 {
                        let done = Arc::clone(&done);
                        link.after(|| {
                            let number = asked.fetch_add(1, Ordering::SeqCst);
                            move || {
                                thread::yield_now();
                                assert_eq!(done.fetch_add(1, Ordering::SeqCst), number);
                            }
                        });
                    }
                })
            };
            join_all((0..3).map(run).collect::<Vec<_>>());
            assert!(process.link.is_open(), "out of order");
            engine.end([process]);
        },
        400,
    );
}

/// A bug ends all waits, whether it is in the link or in what is done for callers.
pub fn a_panic_ends_all_waits() {
    explore_with_clock(|| ends_all_waits(ModelledLink::panic), 100);
    explore_with_clock(|| ends_all_waits(ModelledLink::panic_in_an_effect), 100);
}

fn ends_all_waits(panics: fn(&ModelledLink)) {
    let engine = Engine::start();
    let (process, others) = (engine.process("inbox"), engine.process("others"));
    let busy = others.locks.mutex("busy").acquire_blocking().expect("it is free");
    let waits = |caller: fn(&LinkedProcess)| {
        let process = process.clone();
        thread::spawn(move || caller(&process))
    };
    let waiting = [
        waits(|process| assert!(process.locks.mutex("busy").acquire_blocking().is_err())),
        waits(|process| {
            let request = process.locks.mutex("busy");
            assert!(run_task(&process.link, request.acquire()).is_err());
        }),
    ];
    yield_randomly();
    panics(&process.link);
    join_all(waiting);
    drop(busy);
    // What the process has asked for is left on the server until it expires there.
    engine.stop([others, process]);
}

/// A call in a fork ends at once, and sends nothing on the connection of its parent.
pub fn a_fork_sends_nothing() {
    explore_with_clock(
        || {
            let engine = Engine::start();
            let process = engine.process("inbox");
            drop(process.locks.mutex("key").acquire_blocking().expect("it is free"));
            let fork = {
                let process = process.clone();
                thread::spawn(move || {
                    environment::fork();
                    assert!(process.locks.mutex("forked").acquire_blocking().is_err());
                })
            };
            fork.join().expect("the call fails");
            assert!(!engine.has_seen("forked"), "a command of the fork was sent");
            engine.end([process]);
        },
        100,
    );
}

/// The exit of a process leaves nothing unsent.
pub fn an_exit_leaves_nothing_unsent() {
    explore_with_clock(
        || {
            let engine = Engine::start();
            let process = engine.process("inbox");
            let holds = process.locks.mutex("key").acquire_blocking().expect("it is free");
            let others = {
                let process = process.clone();
                thread::spawn(move || run_all(&process, &[blocks, awaits]))
            };
            yield_randomly();
            drop(holds);
            assert!(process.link.exit(), "something is left unsent");
            others.join().expect("they are answered");
            engine.end([process]);
        },
        200,
    );
}

/// What a caller does with the key of its number.
type LinkedCaller = fn(&LinkedProcess, &str);

fn at_once(callers: &[LinkedCaller]) {
    let engine = Engine::start();
    let process = engine.process("inbox");
    // The first call waits for the connection.
    drop(process.locks.mutex("first").acquire_blocking().expect("it is free"));
    take_longest_wait();
    run_all(&process, callers);
    assert!(take_longest_wait() < PROMPT, "a call waited for a timer");
    engine.end([process]);
}

fn run_all(process: &LinkedProcess, callers: &[LinkedCaller]) {
    let run = |(number, &caller): (usize, &LinkedCaller)| {
        let process = process.clone();
        thread::spawn(move || caller(&process, &format!("key:{number}")))
    };
    join_all(callers.iter().enumerate().map(run).collect::<Vec<_>>());
}

fn blocks(process: &LinkedProcess, key: &str) {
    for _ in 0..2 {
        let guard = process.locks.mutex(key).acquire_blocking().expect("it is free");
        yield_randomly();
        drop(guard);
    }
}

fn awaits(process: &LinkedProcess, key: &str) {
    run_task(&process.link, async {
        for _ in 0..2 {
            let guard = process.locks.mutex(key).acquire().await.expect("it is free");
            yield_randomly();
            drop(guard);
        }
    });
}

/// Polls a call as a task does, and drops it.
fn gives_up(process: &LinkedProcess, key: &str) {
    environment::set_reactor();
    for _ in 0..2 {
        let request = process.locks.mutex(key);
        let mut waits = pin!(request.acquire());
        let context = Context::from_waker(Waker::noop());
        let _ = poll_as_task(&process.link, waits.as_mut(), &context);
        yield_randomly();
    }
}

fn awaits_without_reactor(process: &LinkedProcess, key: &str) {
    let guard = crate::explore::block_on(process.locks.mutex(key).acquire());
    drop(guard.expect("it is free"));
}
