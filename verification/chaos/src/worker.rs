//! A process that takes locks.

mod agent;
mod leaks;
mod lease_monitor;
mod observations;
mod ops;
mod request;
mod section;
mod stalls;

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
use crate::register::RegisterClient;
use crate::worker_config::WorkerConfig;

pub use agent::Agent;
pub use ops::Ops;
pub use request::{RecordedRequest, refusal};
pub use section::Section;

/// The state that all threads and tasks of a worker share.
#[derive(Debug)]
pub struct Worker {
    config: WorkerConfig,
    locks: LockManager,
    journal: Arc<Journal>,
    register: RegisterClient,
    counters: Counters,
    requests: AtomicU64,
    stop: Arc<AtomicU64>,
}

/// The number of the process is above these bits in the number of a request.
pub(crate) const PROCESS_BITS: u32 = 40;

impl Worker {
    fn next_request(&self) -> Request {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        u64::from(self.config.process) << PROCESS_BITS | number
    }

    /// Records a defect as a leak, which the checker reports.
    pub fn report_leak(&self, kind: &str) {
        let kind = kind.to_owned();
        self.journal.write(0, EventKind::Leak { resource: kind, count: 1 });
    }

    /// When it has to stop, as far as it knows now.
    pub(crate) fn stop(&self) -> Nanos {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn config(&self) -> &WorkerConfig {
        &self.config
    }

    pub(crate) fn locks(&self) -> &LockManager {
        &self.locks
    }
}

/// Runs a worker process: reads its configuration from standard input, takes locks until the run
/// ends, and checks that the library leaves nothing behind in the process.
///
/// # Panics
/// If the library rejects the settings.
pub fn work() -> io::Result<()> {
    // A paused worker has to end with the run, too.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut lines = io::stdin().lock().lines();
    let mut line = || lines.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    let config: WorkerConfig = serde_json::from_str(&line()?)?;
    let journal = Arc::new(Journal::create(&config.journal, config.process)?);
    let register = RegisterClient::new(config.register.clone(), config.process);
    let counters = Counters::open(&config.counters)?;
    let before = leaks::Baseline::now()?;
    // It opens files, which are not of the baseline.
    stalls::watch(Arc::clone(&journal));
    let locks = config.settings.manager(&config.url).expect("the settings are valid");
    connect(&locks).map_err(io::Error::from)?;
    say("ready")?;
    let stop: Nanos = line()?.parse().map_err(io::Error::other)?;
    drop(lines);
    let stop = Arc::new(AtomicU64::new(stop));
    let changed = Arc::clone(&stop);
    thread::spawn(move || {
        // The instants are this program's own.
        for line in io::stdin().lines().map_while(Result::ok) {
            changed.store(line.parse().expect("an instant"), Ordering::Relaxed);
        }
    });
    let requests = AtomicU64::new(1);
    let worker = Worker { config, locks, journal, register, counters, requests, stop };
    let worker = Arc::new(worker);
    run(&worker)?;
    let worker = Arc::into_inner(worker).expect("all agents have ended");
    before.compare(worker)
}

/// Connects in a thread of its own: each thread that has waited for a socket keeps a descriptor
/// until it ends, and this thread outlives the comparison of the resources.
fn connect(locks: &LockManager) -> Result<(), LockError> {
    let inspect = || locks.inspect_blocking("nothing").map(drop);
    // Only joining the thread waits for its thread-locals to be dropped.
    thread::scope(|scope| scope.spawn(inspect).join().expect("an inspection does not panic"))
}

fn say(word: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}

/// Runs half of the agents as threads and half as tasks.
fn run(worker: &Arc<Worker>) -> io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let agents = worker.config.agents;
    thread::scope(|scope| {
        for task in (0..agents).filter(|task| task % 2 == 0) {
            let runtime = runtime.handle();
            scope.spawn(move || {
                // Async calls inside blocking ones use timers, too.
                let _inside = runtime.enter();
                Agent::new(worker, task).run();
            });
        }
        run_tasks(worker, &runtime);
    });
    Ok(())
}

fn run_tasks(worker: &Arc<Worker>, runtime: &Runtime) {
    let odd = (0..worker.config.agents).filter(|task| task % 2 == 1);
    let tasks: Vec<_> = odd
        .map(|task| {
            let agent = Agent::new(worker, task);
            runtime.spawn(agent.run_async())
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).expect("an agent does not panic");
    }
    assert!(clock::now() >= worker.stop(), "agents run until the end");
}
