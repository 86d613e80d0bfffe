//! A call that has returned leaves no lock behind, however the process ends.
//!
//! Without libtest, because it runs tests on threads: this program starts itself again as a child,
//! which ends.

mod support;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use distlock::{LockError, LockManager, distributed_lock};
use redis::Connection;

use crate::support::process::{Process, this_binary};
use crate::support::{server, traces};

const RUNS: u32 = 200;
const MODE: &str = "DISTLOCK_TEST_EXIT_MODE";

/// The last action of a child, and its name for the report.
const MODES: [(&str, &str); 14] = [
    ("sync", "a sync main"),
    ("async", "a main that blocks on an async call"),
    ("workers", "a main whose runtime's tasks have called"),
    ("thread", "a main that joins a thread which has called"),
    ("scope", "a main whose scoped thread has called"),
    ("linger", "a main that returns while the lock lingers"),
    ("exit code", "a main that returns an error after the call"),
    ("exit", "a main that exits"),
    ("exit elsewhere", "a thread that exits right after its call"),
    ("exit beside", "a main that exits when a thread has just called"),
    ("exit lingering", "a main that exits when a lock of a thread lingers"),
    ("made elsewhere", "a main that returns when a thread has made the manager and called"),
    ("runtime", "a main that leaves its runtime behind after the call of a task"),
    ("panic", "a main that panics after the call"),
];

#[distributed_lock("exit", hold = hold)]
fn locked() -> Result<u64, LockError> {
    Ok(hold.fence().get())
}

#[distributed_lock("exit", hold = hold)]
async fn locked_async() -> Result<u64, LockError> {
    tokio::task::yield_now().await;
    Ok(hold.fence().get())
}

fn main() -> ExitCode {
    match env::var(MODE) {
        Ok(mode) => child(&mode),
        Err(_) => parent(),
    }
}

fn child(mode: &str) -> ExitCode {
    let fence = match mode {
        "sync" => locked(),
        "async" => current_thread().block_on(locked_async()),
        "workers" => in_tasks(),
        "thread" => thread::spawn(locked).join().expect("the thread does not panic"),
        "scope" => in_scope(),
        "linger" => lingers(),
        "exit" => exit_after(&locked()),
        "exit elsewhere" => in_thread(|| exit_after(&locked())),
        "exit beside" => exit_after(&in_thread(locked)),
        "exit lingering" => exit_after(&in_thread(lingers)),
        "made elsewhere" => in_thread(locked),
        "runtime" => in_runtime_left_behind(),
        "panic" => panic!("after {:?}", locked()),
        "exit code" => return locked().map_or(ExitCode::FAILURE, |_| ExitCode::from(7)),
        other => panic!("no mode is called {other}"),
    };
    assert!(fence.is_ok(), "{fence:?}");
    ExitCode::SUCCESS
}

fn exit_after(called: &Result<u64, LockError>) -> ! {
    std::process::exit(i32::from(called.is_err()))
}

/// The thread has made a call and has not ended.
fn in_thread(call: fn() -> Result<u64, LockError>) -> Result<u64, LockError> {
    let (sender, called) = mpsc::channel();
    thread::spawn(move || {
        sender.send(call()).expect("main waits for it");
        loop {
            thread::park();
        }
    });
    called.recv().expect("the thread calls")
}

fn in_runtime_left_behind() -> Result<u64, LockError> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).build().expect("a runtime");
    let called = runtime.block_on(runtime.spawn(locked_async())).expect("it does not panic");
    runtime.shutdown_background();
    called
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

#[distributed_lock("exit", linger = "1m", hold = hold)]
fn lingers() -> Result<u64, LockError> {
    Ok(hold.fence().get())
}

/// A scope does not wait for the destructors of its threads.
fn in_scope() -> Result<u64, LockError> {
    distlock::init(LockManager::connect(&env::var("DISTLOCK_URL").expect("the parent sets it"))?)?;
    thread::scope(|scope| scope.spawn(locked).join().expect("the thread does not panic"))
}

/// Several tasks under keys of their own; the runtime is dropped before `main` returns.
fn in_tasks() -> Result<u64, LockError> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).build().expect("a runtime");
    let tasks: Vec<_> = (0..4).map(|_| runtime.spawn(locked_async())).collect();
    let ends = tasks.into_iter().map(|task| runtime.block_on(task).expect("no task panics"));
    ends.last().expect("there are four")
}

fn parent() -> ExitCode {
    let ends = MODES.map(|(mode, name)| {
        let ran = catch_unwind(AssertUnwindSafe(|| leaves_nothing(mode)));
        println!("{name} leaves no key ... {}", if ran.is_ok() { "ok" } else { "FAILED" });
        ran.is_ok()
    });
    let passed = ends.iter().filter(|&&end| end).count();
    println!("{passed} passed, {} failed", ends.len() - passed);
    if passed == ends.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn leaves_nothing(mode: &str) {
    let server = server();
    let mut connection = server.connection();
    // The number of runs of each mode; variants need fewer.
    let runs = if matches!(mode, "sync" | "async") { RUNS } else { RUNS / 10 };
    let dirty = (0..runs).filter(|_| {
        run(mode, &server.url());
        is_held(&mut connection)
    });
    assert_eq!(dirty.count(), 0, "of {runs} runs left the lock behind");
    assert_eq!(traces(&server), [""; 0]);
}

fn run(mode: &str, url: &str) {
    let mut command = this_binary();
    command.env(MODE, mode).env("DISTLOCK_URL", url);
    let mut process = Process::spawn(command);
    let expected = match mode {
        "exit code" => 7,
        "panic" => 101,
        _ => 0,
    };
    assert_eq!(process.exit_code(), Some(expected), "{}", process.errors());
}

fn is_held(connection: &mut Connection) -> bool {
    redis::cmd("EXISTS").arg("lock:{exit}").query(connection).expect("the server answers")
}
