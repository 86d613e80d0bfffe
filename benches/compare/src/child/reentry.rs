//! Re-entry by the thread or task that holds the lock, beside the same functions without a lock.

use std::hint::black_box;
use std::time::Instant;

use clap::Args;
use distlock::{LockError, LockManager, distributed_lock};

use super::{READY, command, runtime, say};
use crate::candidate::Workers;

#[derive(Args, Clone, Debug)]
pub struct Reentry {
    #[arg(long)]
    pub url: String,
}

#[inline(never)]
#[expect(clippy::unnecessary_wraps, reason = "the twin of a function that can fail")]
fn plain(number: u64) -> Result<u64, LockError> {
    Ok(black_box(number) + 1)
}

#[inline(never)]
#[distributed_lock("reentry")]
fn nested(number: u64) -> Result<u64, LockError> {
    Ok(black_box(number) + 1)
}

#[inline(never)]
#[distributed_lock("reentry:{room}")]
fn nested_in(room: u64, number: u64) -> Result<u64, LockError> {
    Ok(black_box(number) + room)
}

#[expect(clippy::unused_async, reason = "the twin of a function that awaits its lock")]
async fn plain_task(number: u64) -> Result<u64, LockError> {
    Ok(black_box(number) + 1)
}

#[distributed_lock("reentry")]
async fn nested_task(number: u64) -> Result<u64, LockError> {
    Ok(black_box(number) + 1)
}

#[distributed_lock("reentry")]
fn outer(calls: u32) -> Result<f64, LockError> {
    Ok(extra(calls, || plain(1).map(drop), || nested(1).map(drop)))
}

#[distributed_lock("reentry:{room}")]
fn outer_in(room: u64, calls: u32) -> Result<f64, LockError> {
    Ok(extra(calls, || plain(1).map(drop), || nested_in(room, 1).map(drop)))
}

#[distributed_lock("reentry")]
async fn outer_task(calls: u32) -> Result<f64, LockError> {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(plain_task(1).await)?;
    }
    let plain = start.elapsed().as_secs_f64();
    let start = Instant::now();
    for _ in 0..calls {
        black_box(nested_task(1).await)?;
    }
    Ok((start.elapsed().as_secs_f64() - plain) * 1e9 / f64::from(calls))
}

/// Nanoseconds that a nested call takes more than a plain one.
fn extra(
    calls: u32,
    plain: impl Fn() -> Result<(), LockError>,
    nested: impl Fn() -> Result<(), LockError>,
) -> f64 {
    let measure = |call: &dyn Fn() -> Result<(), LockError>| {
        let start = Instant::now();
        (0..calls).for_each(|_| call().expect("a nested call enters"));
        start.elapsed().as_secs_f64()
    };
    let plain = measure(&plain);
    (measure(&nested) - plain) * 1e9 / f64::from(calls)
}

impl Reentry {
    pub fn arguments(&self) -> Vec<String> {
        ["reentry", "--url", &self.url].map(str::to_owned).to_vec()
    }

    /// A command is a number of calls. The reply is the nanoseconds that a nested call takes more
    /// than a plain one: by a thread with a constant key, by a thread with a key that is rendered,
    /// and by a task with a constant key.
    pub fn run(&self) -> anyhow::Result<()> {
        distlock::init(LockManager::connect(&self.url)?)?;
        // The connection is made by the first request.
        outer(0)?;
        say(READY)?;
        let runtime = runtime(Workers::Tasks)?;
        while let Some(line) = command()? {
            let calls = line.parse()?;
            let (constant, rendered) = (outer(calls)?, outer_in(7, calls)?);
            let task = runtime.block_on(async { tokio::spawn(outer_task(calls)).await })??;
            say(&format!("{constant} {rendered} {task}"))?;
        }
        Ok(())
    }
}
