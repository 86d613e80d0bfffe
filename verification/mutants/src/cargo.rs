//! Runs cargo in the copy, with a time limit and a log.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

pub struct Cargo {
    pub copy: PathBuf,
    /// The target folder.
    pub build: PathBuf,
    pub logs: PathBuf,
}

#[derive(Debug, PartialEq, Eq)]
pub enum RunEnd {
    Exit(ExitStatus),
    /// The output held a detection. The command was killed.
    Detected,
    TimeLimit,
}

#[derive(Debug)]
pub struct CommandOutput {
    pub end: RunEnd,
    /// Standard output and standard error.
    pub output: String,
    pub log: PathBuf,
}

impl Cargo {
    /// Runs cargo in a folder of the copy, until its output holds a detection. `log` is the name of
    /// the log file.
    pub fn run(
        &self,
        folder: &str,
        arguments: &[String],
        log: &str,
        limit: Duration,
        is_detected: fn(&str) -> bool,
    ) -> Result<CommandOutput> {
        fs::create_dir_all(&self.logs)?;
        let log = self.logs.join(log).with_extension("log");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(arguments).current_dir(self.copy.join(folder));
        command.env("CARGO_TARGET_DIR", &self.build).env("RUST_BACKTRACE", "0");
        // Each mutant changes a few lines, so incremental builds are much faster.
        command.env("CARGO_INCREMENTAL", "1");
        let end = watch(&mut command, &log, limit, is_detected)?;
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(CommandOutput { end, output, log })
    }
}

fn watch(
    command: &mut Command,
    log: &Path,
    limit: Duration,
    is_detected: fn(&str) -> bool,
) -> Result<RunEnd> {
    let out = File::create(log).with_context(|| format!("{}", log.display()))?;
    command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
    // A process group, because cargo does not forward signals to its children.
    command.process_group(0);
    let mut child = command.spawn().context("cargo could not be started")?;
    let end = wait(&mut child, log, limit, is_detected)?;
    let group = Pid::from_child(&child);
    // Also ends processes that the suite has left behind, such as servers.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    Ok(end)
}

fn wait(
    child: &mut Child,
    log: &Path,
    limit: Duration,
    is_detected: fn(&str) -> bool,
) -> Result<RunEnd> {
    const POLL: Duration = Duration::from_millis(50);
    let began = Instant::now();
    while began.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(RunEnd::Exit(status));
        }
        if is_detected(&String::from_utf8_lossy(&fs::read(log)?)) {
            return Ok(RunEnd::Detected);
        }
        sleep(POLL);
    }
    Ok(RunEnd::TimeLimit)
}

#[cfg(test)]
mod tests;
