//! Futures that are dropped at any point.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, distributed_lock};
use testkit::eventually;
use tokio::runtime::Runtime;

use crate::support::{alone, connect, server, traces};

const SECOND: Duration = Duration::from_secs(1);

#[distributed_lock("cancel:{key}", manager = locks, release = confirmed)]
async fn work(locks: &LockManager, key: u32, pauses: u32) -> Result<(), LockError> {
    for _ in 0..pauses {
        tokio::task::yield_now().await;
    }
    deeper(locks, key).await
}

#[distributed_lock("cancel:{key}", manager = locks)]
async fn deeper(locks: &LockManager, key: u32) -> Result<(), LockError> {
    let _other = locks.mutex(format!("cancel:other:{key}")).acquire().await?;
    tokio::task::yield_now().await;
    Ok(())
}

/// Polls the future this many times, then drops it. Returns whether it completed.
async fn drop_after<F: Future>(polls: u32, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// Random numbers with a constant seed, so that failures can be reproduced.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(end)).expect("below a u32")
    }
}

/// Half of them use key 0.
fn key(random: &mut Random) -> u32 {
    random.below(16).saturating_sub(8)
}

fn two_workers() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn eight_thousand_futures_dropped_at_any_await_leave_nothing() {
    let _machine = alone();
    let (server, runtime) = (server(), two_workers());
    let locks = connect(&server);
    let tasks = (1..=40).map(|seed| {
        let (locks, mut random) = (locks.clone(), Random(seed * 0x9E37_79B9));
        runtime.spawn(async move {
            let mut finished = 0;
            for _ in 0..200 {
                let (key, pauses, polls) = (key(&mut random), random.below(4), random.below(10));
                finished += u32::from(drop_after(polls, work(&locks, key, pauses)).await);
            }
            finished
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let finished: u32 = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).sum();
    println!("{finished} of 8000 came to their end");
    assert!((100..7900).contains(&finished), "{finished}");
    assert_no_traces(&server);
}

#[test]
fn two_thousand_tasks_aborted_at_any_time_leave_nothing() {
    let _machine = alone();
    let (server, runtime) = (server(), two_workers());
    let locks = connect(&server);
    let mut random = Random(7);
    let mut tasks = Vec::new();
    for batch_number in 0..500 {
        let batch: Vec<_> = (0..4)
            .map(|_| {
                let (locks, key, pauses) = (locks.clone(), key(&mut random), random.below(4));
                runtime.spawn(async move { work(&locks, key, pauses).await })
            })
            .collect();
        // Sometimes long enough to complete.
        let pause = if batch_number % 10 == 0 { 5000 } else { 300 };
        thread::sleep(Duration::from_micros(u64::from(random.below(pause))));
        batch.iter().for_each(tokio::task::JoinHandle::abort);
        tasks.extend(batch);
    }
    let ends: Vec<_> = tasks.into_iter().map(|task| runtime.block_on(task).is_ok()).collect();
    println!("{} of 2000 came to their end", ends.iter().filter(|&&end| end).count());
    assert_no_traces(&server);
}

fn assert_no_traces(server: &testkit::RedisServer) {
    let start = Instant::now();
    let clean = || traces(server).is_empty();
    eventually(SECOND, &format!("nothing is left: {:?}", traces(server)), clean);
    println!("clean after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_waiter_that_times_out_unblocks_the_next_one() {
    let server = server();
    let locks = connect(&server);
    let held = locks.mutex("cancel").acquire().await.unwrap();
    let hasty = locks.mutex("cancel");
    let hasty = tokio::time::timeout(Duration::from_millis(100), hasty.acquire());
    let patient = locks.mutex("cancel").wait(Duration::from_secs(9));
    let patient = patient.acquire();
    let release = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        held.release_blocking().unwrap();
    };
    let (hasty, patient, ()) = futures::join!(hasty, patient, release);
    assert!(hasty.is_err() && patient.is_ok());
}

/// Each drop took longer the more waited, all of them under one mutex: 2.5 s for these.
#[test]
fn a_hundred_thousand_waiting_futures_can_be_dropped_in_any_order() {
    const FUTURES: usize = 100_000;
    let locks = LockManager::connect("memory://").unwrap();
    let held = locks.mutex("crowded").acquire_blocking().unwrap();
    let request = locks.mutex("crowded");
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut waiting: Vec<_> = (0..FUTURES).map(|_| Some(Box::pin(request.acquire()))).collect();
    for future in waiting.iter_mut().flatten() {
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    let start = Instant::now();
    for number in 0..FUTURES {
        // A step without a common divisor visits each of them once.
        waiting[number * 61_803 % FUTURES] = None;
    }
    let took = start.elapsed();
    println!("{FUTURES} waiting futures dropped in {took:?}");
    assert!(waiting.iter().all(Option::is_none));
    assert!(took < Duration::from_millis(1500), "{took:?}");
    held.release_blocking().unwrap();
    locks
        .mutex("crowded")
        .wait(SECOND * 10)
        .acquire_blocking()
        .unwrap()
        .release_blocking()
        .unwrap();
}
