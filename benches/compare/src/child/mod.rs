//! The child processes of a measurement, which run this program again.
//!
//! A child prints one line when it is ready, executes commands from its standard input, one per
//! line, and ends at the end of input. Replies are lines too. `redis_py.py` uses the same protocol.

mod busy;
pub mod handoff;
mod held_locks;
mod reentry;
pub mod throughput;

use std::io::{self, BufRead as _, Write as _};

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime::Runtime;

use crate::candidate::Workers;

pub use busy::Busy;
pub use handoff::Handoff;
pub use held_locks::HeldLocks;
pub use reentry::Reentry;
pub use throughput::Throughput;

/// The line that a child prints when it is ready.
pub const READY: &str = "ready";

#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// Workers acquire and release for a time
    #[command(hide = true)]
    Throughput(Throughput),
    /// One worker acquires and releases on command
    #[command(hide = true)]
    Handoff(Handoff),
    /// Hold many locks
    #[command(hide = true)]
    HeldLocks(HeldLocks),
    /// Re-enter a held lock
    #[command(hide = true)]
    Reentry(Reentry),
    /// Use a core
    #[command(hide = true)]
    Busy(Busy),
}

impl Role {
    pub fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Throughput(throughput) => throughput.run(),
            Self::Handoff(handoff) => handoff.run(),
            Self::HeldLocks(held) => held.run(),
            Self::Reentry(reentry) => reentry.run(),
            Self::Busy(busy) => busy.run(),
        }
    }
}

/// The same runtime for all candidates.
fn runtime(workers: Workers) -> anyhow::Result<Runtime> {
    let mut builder = match workers {
        Workers::CurrentThreadTasks => tokio::runtime::Builder::new_current_thread(),
        Workers::Threads | Workers::Tasks => tokio::runtime::Builder::new_multi_thread(),
    };
    Ok(builder.worker_threads(2).enable_all().build()?)
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("the parent process has ended")
}

/// The next command; `None` at the end of input.
fn command() -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let line = line.trim();
    Ok(if line.is_empty() { None } else { Some(line.to_owned()) })
}

/// The next command, which is required.
fn expected_command() -> anyhow::Result<String> {
    command()?.context("the parent process sent no command")
}
