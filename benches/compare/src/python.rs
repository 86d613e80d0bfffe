//! The Python that runs redis-py: an environment of our own, beside the program.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/redis_py.py");
const VERSION: &str = "import redis; print(redis.__version__)";

#[derive(Debug)]
pub struct Python {
    interpreter: PathBuf,
    pub version: String,
}

impl Python {
    /// Makes the environment if it is not there yet.
    pub fn prepare() -> anyhow::Result<Self> {
        let program = env::current_exe()?;
        let folder = program.parent().context("a program is in a folder")?.join("redis-py");
        let interpreter = folder.join("bin").join("python");
        if version(&interpreter).is_err() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
                .context("python3 makes no environment")?;
            let pip = ["-m", "pip", "install", "--quiet", "--retries", "1", "redis"];
            run(Command::new(&interpreter).args(pip)).context("pip does not install redis")?;
        }
        let version = version(&interpreter).context("redis-py is not there")?;
        Ok(Self { interpreter, version })
    }

    /// Our script, to be given its arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.arg(SCRIPT);
        command
    }
}

fn version(interpreter: &Path) -> anyhow::Result<String> {
    run(Command::new(interpreter).args(["-c", VERSION]))
}

/// What it prints, if it succeeds.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", errors.trim().lines().last().unwrap_or("no reason"));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
