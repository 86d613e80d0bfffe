//! A process that takes locks.

mod agent;
mod ask;
mod deeds;
mod leftovers;
mod section;
mod told;
mod watch;

use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use checker::{EventKind, Nanos, Request};
use distlock::{LockError, LockManager};
use tokio::runtime::Runtime;

use crate::clock;
use crate::counters::Counters;
use crate::journal::Journal;
use crate::orders::Orders;
use crate::register::RegisterClient;

pub use agent::Agent;
pub use ask::{Ask, refusal};
pub use deeds::Deeds;
pub use section::Section;

/// What all threads and tasks of a worker share.
#[derive(Debug)]
pub struct Worker {
    orders: Orders,
    locks: LockManager,
    journal: Journal,
    register: RegisterClient,
    counters: Counters,
    requests: AtomicU64,
    /// When it has to end.
    stop: Nanos,
}

/// A request's name begins with its process.
pub(crate) const PROCESS_BITS: u32 = 40;

impl Worker {
    fn name_a_request(&self) -> Request {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        u64::from(self.orders.process) << PROCESS_BITS | number
    }

    /// Says that something is not as it must be.
    pub fn complain(&self, kind: &str) {
        let kind = kind.to_owned();
        self.journal.write(0, EventKind::Leak { resource: kind, count: 1 });
    }

    pub(crate) fn orders(&self) -> &Orders {
        &self.orders
    }

    pub(crate) fn locks(&self) -> &LockManager {
        &self.locks
    }
}

/// What a process does that was started as a worker: reads its orders from the standard input, carries them out, and looks
/// what the library leaves behind in it.
///
/// # Errors
/// Those of files and of the standard input.
///
/// # Panics
/// If the library refuses the settings.
pub fn work() -> io::Result<()> {
    // Also a worker that stands still is to end with the run.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut lines = io::stdin().lock().lines();
    let mut line = || lines.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    let orders: Orders = serde_json::from_str(&line()?)?;
    let journal = Journal::create(&orders.journal, orders.process)?;
    let register = RegisterClient::new(orders.register.clone(), orders.process);
    let counters = Counters::open(&orders.counters)?;
    let before = leftovers::Before::now()?;
    let locks = orders.settings.manager(&orders.url).expect("the settings make sense");
    connect(&locks).map_err(io::Error::from)?;
    say("ready")?;
    let stop = line()?.parse().map_err(io::Error::other)?;
    let requests = AtomicU64::new(1);
    let worker = Worker { orders, locks, journal, register, counters, requests, stop };
    let worker = Arc::new(worker);
    labour(&worker)?;
    let worker = Arc::into_inner(worker).expect("all its agents have ended");
    before.compare(worker)
}

/// Waits until the server answers.
fn connect(locks: &LockManager) -> Result<(), LockError> {
    locks.inspect_blocking("nothing").map(drop)
}

fn say(word: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}

/// Half of the agents are threads, half are tasks.
fn labour(worker: &Arc<Worker>) -> io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let agents = worker.orders.agents;
    thread::scope(|scope| {
        for task in (0..agents).filter(|task| task % 2 == 0) {
            let runtime = runtime.handle();
            scope.spawn(move || {
                // Async calls inside of sync ones sleep too.
                let _inside = runtime.enter();
                Agent::new(worker, task).labour();
            });
        }
        labour_of_tasks(worker, &runtime);
    });
    Ok(())
}

fn labour_of_tasks(worker: &Arc<Worker>, runtime: &Runtime) {
    let odd = (0..worker.orders.agents).filter(|task| task % 2 == 1);
    let tasks: Vec<_> = odd
        .map(|task| {
            let agent = Agent::new(worker, task);
            runtime.spawn(agent.labour_async())
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).expect("an agent does not panic");
    }
    assert!(clock::now() >= worker.stop, "they go on until the end");
}
