//! Runs cargo in the copy, with a limit of time and the output in a file.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// Where and with what bounds.
pub struct Cargo {
    /// The workspace.
    pub tree: PathBuf,
    /// Where it builds.
    pub build: PathBuf,
    /// Where the output is kept.
    pub logs: PathBuf,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exit(ExitStatus),
    /// It was ended, as its time was over.
    TimeLimit,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// How.
    pub end: End,
    /// All that it printed.
    pub output: String,
    /// Where that is kept.
    pub log: PathBuf,
}

impl Cargo {
    /// Runs it in a folder of the copy with these arguments; `log` names the file of its output.
    pub fn run(
        &self,
        folder: &str,
        arguments: &[String],
        log: &str,
        limit: Duration,
    ) -> Result<Ran> {
        fs::create_dir_all(&self.logs)?;
        let log = self.logs.join(log).with_extension("log");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(arguments).current_dir(self.tree.join(folder));
        command.env("CARGO_TARGET_DIR", &self.build).env("RUST_BACKTRACE", "0");
        // Each bug changes a few lines: to build the rest anew would take longer than to find it.
        command.env("CARGO_INCREMENTAL", "1");
        let end = watch(&mut command, &log, limit)?;
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(Ran { end, output, log })
    }
}

fn watch(command: &mut Command, log: &Path, limit: Duration) -> Result<End> {
    let out = File::create(log).with_context(|| format!("{}", log.display()))?;
    command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
    // Of its own, to be ended with all that it starts: cargo does not pass a signal on.
    command.process_group(0);
    let mut child = command.spawn().context("cargo cannot be started")?;
    let end = wait(&mut child, limit)?;
    let group = Pid::from_child(&child);
    // Also what an ended suite has left behind, such as servers.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    Ok(end)
}

fn wait(child: &mut Child, limit: Duration) -> Result<End> {
    const LOOK: Duration = Duration::from_millis(50);
    let began = Instant::now();
    while began.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exit(status));
        }
        sleep(LOOK);
    }
    Ok(End::TimeLimit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> (End, String) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let end = watch(Command::new("sh").args(["-c", script]), &log, limit).unwrap();
        (end, fs::read_to_string(log).unwrap())
    }

    #[test]
    fn both_outputs_are_kept_and_the_exit_is_told() {
        let (end, output) = shell("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert_eq!(output, "out\nerr\n");
        assert!(matches!(end, End::Exit(status) if status.code() == Some(3)));
    }

    #[test]
    fn what_hangs_is_ended_with_all_that_it_started() {
        let (end, output) = shell("sleep 600 & echo $!; wait", Duration::from_millis(300));
        assert_eq!(end, End::TimeLimit);
        let started = Path::new("/proc").join(output.trim()).join("stat");
        let is_gone = || fs::read_to_string(&started).map_or(true, |stat| stat.contains(") Z "));
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_gone() {
            assert!(Instant::now() < deadline, "it lives on");
            sleep(Duration::from_millis(5));
        }
    }
}
