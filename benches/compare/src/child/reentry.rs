//! Re-entry by the thread or task that holds the lock.

use std::hint::black_box;
use std::time::{Duration, Instant};

use clap::Args;
use distlock::{LockError, LockManager, distributed_lock};

use super::{READY, expected_command, runtime, say};

/// Calls between two clock readings.
const BATCH: u32 = 1_000;

#[derive(Args, Clone, Debug)]
pub struct Reentry {
    #[arg(long)]
    pub url: String,
}

#[inline(never)]
#[distributed_lock("reentry")]
fn nested() -> Result<(), LockError> {
    black_box(());
    Ok(())
}

#[inline(never)]
#[distributed_lock("reentry")]
async fn nested_task() -> Result<(), LockError> {
    black_box(());
    Ok(())
}

#[distributed_lock("reentry")]
fn outer(time: Duration) -> Result<f64, LockError> {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        for _ in 0..BATCH {
            nested()?;
        }
        calls += BATCH;
    }
    Ok(nanos_each(start.elapsed(), calls))
}

#[distributed_lock("reentry")]
async fn outer_task(time: Duration) -> Result<f64, LockError> {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        for _ in 0..BATCH {
            nested_task().await?;
        }
        calls += BATCH;
    }
    Ok(nanos_each(start.elapsed(), calls))
}

fn nanos_each(time: Duration, calls: u32) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(calls)
}

impl Reentry {
    pub fn arguments(&self) -> Vec<String> {
        ["reentry", "--url", &self.url].map(str::to_owned).to_vec()
    }

    /// A command is a number of milliseconds. The reply is the nanoseconds of a call, by a thread
    /// and by a task.
    pub fn run(&self) -> anyhow::Result<()> {
        distlock::init(LockManager::connect(&self.url)?)?;
        // The connection is made by the first request.
        outer(Duration::ZERO)?;
        say(READY)?;
        let half = Duration::from_millis(expected_command()?.parse()?) / 2;
        let thread = outer(half)?;
        let task = runtime()?.block_on(async { tokio::spawn(outer_task(half)).await })??;
        say(&format!("{thread} {task}"))
    }
}
