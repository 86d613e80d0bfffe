use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use checker::Nanos;
use rustix::process::{Pid, Signal, kill_process};

use crate::worker_config::WorkerConfig;

/// A worker process; killed when dropped.
#[derive(Debug)]
pub struct WorkerProcess {
    pub(crate) process: u32,
    child: Child,
    input: ChildStdin,
    errors: PathBuf,
    pub(crate) stands_still: bool,
    pub(crate) killed: bool,
}

impl WorkerProcess {
    pub(crate) fn start(program: &Path, config: &WorkerConfig) -> io::Result<Self> {
        let errors = config.journal.with_extension("errors");
        let mut command = Command::new(program);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("RUST_BACKTRACE", "0").stderr(File::create(&errors)?);
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().expect("it is piped");
        writeln!(input, "{}", serde_json::to_string(config)?)?;
        let process = config.process;
        Ok(Self { process, child, input, errors, stands_still: false, killed: false })
    }

    pub(crate) fn wait_until_ready(&mut self) -> io::Result<()> {
        let mut line = String::new();
        let out = self.child.stdout.as_mut().expect("it is piped");
        BufReader::new(out).read_line(&mut line)?;
        if line.trim() == "ready" {
            return Ok(());
        }
        let text = fs::read_to_string(&self.errors)?;
        Err(io::Error::other(format!("a worker did not start: {text}")))
    }

    pub(crate) fn begin(&mut self, stop: Nanos) -> io::Result<()> {
        if self.killed { Ok(()) } else { writeln!(self.input, "{stop}") }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The exit status and standard error of a worker that failed.
    pub(crate) fn failure(&mut self) -> Option<String> {
        let status = self.child.wait().ok()?;
        if self.killed || status.success() {
            return None;
        }
        let text = fs::read_to_string(&self.errors).unwrap_or_default();
        Some(format!("{status}, {}", text.replace('\n', " ")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process id is positive and fits");
        kill_process(pid, signal).expect("a child that was not waited for can be signalled");
    }

    /// Kills the process, even if it is paused, and waits for it.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
