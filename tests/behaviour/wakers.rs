//! Executors whose wakers panic, block, or run code when they are dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use distlock::{LockManager, SharedHold, distributed_lock};
use testkit::{RedisServer, eventually};

use crate::support::{LIMIT, connect, connect_with_ttl, server, until_waiting};

const TTL: Duration = Duration::from_secs(3);

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a bug in an executor");
    }
}

/// Blocks when it is woken, until the test ends.
struct Blocks(Mutex<Receiver<()>>);

impl Wake for Blocks {
    fn wake(self: Arc<Self>) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
    }
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Polls with this waker until the task is ready; nothing else wakes it.
fn finish(mut task: Task<'_>, waker: &Waker) {
    let mut context = Context::from_waker(waker);
    eventually(LIMIT, "the task ends", || task.as_mut().poll(&mut context).is_ready());
}

/// Every kind of wait that the manager ends, with this waker; then all is as it should be.
fn waits_with(waker: &Waker) {
    let server = server();
    let (locks, others) = (connect_with_ttl(&server, TTL), connect(&server));
    let kept = locks.mutex("kept").acquire_blocking().unwrap();
    let mut context = Context::from_waker(waker);

    let theirs = others.mutex("wakers").acquire_blocking().unwrap();
    let (request, strict) = (locks.mutex("wakers"), locks.mutex("strict").strict_fifo());
    let mut waits: Task<'_> = Box::pin(async {
        request.acquire().await.unwrap().release().await.unwrap();
    });
    assert!(waits.as_mut().poll(&mut context).is_pending());
    until_waiting(&others, "wakers", 1);
    drop(theirs);
    finish(waits, waker);

    finish(Box::pin(async { drop(strict.acquire().await.unwrap()) }), waker);
    let pair = locks.mutex_many(["a", "b"]).wait_for_release();
    finish(Box::pin(async { pair.acquire().await.unwrap().release().await.unwrap() }), waker);
    finish(Box::pin(async { drop(locks.inspect("kept").await.unwrap()) }), waker);

    let doomed = locks.mutex("doomed").acquire_blocking().unwrap();
    let mut lost = Box::pin(doomed.hold().lost());
    assert!(lost.as_mut().poll(&mut context).is_pending());
    server.command(&["DEL", "lock:{doomed}"]);
    finish(Box::pin(async { drop(lost.await) }), waker);

    let busy = others.mutex("busy").acquire_blocking().unwrap();
    let short = locks.mutex("busy").wait(Duration::from_millis(100));
    finish(Box::pin(async { assert!(short.acquire().await.is_err()) }), waker);
    drop(busy);

    locks.mutex("other").wait(LIMIT).acquire_blocking().unwrap().release_blocking().unwrap();
    thread::sleep(TTL + TTL / 2);
    assert!(kept.hold().is_valid(), "a hold was lost: the keeper stood still");
    finish(Box::pin(async { locks.shutdown().await }), waker);
}

#[test]
fn wakers_that_panic_stop_nothing() {
    waits_with(&Waker::from(Arc::new(Panics)));
}

#[test]
fn wakers_that_block_stop_nothing() {
    let (_end, blocked) = mpsc::channel();
    waits_with(&Waker::from(Arc::new(Blocks(Mutex::new(blocked)))));
}

#[distributed_lock("wakers:turns", manager = locks, hold = hold)]
fn share(locks: &LockManager) -> Result<SharedHold, distlock::LockError> {
    hold.share()
}

#[distributed_lock("wakers:turns", manager = locks)]
async fn turn(locks: &LockManager, ends: Option<Receiver<()>>) -> Result<(), distlock::LockError> {
    if let Some(ends) = ends {
        std::future::poll_fn(|_| match ends.try_recv() {
            Err(mpsc::TryRecvError::Empty) => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }
    Ok(())
}

/// A turn is given back by a sibling, in whose thread the waker panics.
#[test]
fn a_sibling_survives_the_panic_of_a_waker() {
    let server = server();
    let locks = connect(&server);
    let share = share(&locks).unwrap();
    let (end, ends) = mpsc::channel();
    let mut context = Context::from_waker(Waker::noop());
    let mut first = Box::pin(share.clone().scope(turn(&locks, Some(ends))));
    assert!(first.as_mut().poll(&mut context).is_pending());
    let panics = Waker::from(Arc::new(Panics));
    let mut second = Box::pin(share.scope(turn(&locks, None)));
    assert!(second.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    end.send(()).unwrap();
    assert!(matches!(first.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    finish(Box::pin(async { second.await.unwrap() }), &panics);
}

type Watcher = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Its drop drops a future.
struct Owns(#[allow(dead_code, reason = "it is dropped")] Mutex<Option<Watcher>>);

impl Wake for Owns {
    fn wake(self: Arc<Self>) {}
}

fn owns(future: impl Future + Send + 'static) -> Waker {
    let mut future: Watcher = Box::pin(async move { drop(future.await) });
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    Waker::from(Arc::new(Owns(Mutex::new(Some(future)))))
}

/// Runs on a thread of its own, which may hang.
#[track_caller]
fn in_time(what: &str, body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    assert_ne!(ended.recv_timeout(LIMIT), Err(RecvTimeoutError::Timeout), "{what} hangs");
    thread.join().unwrap();
}

/// Replaces the waker that it was polled with first, then is dropped with the second one.
fn polled_with_two<F: Future>(future: F, wakers: [Waker; 2]) {
    let mut future = Box::pin(future);
    for waker in wakers {
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
}

#[test]
fn wakers_that_drop_a_watcher_of_the_same_hold_deadlock_nothing() {
    let server: RedisServer = server();
    let locks = connect(&server);
    let guard = locks.mutex("owned").acquire_blocking().unwrap();
    in_time("a watched hold", move || {
        let hold = guard.hold().clone();
        polled_with_two(hold.lost(), [owns(hold.lost()), owns(hold.lost())]);
    });
}

#[test]
fn wakers_that_drop_a_request_for_the_same_key_deadlock_nothing() {
    let server = server();
    let locks = connect(&server);
    let held = locks.mutex("owned").acquire_blocking().unwrap();
    let request = move || {
        let request = locks.mutex("owned");
        async move { request.acquire().await.map(drop) }
    };
    in_time("a wait", move || {
        polled_with_two(request(), [owns(request()), owns(request())]);
        drop(held);
    });
}
