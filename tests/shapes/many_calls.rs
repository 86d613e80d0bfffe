//! Many calls at once.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use distlock::distributed_lock;
use futures::stream::{FuturesUnordered, StreamExt as _};

use super::support::{Error, current, support};

static INSIDE: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];

#[distributed_lock("crowds:{key}")]
async fn outer(key: usize) -> Result<usize, Error> {
    assert_eq!(INSIDE[key].fetch_add(1, Ordering::SeqCst), 0, "two sections at once");
    let mut threads: Vec<ThreadId> = Vec::new();
    for _ in 0..3 {
        threads.push(thread::current().id());
        tokio::task::yield_now().await;
        assert_eq!(current(), Some(format!("crowds:{key}")));
        nested(key).await?;
    }
    threads.dedup();
    INSIDE[key].fetch_sub(1, Ordering::SeqCst);
    Ok(threads.len())
}

#[distributed_lock("crowds:{key}", wait = "0s")]
async fn nested(key: usize) -> Result<(), Error> {
    tokio::task::yield_now().await;
    deepest(key)
}

#[distributed_lock("crowds:{key}", wait = "0s")]
fn deepest(key: usize) -> Result<(), Error> {
    Ok(())
}

type Task = Pin<Box<dyn Future<Output = Result<usize, Error>> + Send>>;

/// Polls what comes in once and hands it on to the next worker, until there is nothing more to
/// come.
fn work(inbox: &Receiver<Option<Task>>, next: &Sender<Option<Task>>, done: &Sender<usize>) {
    while let Ok(Some(mut task)) = inbox.recv() {
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(threads) => done.send(threads.expect("free")).expect("the test counts"),
            // The next worker is gone only if it has panicked.
            Poll::Pending => next.send(Some(task)).expect("the next worker lives"),
        }
        assert_eq!(current(), None, "nothing stays behind on a worker");
        thread::yield_now();
    }
}

// 64
#[test]
fn two_hundred_nested_calls_move_on_to_another_thread_at_every_poll() {
    support();
    let (done, ends) = mpsc::channel();
    let (outboxes, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| mpsc::channel()).unzip();
    let workers = inboxes.into_iter().enumerate().map(|(worker, inbox)| {
        let (next, done) = (outboxes[(worker + 1) % 3].clone(), done.clone());
        thread::spawn(move || work(&inbox, &next, &done))
    });
    let workers: Vec<_> = workers.collect();
    drop(done);
    for task in 0..200 {
        outboxes[task % 3].send(Some(Box::pin(outer(task % 8)))).expect("the worker lives");
    }
    let threads: Vec<usize> = ends.iter().take(200).collect();
    assert_eq!(threads, [3; 200], "each section has moved at each of its pauses");
    for (outbox, worker) in outboxes.iter().zip(workers) {
        outbox.send(None).expect("the worker lives");
        worker.join().expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_nested_tasks_of_a_runtime_take_turns() {
    support();
    let tasks: Vec<_> = (0..200).map(|task| tokio::spawn(alike(task % 8))).collect();
    for task in tasks {
        task.await.expect("no panic").expect("free");
    }
}

static ALIKE: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];

#[distributed_lock("crowds:alike:{key}")]
async fn alike(key: usize) -> Result<(), Error> {
    assert_eq!(ALIKE[key].fetch_add(1, Ordering::SeqCst), 0, "two sections at once");
    alike_again(key).await?;
    ALIKE[key].fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

#[distributed_lock("crowds:alike:{key}", wait = "0s")]
async fn alike_again(key: usize) -> Result<(), Error> {
    tokio::task::yield_now().await;
    Ok(())
}

#[derive(Default)]
struct Room {
    inside: AtomicU32,
    visits: AtomicU32,
}

#[distributed_lock("crowds:room")]
async fn visit(room: &Room) -> Result<(), Error> {
    assert_eq!(room.inside.fetch_add(1, Ordering::SeqCst), 0, "two siblings at once");
    tokio::task::yield_now().await;
    room.inside.fetch_sub(1, Ordering::SeqCst);
    room.visits.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[distributed_lock("crowds:room", hold = hold)]
async fn host(room: &Room) -> Result<(), Error> {
    let mut visits: FuturesUnordered<_> = (0..10).map(|_| visit(room)).collect();
    while let Some(visited) = visits.next().await {
        visited?;
        assert_eq!(current().as_deref(), Some(hold.key()));
    }
    Ok(hold.check()?)
}

// 65
#[tokio::test]
async fn ten_siblings_under_one_holder_take_turns() {
    support();
    let room = Room::default();
    host(&room).await.expect("free");
    assert_eq!(room.visits.into_inner(), 10);
}
