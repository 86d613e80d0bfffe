//! What the library costs a program that has one function with a lock: crates, processor time of a
//! build from nothing, and size of the binary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

const MAIN: &str = "\
use distlock::{LockError, LockManager, distributed_lock};

#[distributed_lock(\"order:{id}\")]
fn pay(id: u64) -> Result<(), LockError> {
    println!(\"paid {id}\");
    Ok(())
}

fn main() -> Result<(), LockError> {
    distlock::init(LockManager::connect(\"redis://127.0.0.1/\")?)?;
    pay(7)
}
";

/// The figures of one checkout.
#[derive(Debug)]
pub struct Footprint {
    /// Crates that are compiled for the program, without the program.
    pub crates: usize,
    /// Processor time of `cargo build`, in seconds.
    pub dev: f64,
    /// Processor time of `cargo build --release`, in seconds.
    pub release: f64,
    /// Bytes of the stripped release binary.
    pub bytes: u64,
}

/// Builds such a program in the folder `work` with each of the checkouts, in turns. Returns the
/// medians of the rounds.
///
/// # Errors
///
/// If a build fails, or the system has no POSIX shell, which measures processor time.
pub fn measure(checkouts: &[PathBuf], rounds: usize, work: &Path) -> Result<Vec<Footprint>> {
    let mut programs = Vec::new();
    for (number, checkout) in checkouts.iter().enumerate() {
        programs.push(Program::write(work.join(number.to_string()), checkout)?);
    }
    let mut times = vec![[const { Vec::new() }; 2]; programs.len()];
    for _ in 0..rounds.max(1) {
        for (profile, release) in [false, true].into_iter().enumerate() {
            for (program, times) in programs.iter().zip(&mut times) {
                times[profile].push(program.build(release)?);
            }
        }
    }
    let all = programs.iter().zip(times).map(|(program, [dev, release])| {
        let binary = program.folder.join("target/release/footprint");
        Ok(Footprint {
            crates: program.crates()?,
            dev: median(dev),
            release: median(release),
            bytes: fs::metadata(binary).context("the release binary")?.len(),
        })
    });
    all.collect()
}

struct Program {
    folder: PathBuf,
}

impl Program {
    fn write(folder: PathBuf, checkout: &Path) -> Result<Self> {
        let checkout = checkout.canonicalize().context("the checkout")?;
        let manifest = format!(
            "[package]\nname = \"footprint\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\ndistlock = {{ path = '{}' }}\n\n[profile.release]\nstrip = true\n",
            checkout.display()
        );
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/main.rs"), MAIN)?;
        // The same versions in each round.
        fs::copy(checkout.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder })
    }

    /// Builds it from nothing. Returns the processor time in seconds.
    fn build(&self, release: bool) -> Result<f64> {
        let target = self.folder.join("target");
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        let build = if release { "cargo build --quiet --release" } else { "cargo build --quiet" };
        let output = self.run("sh", &["-c", &format!("{build} && times")])?;
        let text = String::from_utf8_lossy(&output.stdout);
        // The first line is about the shell, the second one about what it has started.
        let children = text.lines().nth(1).context("the shell prints no times")?;
        children.split_whitespace().map(seconds).sum()
    }

    fn crates(&self) -> Result<usize> {
        let tree = self.run("cargo", &["tree", "--edges", "normal,build", "--prefix", "none"])?;
        let tree = String::from_utf8_lossy(&tree.stdout);
        let crates = tree.lines().skip(1).filter(|line| !line.is_empty());
        let crates: BTreeSet<_> =
            crates.map(|line| line.split_once(" (").map_or(line, |(name, _)| name)).collect();
        Ok(crates.len())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program);
        // Of the build that has started this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
                command.env_remove(name);
            }
        }
        let output = command.args(arguments).current_dir(&self.folder).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {}: {errors}", arguments.join(" "));
        Ok(output)
    }
}

/// Reads `1m2.34s`.
fn seconds(text: &str) -> Result<f64> {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').context("no time")?;
    Ok(60.0 * minutes.parse::<f64>()? + seconds.replace(',', ".").parse::<f64>()?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
