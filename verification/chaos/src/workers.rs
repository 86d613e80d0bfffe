//! The worker processes of a run, and what they write to: controlled by the leading process.

mod process;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use checker::{Event, EventKind, Nanos, lines};
use distlock::LockManager;
use tempfile::TempDir;

use crate::clock;
use crate::counters::Counters;
use crate::register::Register;
use crate::settings::Settings;
use crate::worker::refusal;
use crate::worker_config::WorkerConfig;
use crate::workload::{Workload, key_name};

pub use process::WorkerProcess;

/// The process number of the leading process in histories.
pub const LEADER: u32 = 0;
/// How long a worker may take to start, and to stop after the end of the run.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub struct Workers {
    pub(crate) processes: Vec<WorkerProcess>,
    register: Register,
    counters: Counters,
    events: Vec<Event>,
    orders: Orders,
    dir: TempDir,
}

/// What all workers of a run do.
#[derive(Clone, Debug)]
pub struct Orders {
    pub seed: u64,
    pub workload: Workload,
    pub settings: Settings,
}

impl Workers {
    /// Starts a process for each URL. They connect and wait for [`begin`](Self::begin). `program`
    /// is the path of this program.
    pub fn start(orders: Orders, urls: &[String], program: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("trial-").tempdir()?;
        let mut workers = Self {
            processes: Vec::new(),
            register: Register::listen(&dir.path().join("register"))?,
            counters: Counters::create(&dir.path().join("counters"), orders.workload.keys())?,
            events: Vec::new(),
            orders,
            dir,
        };
        for (number, url) in urls.iter().enumerate() {
            let config = workers.config(number, url);
            workers.processes.push(WorkerProcess::start(program, &config)?);
        }
        workers.processes.iter_mut().try_for_each(WorkerProcess::wait_until_ready)?;
        Ok(workers)
    }

    fn config(&self, number: usize, url: &str) -> WorkerConfig {
        let Orders { seed, workload, settings } = &self.orders;
        WorkerConfig {
            process: u32::try_from(number).expect("a few") + 1,
            url: url.to_owned(),
            seed: *seed,
            workload: *workload,
            agents: workload.agents(),
            settings: settings.clone(),
            journal: self.journal(number),
            register: self.dir.path().join("register"),
            counters: self.dir.path().join("counters"),
        }
    }

    fn journal(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("journal-{number}"))
    }

    /// Starts the workers, which run until `stop`, or has those that run stop at another time.
    pub fn begin(&mut self, stop: Nanos) -> io::Result<()> {
        self.processes.iter_mut().try_for_each(|worker| worker.begin(stop))
    }

    pub(crate) fn keys(&self) -> u32 {
        self.orders.workload.keys()
    }

    pub(crate) fn note(&mut self, process: u32, kind: EventKind) {
        self.events.push(Event { at: clock::now(), process, task: 0, kind });
    }

    pub(crate) fn fault(&mut self, text: impl Into<String>) {
        self.note(LEADER, EventKind::Fault(text.into()));
    }

    pub(crate) fn report_leak(&mut self, kind: impl Into<String>, count: u64) {
        self.note(LEADER, EventKind::Leak { resource: kind.into(), count });
    }

    pub(crate) fn kill(&mut self, number: usize) {
        self.processes[number].kill();
        let process = self.processes[number].process;
        while !self.register.has_processed_all_of(process) {
            thread::sleep(POLL);
        }
        self.note(process, EventKind::Crashed);
    }

    /// Acquires every key, each of which has to be available within this time.
    pub(crate) fn acquire_all(&mut self, url: &str, within: Duration) {
        match self.orders.settings.manager(url) {
            Ok(locks) => {
                let until = clock::now() + clock::nanos(within);
                let events = (0..self.keys()).flat_map(|key| acquire(&locks, key, until));
                let mut events = events.collect();
                self.events.append(&mut events);
            }
            Err(error) => self.report_leak(format!("managers that cannot be built: {error}"), 1),
        }
    }

    /// Waits for the workers to stop, and kills those that do not.
    pub fn end(&mut self) {
        let limit = clock::now() + clock::nanos(LIMIT);
        for number in 0..self.processes.len() {
            while self.processes[number].is_running() && clock::now() < limit {
                thread::sleep(POLL);
            }
            if self.processes[number].is_running() {
                self.report_leak("workers that did not stop", 1);
                self.kill(number);
            } else if let Some(text) = self.processes[number].failure() {
                self.report_leak(format!("workers that failed: {text}"), 1);
            }
        }
        self.register.close(&self.dir.path().join("register"));
    }

    /// The events of all processes.
    pub fn history(mut self) -> io::Result<Vec<Event>> {
        for key in 0..self.keys() {
            let count = self.counters.read(key).number;
            self.note(LEADER, EventKind::CounterTotal { key, count });
        }
        let mut events = std::mem::take(&mut self.events);
        events.append(&mut self.register.take_events());
        for number in 0..self.processes.len() {
            let file = File::open(self.journal(number))?;
            events.append(&mut lines::read(BufReader::new(file))?);
        }
        Ok(events)
    }
}

/// Acquires a lock that has to be available by then.
fn acquire(locks: &LockManager, key: u32, until: Nanos) -> Vec<Event> {
    let request = u64::from(key) + 1;
    let event = |at, kind| Event { at, process: LEADER, task: 0, kind };
    let at = clock::now();
    let deadline = Some(until.max(at));
    let requested = event(at, EventKind::Requested { request, key, deadline, must_succeed: true });
    let guard = locks.mutex(key_name(key)).wait(clock::left(until)).acquire_blocking();
    let at = clock::now();
    match guard {
        Ok(guard) => {
            let valid_until = at + clock::nanos(guard.hold().remaining());
            let fence = guard.fence().get();
            let acquired = EventKind::Acquired { request, fence, valid_until, outer: None };
            let released = event(clock::now(), EventKind::Released { request });
            drop(guard);
            vec![requested, event(at, acquired), released]
        }
        Err(error) => {
            let refused = event(at, EventKind::Refused { request, why: refusal(&error) });
            vec![requested, refused, event(at, EventKind::Fault(error.to_string()))]
        }
    }
}
