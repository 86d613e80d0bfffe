//! Three tasks acquire one lock and re-enter it: `cargo run --example reentrant_tasks`
//!
//! They start together and take 1 + 2 + 3 seconds, because they exclude each other.

#[path = "support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, distributed_lock};
use tokio::time::sleep;

static SUM: AtomicU64 = AtomicU64::new(0);

#[distributed_lock("sum", hold = hold)]
async fn add_and_sleep(task: u64) -> Result<(), LockError> {
    println!("task {task} holds the lock, fence {}", hold.fence());
    let sum = add(15, task).await?;
    println!("task {task} set the sum to {sum} and sleeps {task} s");
    sleep(Duration::from_secs(task)).await;
    Ok(())
}

/// Re-enters the lock when a holder calls it, and acquires it otherwise.
#[distributed_lock("sum", hold = hold)]
async fn add(amount: u64, task: u64) -> Result<u64, LockError> {
    println!("task {task} re-enters,       fence {}", hold.fence());
    let sum = SUM.load(Relaxed);
    // Without the lock another task would read the same sum here.
    sleep(Duration::from_millis(1)).await;
    SUM.store(sum + amount, Relaxed);
    Ok(sum + amount)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = support::Server::find()?;
    println!("server: {server}");
    distlock::init(LockManager::connect(server.url())?)?;

    let start = Instant::now();
    let tasks = [1, 2, 3].map(|task| tokio::spawn(add_and_sleep(task)));
    for task in tasks {
        task.await??;
    }
    println!("sum {} after {:.1?}", SUM.load(Relaxed), start.elapsed());
    Ok(())
}
