//! A run: its options, child processes and progress.

use std::env;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use testkit::RedisServer;

use crate::affinity;
use crate::candidate::{Candidate, Library};
use crate::child::{Handoff, READY, Throughput};
use crate::clock;
use crate::history::{History, Window};
use crate::options::Options;
use crate::process::Process;
use crate::python::Python;

/// Over any start or answer that is not itself a measurement.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// From the order to the start: all workers are waiting for it by then.
const RUN_UP: Duration = Duration::from_millis(30);

pub struct Bench {
    pub options: Options,
    pub python: anyhow::Result<Python>,
    progress: ProgressBar,
}

/// One measurement of workers in a loop.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    pub candidate: Candidate,
    pub url: &'a str,
    pub processes: usize,
    /// In all processes together.
    pub workers: usize,
    pub own_keys: bool,
    /// The core that the processes stay on.
    pub core: Option<usize>,
    /// This program, as another commit has it.
    pub program: Option<&'a Path>,
}

impl<'a> Load<'a> {
    /// All workers want one key.
    pub fn one_key(candidate: Candidate, url: &'a str, processes: usize, workers: usize) -> Self {
        let (own_keys, core, program) = (false, None, None);
        Self { candidate, url, processes, workers, own_keys, core, program }
    }

    /// In one process, each worker has its own key.
    pub fn own_keys(candidate: Candidate, url: &'a str, workers: usize) -> Self {
        Self { own_keys: true, ..Self::one_key(candidate, url, 1, workers) }
    }
}

impl Bench {
    pub fn new(options: Options) -> anyhow::Result<Self> {
        let progress = ProgressBar::new_spinner();
        progress.set_style(ProgressStyle::with_template("{elapsed} {msg}")?);
        progress.enable_steady_tick(Duration::from_secs(1));
        progress.set_message("redis-py");
        let python = Python::prepare();
        Ok(Self { options, python, progress })
    }

    /// Says on the terminal what is measured at the moment.
    pub fn at(&self, what: impl fmt::Display) {
        self.progress.set_message(what.to_string());
    }

    pub fn done(&self) {
        self.progress.finish_and_clear();
    }

    /// A child that plays a role for this candidate, and is ready for orders.
    pub fn child(&self, candidate: Candidate, role: &[String]) -> anyhow::Result<Process> {
        ready(self.unready_child(candidate, role)?)
    }

    /// The same, with its line of readiness still to be read.
    pub fn unready_child(&self, candidate: Candidate, role: &[String]) -> anyhow::Result<Process> {
        let mut command = if candidate.library == Library::RedisPy {
            let python = self.python.as_ref().map_err(|error| anyhow!("{error:#}"))?;
            python.command()
        } else {
            Command::new(env::current_exe()?)
        };
        command.args(role);
        Process::start(command)
    }

    /// A child with some of the workers of a load.
    fn worker(&self, load: &Load<'_>, throughput: &Throughput) -> anyhow::Result<Process> {
        let start = || match load.program {
            Some(program) => {
                let mut command = Command::new(program);
                command.args(throughput.arguments());
                ready(Process::start(command)?)
            }
            None => self.child(load.candidate, &throughput.arguments()),
        };
        load.core.map_or_else(start, |core| affinity::on_core(core, start))
    }

    pub fn handoff(&self, candidate: Candidate, url: &str, key: &str) -> anyhow::Result<Process> {
        let handoff = Handoff { candidate, url: url.to_owned(), key: key.to_owned() };
        self.child(candidate, &handoff.arguments())
    }

    /// Runs the workers of a load side by side and merges what they say.
    pub fn run(&self, load: &Load<'_>) -> anyhow::Result<History> {
        self.run_for(load, self.options.time())
    }

    /// The same for another time than that of the options.
    pub fn run_for(&self, load: &Load<'_>, time: Duration) -> anyhow::Result<History> {
        self.run_with(load, &new_key(), time)
    }

    /// The same with this key, or these keys of its workers.
    pub fn run_with(&self, load: &Load<'_>, key: &str, time: Duration) -> anyhow::Result<History> {
        let mut children = Vec::new();
        for (process, workers) in shares(load.workers, load.processes).enumerate() {
            let throughput = Throughput {
                candidate: load.candidate,
                url: load.url.to_owned(),
                key: key.to_owned(),
                own_keys: load.own_keys,
                workers,
                process,
                millis: u64::try_from(time.as_millis())?,
            };
            children.push((self.worker(load, &throughput)?, workers));
        }
        let start = clock::now() + clock::span(RUN_UP);
        for (child, _) in &mut children {
            child.tell(&start.to_string())?;
        }
        let (mut logs, mut cpu) = (Vec::new(), 0);
        for (child, workers) in &mut children {
            let [spent] = child.numbers::<u64, 1>(time + PATIENCE)?;
            cpu += spent;
            let lines = (0..*workers).map(|_| child.line(time + PATIENCE)?.parse());
            logs.push(lines.collect::<anyhow::Result<Vec<_>>>()?);
        }
        Ok(History::new(Window { start, end: start + clock::span(time) }, cpu, logs))
    }
}

/// No measurement waits for what another has left behind.
pub fn new_key() -> String {
    format!("compare:{}", clock::now())
}

fn ready(mut process: Process) -> anyhow::Result<Process> {
    let line = process.line(PATIENCE)?;
    ensure!(line == READY, "not ready: {line}");
    Ok(process)
}

/// A new server for each row, so that rows do not affect each other.
pub fn server() -> anyhow::Result<RedisServer> {
    RedisServer::start().context("no private redis-server could be started")
}

/// The number of workers of each process; no process has none.
fn shares(workers: usize, processes: usize) -> impl Iterator<Item = usize> {
    let processes = processes.min(workers);
    (0..processes).map(move |index| (workers + index) / processes)
}

#[cfg(test)]
mod tests;
