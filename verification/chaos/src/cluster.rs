//! A server, what is between it and the workers, and the workers, as seen from the process that leads the run.

mod inject;
mod server;
mod sight;
mod worker;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use checker::{Event, EventKind, Nanos, lines};
use tempfile::TempDir;
use testkit::FaultProxy;

use crate::clock;
use crate::counters::Counters;
use crate::orders::Orders;
use crate::register::Register;
use crate::schedule::Schedule;

pub use server::Server;
use worker::WorkerProcess;

/// The name of the leading process in histories.
pub const LEADER: u32 = 0;
/// How long a worker may take to start, and to end after it had to.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

/// A server and workers that belong to one schedule.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) server: Server,
    proxies: Vec<FaultProxy>,
    workers: Vec<WorkerProcess>,
    register: Register,
    counters: Counters,
    keys: u32,
    events: Vec<Event>,
    dir: TempDir,
}

impl Cluster {
    /// Starts everything; the workers are connected and do nothing yet. `program` is this very program.
    ///
    /// # Errors
    /// If a process cannot be started, or does not answer.
    pub fn start(schedule: &Schedule, program: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("trial-").tempdir()?;
        let server = Server::start(schedule)?;
        let keys = schedule.workload.keys();
        let mut cluster = Self {
            proxies: proxies(schedule, &server)?,
            server,
            workers: Vec::new(),
            register: Register::listen(&dir.path().join("register"))?,
            counters: Counters::create(&dir.path().join("counters"), keys)?,
            keys,
            events: Vec::new(),
            dir,
        };
        for number in 0..schedule.processes {
            let orders = cluster.orders(schedule, number);
            cluster.workers.push(WorkerProcess::start(program, &orders)?);
        }
        for worker in &mut cluster.workers {
            worker.until_ready()?;
        }
        Ok(cluster)
    }

    fn orders(&self, schedule: &Schedule, number: u32) -> Orders {
        let index = number as usize;
        let url = self.proxies.get(index).map_or_else(|| self.server.url(), FaultProxy::url);
        Orders {
            process: number + 1,
            url,
            seed: schedule.seed,
            workload: schedule.workload,
            agents: schedule.workload.agents(),
            settings: schedule.settings.clone(),
            journal: self.journal(number),
            register: self.dir.path().join("register"),
            counters: self.dir.path().join("counters"),
        }
    }

    fn journal(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("journal-{number}"))
    }

    /// Lets the workers begin, until then.
    ///
    /// # Errors
    /// If one of them is gone.
    pub fn begin(&mut self, stop: Nanos) -> io::Result<()> {
        self.workers.iter_mut().try_for_each(|worker| worker.begin(stop))
    }

    /// Writes down something of a process's, or the leader's.
    pub(crate) fn note(&mut self, process: u32, kind: EventKind) {
        self.events.push(Event { at: clock::now(), process, task: 0, kind });
    }

    pub(crate) fn fault(&mut self, words: impl Into<String>) {
        self.note(LEADER, EventKind::Fault(words.into()));
    }

    pub(crate) fn complain(&mut self, kind: impl Into<String>, count: u64) {
        self.note(LEADER, EventKind::Leak { resource: kind.into(), count });
    }

    /// Waits for the workers to end by themselves, and ends those that do not.
    pub fn end(&mut self) {
        let limit = clock::now() + clock::nanos(LIMIT);
        for number in 0..self.workers.len() {
            while self.workers[number].is_running() && clock::now() < limit {
                thread::sleep(POLL);
            }
            if self.workers[number].is_running() {
                self.complain("workers that did not end", 1);
                self.kill(number);
            } else if let Some(words) = self.workers[number].failure() {
                self.complain(format!("workers that failed: {words}"), 1);
            }
        }
        self.register.close(&self.dir.path().join("register"));
    }

    /// Everything that was written down, by everybody.
    ///
    /// # Errors
    /// If a journal is not one.
    pub fn history(mut self) -> io::Result<Vec<Event>> {
        for key in 0..self.keys {
            let count = self.counters.read(key).number;
            self.note(LEADER, EventKind::CounterTotal { key, count });
        }
        let mut events = std::mem::take(&mut self.events);
        events.append(&mut self.register.take_events());
        for number in 0..self.workers.len() {
            let number = u32::try_from(number).expect("a few");
            let file = File::open(self.journal(number))?;
            events.append(&mut lines::read(BufReader::new(file))?);
        }
        Ok(events)
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn jump_ahead(&self, span: Duration) {
        if let Some(clock) = self.server.clock() {
            clock.jump_ahead(span);
        }
    }

    pub(crate) fn take_note_of(&mut self, mut events: Vec<Event>) {
        self.events.append(&mut events);
    }
}

/// One before each worker, where the network has faults; else none, which is faster.
fn proxies(schedule: &Schedule, server: &Server) -> io::Result<Vec<FaultProxy>> {
    let wanted = schedule.faults.iter().any(|fault| fault.kind.is_of_the_network());
    let count = if wanted { schedule.processes } else { 0 };
    (0..count).map(|_| server.proxy()).collect()
}
