//! The run: its options, its child processes, and what it is at.

use std::env;
use std::fmt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use testkit::RedisServer;

use crate::child::{READY, Relay, Shift};
use crate::clock;
use crate::contender::{Contender, Make};
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
    pub contender: Contender,
    pub url: &'a str,
    pub processes: usize,
    /// In all processes together.
    pub workers: usize,
    pub own_keys: bool,
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

    /// A child that plays a role for this contender, and is ready for orders.
    pub fn child(&self, contender: Contender, role: &[String]) -> anyhow::Result<Process> {
        let mut process = self.unready_child(contender, role)?;
        let line = process.line(PATIENCE)?;
        ensure!(line == READY, "not ready: {line}");
        Ok(process)
    }

    /// The same, with its line of readiness still to be read.
    pub fn unready_child(&self, contender: Contender, role: &[String]) -> anyhow::Result<Process> {
        let mut command = if contender.make == Make::RedisPy {
            let python = self.python.as_ref().map_err(|error| anyhow!("{error:#}"))?;
            python.command()
        } else {
            Command::new(env::current_exe()?)
        };
        command.args(role);
        Process::start(command)
    }

    pub fn relay(&self, contender: Contender, url: &str, key: &str) -> anyhow::Result<Process> {
        let relay = Relay { contender, url: url.to_owned(), key: key.to_owned() };
        self.child(contender, &relay.arguments())
    }

    /// Runs the workers of a load side by side and merges what they say.
    pub fn run(&self, load: &Load<'_>) -> anyhow::Result<History> {
        self.run_for(load, self.options.time())
    }

    /// The same for another time than that of the options.
    pub fn run_for(&self, load: &Load<'_>, time: Duration) -> anyhow::Result<History> {
        // No measurement waits for what another has left behind.
        let key = format!("compare:{}", clock::now());
        let mut children = Vec::new();
        for (process, workers) in shares(load.workers, load.processes).enumerate() {
            let shift = Shift {
                contender: load.contender,
                url: load.url.to_owned(),
                key: key.clone(),
                own_keys: load.own_keys,
                workers,
                process,
                millis: u64::try_from(time.as_millis())?,
            };
            children.push((self.child(load.contender, &shift.arguments())?, workers));
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

/// A server of its own for each row: no row finds the leavings of another.
pub fn server() -> anyhow::Result<RedisServer> {
    RedisServer::start().context("there is no private redis-server")
}

/// How many workers each process has; fewer processes where there is not one for each.
fn shares(workers: usize, processes: usize) -> impl Iterator<Item = usize> {
    let processes = processes.min(workers);
    (0..processes).map(move |index| (workers + index) / processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_distributed_evenly() {
        assert_eq!(shares(64, 4).collect::<Vec<_>>(), [16, 16, 16, 16]);
        assert_eq!(shares(2, 4).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(shares(7, 3).sum::<usize>(), 7);
    }
}
