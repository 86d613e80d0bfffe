//! What this program does when it has started itself again: one process of a measurement.
//!
//! A child prints one line when it is ready, then obeys lines on its standard input, and ends with
//! it. All its answers are lines too; `redis_py.py` speaks the same language.

mod crowd;
mod nest;
pub mod relay;
mod shift;

use std::io::{self, BufRead as _, Write as _};

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime::Runtime;

pub use crowd::Crowd;
pub use nest::Nest;
pub use relay::Relay;
pub use shift::Shift;

/// What a child says when it can begin.
pub const READY: &str = "ready";

#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// Workers acquire and release until the time is over.
    #[command(hide = true)]
    Shift(Shift),
    /// One worker holds and lets go as it is told.
    #[command(hide = true)]
    Relay(Relay),
    /// Many locks are held at once.
    #[command(hide = true)]
    Crowd(Crowd),
    /// A held lock is entered again.
    #[command(hide = true)]
    Nest(Nest),
}

impl Role {
    pub fn play(&self) -> anyhow::Result<()> {
        match self {
            Self::Shift(shift) => shift.run(),
            Self::Relay(relay) => relay.run(),
            Self::Crowd(crowd) => crowd.run(),
            Self::Nest(nest) => nest.run(),
        }
    }
}

/// The same runtime for every contender.
fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).enable_all().build()?)
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("the parent process is gone")
}

/// The next order, or `None` when the parent wants no more.
fn order() -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let line = line.trim();
    Ok(if line.is_empty() { None } else { Some(line.to_owned()) })
}

/// The next order, which must come.
fn expected_order() -> anyhow::Result<String> {
    order()?.context("the parent process gave no order")
}
