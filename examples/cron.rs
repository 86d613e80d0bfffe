//! A job of three processes that runs once per tick: `cargo run --example cron`
//!
//! Each process has a clock of its own, and asks at each of its ticks. The job takes no time, so
//! the first process has released the lock when the others ask: `min_hold` keeps the key taken.

#[path = "support/mod.rs"]
mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, thread};

use anyhow::{Context as _, ensure};
use distlock::{LockError, distributed_lock};

const TICKS: u32 = 4;
const PERIOD: Duration = Duration::from_secs(2);
/// By how much the clock of each process is behind.
const SKEWS: [&str; 3] = ["0", "150", "300"];
/// Tells a process when the first tick is, in ms since 1970, and its skew.
const BEGIN_VARIABLE: &str = "CRON_EXAMPLE_BEGIN";
const SKEW_VARIABLE: &str = "CRON_EXAMPLE_SKEW";

// Longer than the clocks differ, and so much shorter than the period.
#[distributed_lock("cron:report", if_busy = skip, min_hold = "1s")]
fn report(tick: u32) -> Result<(), LockError> {
    println!("{tick}");
    Ok(())
}

fn main() -> anyhow::Result<()> {
    if let Ok(begin) = env::var(BEGIN_VARIABLE) {
        return schedule(begin.parse()?, env::var(SKEW_VARIABLE)?.parse()?);
    }
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("this example needs a Redis server: install redis-server or set DISTLOCK_URL");
        return Ok(());
    }
    let begin = now()? + Duration::from_secs(1);
    let start = |skew: &str| -> anyhow::Result<Child> {
        let mut command = Command::new(env::current_exe()?);
        command.env(support::URL_VARIABLE, server.url());
        command.env(BEGIN_VARIABLE, begin.as_millis().to_string()).env(SKEW_VARIABLE, skew);
        Ok(command.stdout(Stdio::piped()).spawn()?)
    };
    let processes: Vec<Child> = SKEWS.into_iter().map(start).collect::<anyhow::Result<_>>()?;
    let mut runs = Vec::new();
    for (process, skew) in processes.into_iter().zip(SKEWS) {
        let output = process.wait_with_output()?;
        ensure!(output.status.success(), "a process ended with {}", output.status);
        let ticks: Vec<u32> =
            String::from_utf8(output.stdout)?.lines().map(str::parse).collect::<Result<_, _>>()?;
        println!("the process that is {skew} ms behind ran at the ticks {ticks:?}");
        runs.extend(ticks);
    }
    runs.sort_unstable();
    ensure!(runs.into_iter().eq(0..TICKS), "a tick had no run, or more than one");
    println!("{TICKS} ticks, {TICKS} runs");
    Ok(())
}

/// Runs the job at each tick of this process.
fn schedule(begin: u64, skew: u64) -> anyhow::Result<()> {
    // Connects before the first tick.
    distlock::global()?.inspect_blocking("cron:report")?;
    for tick in 0..TICKS {
        let at = Duration::from_millis(begin + skew) + PERIOD * tick;
        thread::sleep(at.saturating_sub(now()?));
        // The next tick may find the server again.
        if let Err(error) = report(tick) {
            eprintln!("no report at tick {tick}: {error}");
        }
    }
    Ok(())
}

fn now() -> anyhow::Result<Duration> {
    SystemTime::UNIX_EPOCH.elapsed().context("the clock is before 1970")
}
