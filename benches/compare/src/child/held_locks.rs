//! Many locks held at once: the cost of keeping them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use distlock::LockManager;
use rlock::AcquireOptions;
use tokio::sync::{Semaphore, mpsc};

use super::{READY, command, runtime, say};
use crate::candidate::Candidate;
use crate::lock::{HeldByTask, TaskLock};
use crate::{clock, kernel};

/// How many requests run at a time while the locks are acquired.
const AT_ONCE: usize = 64;
/// A first hold, so that memory of connections and the runtime is not counted.
const FIRST: usize = 100;

#[derive(Args, Clone, Debug)]
pub struct HeldLocks {
    #[command(flatten)]
    pub candidate: Candidate,
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub holds: usize,
    #[arg(long)]
    pub ttl_millis: u64,
}

impl HeldLocks {
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["held-locks".to_owned()];
        words.extend(self.candidate.arguments());
        words.extend(["--url".to_owned(), self.url.clone()]);
        words.extend(["--holds".to_owned(), self.holds.to_string()]);
        words.extend(["--ttl-millis".to_owned(), self.ttl_millis.to_string()]);
        words
    }

    /// Says how many bytes a hold takes; each order is a number of milliseconds, answered with the
    /// CPU time that the process took within them.
    pub fn run(&self) -> anyhow::Result<()> {
        let runtime = runtime(self.candidate.by)?;
        let mut holders = runtime.block_on(Holders::open(self))?;
        runtime.block_on(holders.gather(0..FIRST))?;
        let before = kernel::resident()?;
        runtime.block_on(holders.gather(FIRST..FIRST + self.holds))?;
        let bytes = kernel::resident()?.saturating_sub(before) / self.holds as u64;
        say(&format!("{READY} {bytes}"))?;
        while let Some(line) = command()? {
            let (before, start) = (clock::cpu(), clock::now());
            std::thread::sleep(Duration::from_millis(line.parse()?));
            say(&format!("{} {}", clock::cpu() - before, clock::now() - start))?;
        }
        // The server ends with this measurement, so the locks are not released.
        std::process::exit(0);
    }
}

/// How a hold is kept: by a guard that the library renews, or by a task that runs inside `using`.
enum Holders {
    Guards { lock: TaskLock, held: Vec<HeldByTask> },
    Using { manager: rslock::LockManager, ttl: Duration },
}

impl Holders {
    async fn open(held: &HeldLocks) -> anyhow::Result<Self> {
        let ttl = Duration::from_millis(held.ttl_millis);
        // The same ttl for all, so that the renewals are comparable.
        let lock = match TaskLock::open(held.candidate, &held.url).await? {
            TaskLock::Rslock(manager) => return Ok(Self::Using { manager, ttl }),
            TaskLock::Raw { .. } => bail!("{} keeps nothing", held.candidate),
            TaskLock::Distlock { candidate, .. } => {
                let builder = LockManager::builder().url(&held.url).ttl(ttl);
                TaskLock::Distlock { candidate, manager: builder.build()? }
            }
            TaskLock::Rlock { manager, .. } => {
                TaskLock::Rlock { manager, options: AcquireOptions::builder().ttl(ttl).build()? }
            }
        };
        Ok(Self::Guards { lock, held: Vec::with_capacity(FIRST + held.holds) })
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
                // The receiver is dropped only after an error of another task.
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
    format!("held:{number}")
}
