//! Processes of the service, for `tour` and `load`.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, ensure};

use crate::support;

/// One process of the service. It is killed when this value is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// Starts a process, and waits until it listens.
    pub fn start(redis: &str, database: &Path, options: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.env(support::URL_VARIABLE, redis);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.arg("--database").arg(database).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("the output is a pipe")?;
        let read = BufReader::new(output).read_line(&mut line);
        let mut process = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        read?;
        let address = line.trim().strip_prefix("listening on ");
        process.address = address.context("a process of the service did not start")?.parse()?;
        Ok(process)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks the process to end, as Docker and Kubernetes do.
    pub fn ask_to_end(&self) -> anyhow::Result<()> {
        let kill = Command::new("kill").arg(self.id().to_string()).status()?;
        ensure!(kill.success(), "the process could not be asked to end: {kill}");
        Ok(())
    }

    pub fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about an error here; the process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
