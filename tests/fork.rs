//! A process that forks: the child has the manager of its parent, but not its background thread.
//!
//! Without libtest, whose threads would be missing in the child too.
#![cfg(unix)]
#![allow(unsafe_code, reason = "a fork is")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode, exit};
use std::time::{Duration, Instant};
use std::{env, thread};

use distlock::{LockError, LockGuard, LockManager, distributed_lock, init};
use testkit::Sentinels;

use crate::support::{inspect, server, until_free};

/// What a child does with the manager of its parent, a guard of the parent's, and the server's URL.
type Role = fn(&LockManager, LockGuard, &str);

const ROLES: [(&str, Role); 9] = [
    ("a request for a free key", |locks, _, _| refused(&locks.mutex("free").acquire_blocking())),
    ("a request with a wait", |locks, _, _| {
        refused(&locks.mutex("free").wait(Duration::from_secs(1)).acquire_blocking());
    }),
    ("a request for a key that the parent holds", |locks, _, _| {
        refused(&locks.mutex("held").acquire_blocking());
        refused(&locks.mutex("held").wait(Duration::from_secs(1)).acquire_blocking());
    }),
    ("a request past the line and one for several", |locks, _, _| {
        refused(&locks.mutex("free").strict_fifo().acquire_blocking());
        refused(&locks.mutex_many(["a", "b"]).acquire_blocking());
        refused(&locks.mutex("free").try_acquire_blocking());
    }),
    ("an async request", |locks, _, _| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        refused(&runtime.block_on(locks.mutex("free").acquire()));
        refused(&runtime.block_on(locks.mutex("held").acquire()));
    }),
    ("an inspection and a shutdown", |locks, _, _| {
        refused(&locks.inspect_blocking("held"));
        locks.shutdown_blocking();
    }),
    ("the end of a guard", |_, guard, _| drop(guard)),
    ("a confirmed release", |_, guard, _| assert!(guard.release_blocking().is_err())),
    ("a global manager of its own", |locks, _, url| {
        refused(&annotated());
        init(LockManager::connect(url).expect("the url is well formed"))
            .expect("it may be replaced");
        assert_eq!(annotated().expect("the lock is had"), 7);
        assert_eq!(thread::spawn(annotated).join().expect("no panic").expect("it is had again"), 7);
        refused(&locks.mutex("free").acquire_blocking());
    }),
];

#[distributed_lock("annotated")]
fn annotated() -> Result<u32, LockError> {
    Ok(7)
}

fn refused<T>(ended: &Result<T, LockError>) {
    let Err(error) = ended else { panic!("it was granted") };
    assert!(matches!(error, LockError::Closed(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("created before a fork; create one in the child"), "{text}");
}

/// The URL of a server, or of Sentinels, in a process that was started for it.
const URL: &str = "DISTLOCK_TEST_FORK_URL";

fn main() -> ExitCode {
    if let Ok(url) = env::var(URL) {
        return with_roles(&url);
    }
    let server = server();
    let (_sentinels, watched) = Sentinels::watching(&server).expect("they start");
    let program = env::current_exe().expect("a running program has a path");
    let all_passed = [("a server", server.url()), ("Sentinels", watched)].map(|(what, url)| {
        println!("with {what}");
        Command::new(&program).env(URL, url).status().expect("it starts again").success()
    });
    if all_passed == [true; 2] { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn with_roles(url: &str) -> ExitCode {
    let locks = LockManager::connect(url).expect("the url is well formed");
    init(locks.clone()).expect("it is the first");
    annotated().expect("the lock is had");
    let held = locks.mutex("held").acquire_blocking().expect("the lock is free");
    let mut failed = 0;
    for (name, role) in ROLES {
        let ended = in_a_fork(
            || {
                let guard = locks.mutex("guarded").wait_for_release().acquire_blocking();
                guard.expect("the lock is free")
            },
            |guard| role(&locks, guard, url),
        );
        let parent_goes_on =
            held.hold().is_valid() && locks.mutex("free").acquire_blocking().is_ok();
        let ok = ended == Some(0) && parent_goes_on && inspect(&locks, "held").holder.is_some();
        until_free(&locks, "guarded");
        failed += u32::from(!ok);
        println!("{name} in a fork ... {}", if ok { "ok" } else { "FAILED" });
    }
    println!("{} passed, {failed} failed", 9 - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The exit code of a fork that does this, if it ends in time. What was made before it is dropped
/// by the parent afterwards.
fn in_a_fork<T>(before: impl Fn() -> T, child: impl Fn(T)) -> Option<i32> {
    let made = before();
    // SAFETY: the other threads of this process are idle, and the child uses nothing that they may
    // have locked.
    match unsafe { libc::fork() } {
        0 => {
            let ran = catch_unwind(AssertUnwindSafe(|| child(made)));
            exit(i32::from(ran.is_err()));
        }
        child => {
            let code = wait_for(child);
            drop(made);
            code
        }
    }
}

/// Much less than the second that an exit waits for releases that are not confirmed.
const LIMIT: Duration = Duration::from_secs(10);

fn wait_for(child: libc::pid_t) -> Option<i32> {
    let end = Instant::now() + LIMIT;
    let mut status = 0;
    loop {
        // SAFETY: the status is where the system may write it.
        if unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == child {
            return libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        }
        if Instant::now() > end {
            // SAFETY: it is a child that was not waited for yet.
            unsafe { libc::kill(child, libc::SIGKILL) };
            println!("it hangs");
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
