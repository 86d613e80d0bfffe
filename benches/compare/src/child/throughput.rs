//! Workers that acquire and release in a loop.

use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::{READY, expected_command, runtime, say};
use crate::candidate::{Candidate, Library, Workers};
use crate::clock;
use crate::history::Window;
use crate::lock::{TaskLock, ThreadLock};
use crate::log::{Log, Section};

/// The pause after a failed request, so that failures do not dominate the measurement.
const AFTER_ERROR: Duration = Duration::from_millis(1);

#[derive(Args, Clone, Debug)]
pub struct Throughput {
    #[command(flatten)]
    pub candidate: Candidate,
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub key: String,
    /// Each worker has its own key
    #[arg(long)]
    pub own_keys: bool,
    #[arg(long)]
    pub workers: usize,
    /// The number of this process
    #[arg(long)]
    pub process: usize,
    #[arg(long)]
    pub millis: u64,
}

impl Throughput {
    pub fn arguments(&self) -> Vec<String> {
        let mut words = vec!["throughput".to_owned()];
        words.extend(self.candidate.arguments());
        for (flag, value) in [
            ("--url", self.url.clone()),
            ("--key", self.key.clone()),
            ("--workers", self.workers.to_string()),
            ("--process", self.process.to_string()),
            ("--millis", self.millis.to_string()),
        ] {
            words.extend([flag.to_owned(), value]);
        }
        if self.own_keys {
            words.push("--own-keys".to_owned());
        }
        words
    }

    pub fn run(&self) -> anyhow::Result<()> {
        let (logs, cpu) = match self.candidate.by {
            Workers::Threads => self.threads()?,
            by => runtime(by)?.block_on(self.tasks())?,
        };
        say(&cpu.to_string())?;
        logs.iter().try_for_each(|log| say(&log.to_string()))
    }

    /// Connections are open and caches warm; the parent sends the start time.
    fn window(&self) -> anyhow::Result<Window> {
        say(READY)?;
        let start = expected_command()?.parse()?;
        Ok(Window { start, end: start + clock::span(Duration::from_millis(self.millis)) })
    }

    fn key_of(&self, worker: usize) -> String {
        if self.own_keys || self.candidate.library == Library::Raw {
            own_key(&self.key, self.process, worker)
        } else {
            self.key.clone()
        }
    }

    fn warm_up_key(&self, worker: usize) -> String {
        format!("{}:warm:{}:{worker}", self.key, self.process)
    }

    /// The logs, and the CPU time.
    fn threads(&self) -> anyhow::Result<(Vec<Log>, u64)> {
        let first = ThreadLock::open(self.candidate, &self.url, self.workers)?;
        let mut locks = Vec::new();
        for worker in 0..self.workers {
            let mut lock = first.another()?;
            lock.warm_up(&self.warm_up_key(worker))?;
            locks.push(lock);
        }
        let window = self.window()?;
        let before = clock::cpu();
        let logs: anyhow::Result<_> = thread::scope(|scope| {
            let work = |(worker, mut lock): (usize, ThreadLock)| {
                let key = self.key_of(worker);
                scope.spawn(move || thread_loop(&mut lock, &key, window))
            };
            let workers: Vec<_> = locks.into_iter().enumerate().map(work).collect();
            let logs = workers.into_iter().map(thread::ScopedJoinHandle::join);
            logs.map(|log| log.map_err(|_| anyhow!("a worker panicked"))).collect()
        });
        logs.map(|logs| (logs, clock::cpu() - before))
    }

    async fn tasks(&self) -> anyhow::Result<(Vec<Log>, u64)> {
        let first = TaskLock::open(self.candidate, &self.url).await?;
        for worker in 0..self.workers.min(4) {
            first.clone().warm_up(&self.warm_up_key(worker)).await?;
        }
        let window = self.window()?;
        let before = clock::cpu();
        let work = |worker| {
            tokio::spawn(task_loop(first.clone(), self.key_of(worker), self.own_keys, window))
        };
        let workers: Vec<_> = (0..self.workers).map(work).collect();
        let mut logs = Vec::new();
        for worker in workers {
            logs.push(worker.await?);
        }
        Ok((logs, clock::cpu() - before))
    }
}

/// The key of a worker that has its own.
pub fn own_key(key: &str, process: usize, worker: usize) -> String {
    format!("{key}:{process}:{worker}")
}

/// A thread cannot be cancelled at the end. Its last request is served while the others stop, and
/// does not count.
fn thread_loop(lock: &mut ThreadLock, key: &str, window: Window) -> Log {
    let mut log = Log::default();
    clock::sleep_until(window.start);
    loop {
        let asked = clock::now();
        if asked >= window.end {
            return log;
        }
        if let Ok(section) = thread_section(lock, key, asked) {
            log.sections.push(section);
        } else {
            log.errors += 1;
            thread::sleep(AFTER_ERROR);
        }
    }
}

fn thread_section(lock: &mut ThreadLock, key: &str, asked: u64) -> anyhow::Result<Section> {
    let held = lock.acquire(key)?;
    let (entered, fence) = (clock::now(), held.fence());
    lock.release(held)?;
    Ok(Section { asked, entered, left: clock::now(), fence })
}

/// A request for a key of its own waits for nobody, so it needs no timeout at the end.
async fn task_loop(mut lock: TaskLock, key: String, own_key: bool, window: Window) -> Log {
    let mut log = Log::default();
    tokio::time::sleep(clock::until(window.start)).await;
    let end = tokio::time::Instant::now() + clock::until(window.end);
    loop {
        let asked = clock::now();
        if asked >= window.end {
            return log;
        }
        let acquire = lock.acquire(&key);
        let result = if own_key {
            acquire.await
        } else if let Ok(result) = tokio::time::timeout_at(end, acquire).await {
            result
        } else {
            log.unserved = Some(asked);
            return log;
        };
        let entered = clock::now();
        let released = match result {
            Ok(held) => {
                let fence = held.fence();
                lock.release(held).await.map(|()| fence)
            }
            Err(error) => Err(error),
        };
        if let Ok(fence) = released {
            log.sections.push(Section { asked, entered, left: clock::now(), fence });
        } else {
            log.errors += 1;
            tokio::time::sleep(AFTER_ERROR).await;
        }
    }
}
