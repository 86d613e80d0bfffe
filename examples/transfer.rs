//! Transfers in both directions, each under the locks of both accounts:
//! `cargo run --example transfer`
//!
//! Each transfer acquires both keys together. Acquired one after the other, in opposite orders,
//! they would deadlock.

#[path = "support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager, distributed_lock};
use tokio::time::sleep;

static BALANCES: [AtomicI64; 2] = [const { AtomicI64::new(1_000) }; 2];

#[distributed_lock(["account:{from}", "account:{to}"], wait = "30s")]
async fn transfer(from: usize, to: usize, amount: i64) -> Result<(), LockError> {
    let [paying, receiving] = [from, to].map(|account| BALANCES[account].load(Relaxed));
    // Without the locks another transfer would read the same balances here.
    sleep(Duration::from_millis(1)).await;
    BALANCES[from].store(paying - amount, Relaxed);
    BALANCES[to].store(receiving + amount, Relaxed);
    Ok(())
}

async fn transfers(from: usize, to: usize, count: u32) -> Result<(), LockError> {
    for _ in 0..count {
        transfer(from, to, 1).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = support::Server::find()?;
    println!("server: {server}");
    distlock::init(LockManager::connect(server.url())?)?;

    let start = Instant::now();
    let tasks = [(0, 1, 150), (1, 0, 100)];
    for task in tasks.map(|(from, to, count)| tokio::spawn(transfers(from, to, count))) {
        task.await??;
    }
    let [first, second] = [0, 1].map(|account| BALANCES[account].load(Relaxed));
    println!("balances {first} and {second} after {:.1?}", start.elapsed());
    anyhow::ensure!((first, second) == (950, 1_050), "a transfer was lost");
    Ok(())
}
