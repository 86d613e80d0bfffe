//! Several processes of one example, and the lines that they print.

#![allow(dead_code, reason = "no example needs all of it")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{env, thread};

use anyhow::Context as _;

/// A process that prints nothing for so long has failed.
const LIMIT: Duration = Duration::from_secs(30);

/// Processes that are killed when this value is dropped. Their standard input is a pipe.
pub struct Children {
    processes: Vec<Child>,
    lines: Receiver<(u32, String)>,
}

impl Children {
    /// Starts so many processes of the running program, with these variables.
    pub fn start(count: usize, variables: &[(&str, &OsStr)]) -> anyhow::Result<Self> {
        let (sender, lines) = channel();
        let mut children = Self { processes: Vec::new(), lines };
        for _ in 0..count {
            let mut command = Command::new(env::current_exe()?);
            command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn()?;
            forward(&mut child, sender.clone());
            children.processes.push(child);
        }
        Ok(children)
    }

    /// The next line of any of them and the id of its process. `None` once all have ended.
    pub fn next_line(&self) -> anyhow::Result<Option<(u32, String)>> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(error) => Err(error).context("the processes do not go on"),
        }
    }

    /// Kills one of them, as `kill -9` does.
    pub fn kill(&mut self, id: u32) -> anyhow::Result<()> {
        let child = self.find(id)?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Closes the standard input of one of them, and waits for its end.
    pub fn close(&mut self, id: u32) -> anyhow::Result<ExitStatus> {
        let child = self.find(id)?;
        drop(child.stdin.take());
        Ok(child.wait()?)
    }

    fn find(&mut self, id: u32) -> anyhow::Result<&mut Child> {
        self.processes.iter_mut().find(|child| child.id() == id).context("there is no such process")
    }
}

fn forward(child: &mut Child, sender: Sender<(u32, String)>) {
    let (id, output) = (child.id(), child.stdout.take().expect("the output is a pipe"));
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send((id, line)).is_err() {
                break;
            }
        }
    });
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.processes {
            // Nothing can be done about an error here; the process may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
