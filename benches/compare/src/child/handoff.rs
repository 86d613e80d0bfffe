//! One worker that acquires and releases a lock on command, and replies with the times.
//!
//! The reply to `hold` is the clock before the request and inside the section; the reply to `free`
//! is the clock before and after the release. A key may follow `hold`, in place of its own.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{READY, command, runtime, say};
use crate::candidate::{Candidate, Workers};
use crate::clock;
use crate::lock::{TaskLock, ThreadLock};

pub const HOLD: &str = "hold";
pub const FREE: &str = "free";
/// The pause before the reply to a release, which would wake the parent during the handoff.
const QUIET: Duration = Duration::from_millis(2);

#[derive(Args, Clone, Debug)]
pub struct Handoff {
    #[command(flatten)]
    pub candidate: Candidate,
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub key: String,
}

impl Handoff {
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["handoff".to_owned()];
        words.extend(self.candidate.arguments());
        for (flag, value) in [("--url", &self.url), ("--key", &self.key)] {
            words.extend([flag.to_owned(), value.clone()]);
        }
        words
    }

    pub fn run(&self) -> anyhow::Result<()> {
        match self.candidate.by {
            Workers::Threads => self.thread(),
            // On a worker of the runtime, like a request handler.
            by => runtime(by)?.block_on(async {
                let handoff = self.clone();
                tokio::spawn(async move { handoff.task().await }).await?
            }),
        }
    }

    fn warm_up_key(&self) -> String {
        format!("{}:warm:{}", self.key, std::process::id())
    }

    /// A command and its key.
    fn parse<'a>(&'a self, line: &'a str) -> (&'a str, &'a str) {
        line.split_once(' ').unwrap_or((line, &self.key))
    }

    fn thread(&self) -> anyhow::Result<()> {
        let mut lock = ThreadLock::open(self.candidate, &self.url, 1)?;
        lock.warm_up(&self.warm_up_key())?;
        say(READY)?;
        let mut held = None;
        while let Some(line) = command()? {
            let before = clock::now();
            match self.parse(&line) {
                (HOLD, key) => held = Some(lock.acquire(key)?),
                (FREE, _) => lock.release(held.take().context("nothing is held")?)?,
                (other, _) => bail!("unknown command: {other}"),
            }
            reply(&line, before)?;
        }
        Ok(())
    }

    async fn task(&self) -> anyhow::Result<()> {
        let mut lock = TaskLock::open(self.candidate, &self.url).await?;
        lock.warm_up(&self.warm_up_key()).await?;
        say(READY)?;
        let mut held = None;
        // Reading commands blocks one of the two workers, which nothing else uses.
        while let Some(line) = command()? {
            let before = clock::now();
            match self.parse(&line) {
                (HOLD, key) => held = Some(lock.acquire(key).await?),
                (FREE, _) => lock.release(held.take().context("nothing is held")?).await?,
                (other, _) => bail!("unknown command: {other}"),
            }
            reply(&line, before)?;
        }
        Ok(())
    }
}

fn reply(command: &str, before: u64) -> anyhow::Result<()> {
    let after = clock::now();
    if command == FREE {
        thread::sleep(QUIET);
    }
    say(&format!("{before} {after}"))
}
