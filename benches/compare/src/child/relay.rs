//! One worker that holds a lock and lets it go as it is told, and says when.
//!
//! `hold` is answered with the readings before the request and inside, `free` with those before the
//! release and after it.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{READY, order, runtime, say};
use crate::clock;
use crate::contender::{Contender, Workers};
use crate::lock::{TaskLock, ThreadLock};

pub const HOLD: &str = "hold";
pub const FREE: &str = "free";
/// Before a release is answered: the answer would wake the parent while the lock is on its way to
/// the next one.
const QUIET: Duration = Duration::from_millis(2);

#[derive(Args, Clone, Debug)]
pub struct Relay {
    #[command(flatten)]
    pub contender: Contender,
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub key: String,
}

impl Relay {
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["relay".to_owned()];
        words.extend(self.contender.arguments());
        for (flag, value) in [("--url", &self.url), ("--key", &self.key)] {
            words.extend([flag.to_owned(), value.clone()]);
        }
        words
    }

    pub fn run(&self) -> anyhow::Result<()> {
        match self.contender.by {
            Workers::Threads => self.thread(),
            // On a worker of the runtime, as a request handler would be.
            Workers::Tasks => runtime()?.block_on(async {
                let relay = self.clone();
                tokio::spawn(async move { relay.task().await }).await?
            }),
        }
    }

    fn warm_up_key(&self) -> String {
        format!("{}:warm:{}", self.key, std::process::id())
    }

    fn thread(&self) -> anyhow::Result<()> {
        let mut lock = ThreadLock::open(self.contender, &self.url, 1)?;
        lock.warm_up(&self.warm_up_key())?;
        say(READY)?;
        let mut held = None;
        while let Some(order) = order()? {
            let before = clock::now();
            match order.as_str() {
                HOLD => held = Some(lock.acquire(&self.key)?),
                FREE => lock.release(held.take().context("nothing is held")?)?,
                other => bail!("an unknown order: {other}"),
            }
            answer(&order, before)?;
        }
        Ok(())
    }

    async fn task(&self) -> anyhow::Result<()> {
        let mut lock = TaskLock::open(self.contender, &self.url).await?;
        lock.warm_up(&self.warm_up_key()).await?;
        say(READY)?;
        let mut held = None;
        // Reading the orders blocks one of the two workers; nothing else of this process wants it
        // then.
        while let Some(order) = order()? {
            let before = clock::now();
            match order.as_str() {
                HOLD => held = Some(lock.acquire(&self.key).await?),
                FREE => lock.release(held.take().context("nothing is held")?).await?,
                other => bail!("an unknown order: {other}"),
            }
            answer(&order, before)?;
        }
        Ok(())
    }
}

fn answer(order: &str, before: u64) -> anyhow::Result<()> {
    let after = clock::now();
    if order == FREE {
        thread::sleep(QUIET);
    }
    say(&format!("{before} {after}"))
}
