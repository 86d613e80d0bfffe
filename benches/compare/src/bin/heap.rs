//! Bytes of heap for each hold, and for each call that waits: prints both, for a server at the URL
//! in the first argument.

#![forbid(unsafe_code)]

use std::env;
use std::future::{self, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use anyhow::{Context as _, ensure};
use distlock::{LockError, LockManager, distributed_lock};
use peak_alloc::PeakAlloc;
use tokio::sync::oneshot;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const COUNT: u32 = 10_000;
/// Before the others, so that buffers and tables that exist once are not counted.
const FIRST: u32 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let url = env::args().nth(1).context("the URL of a server is missing")?;
    let manager = LockManager::connect(&url)?;
    distlock::init(manager.clone())?;
    let waiters = waiters().await?;
    println!("{} {waiters}", holds(&manager).await?);
    Ok(())
}

/// With the guards.
async fn holds(manager: &LockManager) -> anyhow::Result<f64> {
    let mut guards = Vec::with_capacity(FIRST as usize);
    let mut before = HEAP.current_usage();
    for number in 0..FIRST + COUNT {
        if number == FIRST {
            before = HEAP.current_usage();
            guards.reserve_exact(COUNT as usize);
        }
        guards.push(manager.mutex(format!("held:{number}")).acquire().await?);
    }
    Ok(each(before))
}

#[distributed_lock("waited for")]
async fn hold(held: oneshot::Sender<()>) -> Result<(), LockError> {
    // The receiver is there until it has received.
    let _ = held.send(());
    future::pending().await
}

#[distributed_lock("waited for")]
async fn wait() -> Result<(), LockError> {
    Ok(())
}

/// Without the futures themselves.
async fn waiters() -> anyhow::Result<f64> {
    let (held, is_held) = oneshot::channel();
    let holder = tokio::spawn(hold(held));
    is_held.await?;
    let mut calls: Vec<_> = (0..FIRST + COUNT).map(|_| Box::pin(wait())).collect();
    let (first, others) = calls.split_at_mut(FIRST as usize);
    begin(first).await?;
    let before = HEAP.current_usage();
    begin(others).await?;
    let bytes = each(before);
    drop(calls);
    holder.abort();
    Ok(bytes)
}

/// Polls each call once: then it waits.
async fn begin<F: Future>(calls: &mut [Pin<Box<F>>]) -> anyhow::Result<()> {
    for call in calls {
        let waits = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await;
        ensure!(waits, "the lock is free");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn each(before: usize) -> f64 {
    (HEAP.current_usage() - before) as f64 / f64::from(COUNT)
}
