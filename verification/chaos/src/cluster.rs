//! The server, proxies and workers of a schedule, controlled by the leading process.

mod inject;
mod lookup;
mod server;
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
use crate::register::Register;
use crate::schedule::Schedule;
use crate::worker_config::WorkerConfig;

pub use server::Server;
use worker::WorkerProcess;

/// The process number of the leading process in histories.
pub const LEADER: u32 = 0;
/// How long a worker may take to start, and to stop after the end of the run.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

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
    /// Starts all processes. The workers connect and wait for [`begin`](Self::begin). `program` is
    /// the path of this program.
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
            let config = cluster.config(schedule, number);
            cluster.workers.push(WorkerProcess::start(program, &config)?);
        }
        for worker in &mut cluster.workers {
            worker.wait_until_ready()?;
        }
        Ok(cluster)
    }

    fn config(&self, schedule: &Schedule, number: u32) -> WorkerConfig {
        let index = number as usize;
        let url = self.proxies.get(index).map_or_else(|| self.server.url(), FaultProxy::url);
        WorkerConfig {
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

    /// Starts the workers, which run until `stop`.
    pub fn begin(&mut self, stop: Nanos) -> io::Result<()> {
        self.workers.iter_mut().try_for_each(|worker| worker.begin(stop))
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

    /// Waits for the workers to stop, and kills those that do not.
    pub fn end(&mut self) {
        let limit = clock::now() + clock::nanos(LIMIT);
        for number in 0..self.workers.len() {
            while self.workers[number].is_running() && clock::now() < limit {
                thread::sleep(POLL);
            }
            if self.workers[number].is_running() {
                self.report_leak("workers that did not stop", 1);
                self.kill(number);
            } else if let Some(text) = self.workers[number].failure() {
                self.report_leak(format!("workers that failed: {text}"), 1);
            }
        }
        self.register.close(&self.dir.path().join("register"));
    }

    /// The events of all processes.
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

/// One proxy for each worker if the schedule has network faults; otherwise none, which is faster.
fn proxies(schedule: &Schedule, server: &Server) -> io::Result<Vec<FaultProxy>> {
    let wanted = schedule.faults.iter().any(|fault| fault.kind.is_of_the_network());
    let count = if wanted { schedule.processes } else { 0 };
    (0..count).map(|_| server.proxy()).collect()
}
