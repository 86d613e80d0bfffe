//! Many locks held at once: what it takes to keep them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use distlock::LockManager;
use rlock::AcquireOptions;
use tokio::sync::{Semaphore, mpsc};

use super::{READY, order, runtime, say};
use crate::contender::Contender;
use crate::lock::{HeldByTask, TaskLock};
use crate::{clock, memory};

/// How many requests are under way at a time while the crowd gathers.
const AT_ONCE: usize = 64;
/// A first hold, so that connections and runtime are not counted as the memory of holds.
const FIRST: usize = 100;

#[derive(Args, Clone, Debug)]
pub struct Crowd {
    #[command(flatten)]
    pub contender: Contender,
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub holds: usize,
    #[arg(long)]
    pub ttl_millis: u64,
}

impl Crowd {
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["crowd".to_owned()];
        words.extend(self.contender.arguments());
        words.extend(["--url".to_owned(), self.url.clone()]);
        words.extend(["--holds".to_owned(), self.holds.to_string()]);
        words.extend(["--ttl-millis".to_owned(), self.ttl_millis.to_string()]);
        words
    }

    /// Says how many bytes a hold takes; each order is a number of milliseconds, answered with the
    /// CPU time that the process took within them.
    pub fn run(&self) -> anyhow::Result<()> {
        let runtime = runtime()?;
        let mut holders = runtime.block_on(Holders::open(self))?;
        runtime.block_on(holders.gather(0..FIRST))?;
        let before = memory::resident()?;
        runtime.block_on(holders.gather(FIRST..FIRST + self.holds))?;
        let bytes = memory::resident()?.saturating_sub(before) / self.holds as u64;
        say(&format!("{READY} {bytes}"))?;
        while let Some(order) = order()? {
            let (before, start) = (clock::cpu(), clock::now());
            std::thread::sleep(Duration::from_millis(order.parse()?));
            say(&format!("{} {}", clock::cpu() - before, clock::now() - start))?;
        }
        // The server of this measurement ends with it: nothing is released one by one.
        std::process::exit(0);
    }
}

/// The ways to keep a hold: a guard that the library renews, or a task that runs inside `using`.
enum Holders {
    Guards { lock: TaskLock, held: Vec<HeldByTask> },
    Using { manager: rslock::LockManager, ttl: Duration },
}

impl Holders {
    async fn open(crowd: &Crowd) -> anyhow::Result<Self> {
        let ttl = Duration::from_millis(crowd.ttl_millis);
        // The same ttl for all, so that the numbers of renewals compare.
        let lock = match TaskLock::open(crowd.contender, &crowd.url).await? {
            TaskLock::Rslock(manager) => return Ok(Self::Using { manager, ttl }),
            TaskLock::Raw { .. } => bail!("{} keeps nothing", crowd.contender),
            TaskLock::Distlock { contender, .. } => {
                let builder = LockManager::builder().url(&crowd.url).ttl(ttl);
                TaskLock::Distlock { contender, manager: builder.build()? }
            }
            TaskLock::Rlock { manager, .. } => {
                TaskLock::Rlock { manager, options: AcquireOptions::builder().ttl(ttl).build()? }
            }
        };
        Ok(Self::Guards { lock, held: Vec::with_capacity(FIRST + crowd.holds) })
    }

    async fn gather(&mut self, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
        match self {
            Self::Guards { lock, held } => gather_guards(lock, held, numbers).await,
            Self::Using { manager, ttl } => gather_tasks(manager, *ttl, numbers).await,
        }
    }
}

async fn gather_guards(
    lock: &TaskLock,
    held: &mut Vec<HeldByTask>,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<()> {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let (guards, mut arrived) = mpsc::channel(AT_ONCE);
    let start = async {
        for number in numbers {
            let place = Arc::clone(&gate).acquire_owned().await?;
            let (mut lock, guards) = (lock.clone(), guards.clone());
            tokio::spawn(async move {
                let guard = lock.acquire(&key(number)).await;
                drop(place);
                // The receiver is gone only after another task's error.
                let _ = guards.send(guard).await;
            });
        }
        drop(guards);
        anyhow::Ok(())
    };
    let collect = async {
        while let Some(guard) = arrived.recv().await {
            held.push(guard?);
        }
        Ok(())
    };
    tokio::try_join!(start, collect)?;
    Ok(())
}

async fn gather_tasks(
    manager: &rslock::LockManager,
    ttl: Duration,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<()> {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    for number in numbers {
        let place = Arc::clone(&gate).acquire_owned().await?;
        let manager = manager.clone();
        tokio::spawn(async move {
            let inside = async move || {
                drop(place);
                std::future::pending::<()>().await;
            };
            manager.using(key(number).as_bytes(), ttl, inside).await
        });
    }
    let all = u32::try_from(AT_ONCE).expect("a small number");
    drop(gate.acquire_many(all).await.context("the gate stays open")?);
    Ok(())
}

fn key(number: usize) -> String {
    format!("crowd:{number}")
}
