//! One process, several runtimes and none.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use distlock::distributed_lock;
use tokio::runtime::{Builder, Handle};
use tokio::task::LocalSet;

use super::support::{Error, current, support};

static INSIDE: AtomicU32 = AtomicU32::new(0);
static VISITS: AtomicU32 = AtomicU32::new(0);

fn enter() {
    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "two sections at once");
}

fn leave() {
    VISITS.fetch_add(1, Ordering::SeqCst);
    INSIDE.fetch_sub(1, Ordering::SeqCst);
}

#[distributed_lock("runtimes:shared")]
fn sync() -> Result<(), Error> {
    enter();
    thread::yield_now();
    leave();
    Ok(())
}

#[distributed_lock("runtimes:shared")]
async fn asynchronous() -> Result<(), Error> {
    enter();
    tokio::task::yield_now().await;
    nested()?;
    leave();
    Ok(())
}

#[distributed_lock("runtimes:shared", wait = "0s")]
fn nested() -> Result<(), Error> {
    Ok(())
}

#[distributed_lock("runtimes:shared")]
async fn local(count: Rc<Cell<u32>>) -> Result<(), Error> {
    enter();
    tokio::task::yield_now().await;
    count.set(count.get() + 1);
    leave();
    Ok(())
}

fn in_two_runtimes() {
    let (one, other) = (Builder::new_multi_thread(), Builder::new_current_thread());
    let [one, other] = [one, other].map(|mut builder| builder.build().expect("a runtime"));
    let tasks: Vec<_> = (0..20)
        .map(|n| if n % 2 == 0 { one.spawn(asynchronous()) } else { other.spawn(asynchronous()) })
        .collect();
    other.block_on(async {
        for task in tasks {
            task.await.expect("no panic").expect("free");
        }
    });
    assert_eq!(current(), None);
}

fn in_a_local_set() {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (tasks, count) = (LocalSet::new(), Rc::new(Cell::new(0)));
    for _ in 0..10 {
        tasks.spawn_local(local(Rc::clone(&count)));
    }
    runtime.block_on(tasks);
    assert_eq!((count.get(), current()), (10, None));
}

fn without_a_runtime() {
    assert!(Handle::try_current().is_err());
    for _ in 0..10 {
        sync().expect("free");
        futures::executor::block_on(asynchronous()).expect("free");
        smol::block_on(asynchronous()).expect("free");
    }
}

// 70
#[test]
fn runtimes_of_one_process_and_plain_threads_share_a_lock() {
    support();
    let users = [in_two_runtimes, in_a_local_set, without_a_runtime].map(thread::spawn);
    for user in users {
        user.join().expect("no two sections at once");
    }
    assert_eq!(VISITS.load(Ordering::SeqCst), 20 + 10 + 30);
}
