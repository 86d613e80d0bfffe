//! What a nested call of the same key costs beside the same function without the attribute, and how
//! many commands it sends (counted by the server).
//!
//! `cargo bench --bench reentry`

use std::hint::black_box;
use std::time::Instant;

use clap::Parser;
use distlock::{LockError, LockManager, distributed_lock};
use testkit::RedisServer;

#[derive(Parser)]
struct Options {
    /// How often each side is measured, in turns.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Calls in one measurement.
    #[arg(long, default_value_t = 200_000)]
    calls: u32,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
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
fn outer(options: &Options) -> Result<(), LockError> {
    compare("sync, constant key", options, || plain(1).map(drop), || nested(1).map(drop));
    Ok(())
}

#[distributed_lock("reentry:{room}")]
fn outer_in(room: u64, options: &Options) -> Result<(), LockError> {
    compare("sync, rendered key", options, || plain(1).map(drop), || nested_in(room, 1).map(drop));
    Ok(())
}

#[distributed_lock("reentry")]
async fn outer_task(options: &Options) -> Result<(), LockError> {
    let mut extra = Vec::new();
    for _ in 0..options.rounds {
        let start = Instant::now();
        for _ in 0..options.calls {
            black_box(plain_task(1).await)?;
        }
        let plain = start.elapsed();
        let start = Instant::now();
        for _ in 0..options.calls {
            black_box(nested_task(1).await)?;
        }
        extra.push(
            (start.elapsed().as_secs_f64() - plain.as_secs_f64()) * 1e9 / f64::from(options.calls),
        );
    }
    print("async, constant key", extra);
    Ok(())
}

fn main() -> Result<(), LockError> {
    let options = Options::parse();
    let server = RedisServer::start().expect("a private redis-server");
    distlock::init(LockManager::connect(&server.url())?)?;
    let before = server.commands_processed();
    outer(&options)?;
    outer_in(7, &options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(outer_task(&options))?;
    let calls = u64::from(options.calls) * options.rounds as u64 * 3;
    let sent = server.commands_processed() - before;
    println!("{sent} commands at the server for 3 holds around {calls} nested calls");
    Ok(())
}

fn compare(
    name: &str,
    options: &Options,
    plain: impl Fn() -> Result<(), LockError>,
    nested: impl Fn() -> Result<(), LockError>,
) {
    let measure = |call: &dyn Fn() -> Result<(), LockError>| {
        let start = Instant::now();
        (0..options.calls).for_each(|_| call().expect("a nested call enters"));
        start.elapsed().as_secs_f64()
    };
    let extra = |_| (measure(&nested) - measure(&plain)) * 1e9 / f64::from(options.calls);
    print(name, (0..options.rounds).map(extra).collect());
}

fn print(name: &str, mut nanos: Vec<f64>) {
    nanos.sort_by(f64::total_cmp);
    println!(
        "{name:20} a nested call costs {:>6.1} ns more than the plain one (from {:.1} to {:.1} \
         over {} rounds)",
        nanos[nanos.len() / 2],
        nanos[0],
        nanos[nanos.len() - 1],
        nanos.len()
    );
}
