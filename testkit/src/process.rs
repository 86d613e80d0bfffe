//! A child process that ends with this one, however this one ends.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Waits for the end of a pipe that only the test process holds open, and so for the end of that
/// process, even if it is killed, aborts, or keeps its server in a static that is never dropped.
const WATCH: &str = r#"trap "" INT TERM HUP; read -r _; kill -9 "$1"; rm -rf "$2""#;

/// A server process and its watchdog.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    watchdog: Child,
}

impl Process {
    /// Starts the process; `dir` is removed with it if this process ends without dropping it.
    pub(crate) fn spawn(command: &mut Command, dir: &Path) -> io::Result<Self> {
        let mut child = command.spawn()?;
        match watch(child.id(), dir) {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first, because afterwards the process id may be reused.
        end(&mut self.watchdog);
        end(&mut self.child);
    }
}

/// Pauses a child of this process (SIGSTOP). Returns when all its threads have stopped: the signal
/// alone lets it run on for a moment, longer on a busy machine.
///
/// # Panics
///
/// If this process has no such child.
pub fn pause_child(id: u32) {
    signal(id, Signal::STOP);
    // Left as it is, so that a second pause returns too.
    let stopped = waitid(WaitId::Pid(pid(id)), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT);
    stopped.expect("a child can be waited for");
}

/// Resumes a child of this process (SIGCONT).
///
/// # Panics
///
/// If there is no such process.
pub fn resume_child(id: u32) {
    signal(id, Signal::CONT);
}

fn signal(id: u32, signal: Signal) {
    kill_process(pid(id), signal).expect("a child that was not waited for can be signalled");
}

fn pid(id: u32) -> Pid {
    i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id is positive and fits")
}

fn watch(id: u32, dir: &Path) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "watchdog", &id.to_string()]).arg(dir);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// Kills and waits. Both fail only if the process has ended already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::{RedisServer, eventually};

    const ABORT: &str = "TESTKIT_ABORT";

    #[test]
    fn a_test_process_that_aborts_leaves_no_server_behind() {
        if env::var_os(ABORT).is_some() {
            let server = RedisServer::start().unwrap();
            println!("\nport {}", server.port());
            std::process::abort();
        }
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--exact", "--nocapture"]);
        again.arg("process::tests::a_test_process_that_aborts_leaves_no_server_behind");
        let output = again.env(ABORT, "yes").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let port = text.lines().find_map(|line| line.strip_prefix("port ")?.parse::<u16>().ok());
        let port = port.unwrap_or_else(|| panic!("no port in {text:?}"));
        eventually(Duration::from_secs(10), "the server is gone", || {
            TcpStream::connect(("127.0.0.1", port)).is_err()
        });
    }
}
