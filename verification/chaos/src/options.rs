//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::fault::Kind;
use crate::schedule::Wishes;
use crate::workload::Workload;

/// The lock under faults, with real servers and real processes.
#[derive(Debug, Parser)]
pub struct Options {
    /// What to do; without, one schedule is run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The one schedule.
    #[command(flatten)]
    pub one: One,
}

/// Which schedule to run.
#[derive(Debug, Args)]
pub struct One {
    /// Decides what happens.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Prints everything that happened.
    #[arg(long)]
    pub story: bool,
    /// What is not left to the seed.
    #[command(flatten)]
    pub fixed: Fixed,
}

/// What is not left to seeds.
#[derive(Clone, Debug, Args)]
pub struct Fixed {
    /// The workload.
    #[arg(long)]
    pub workload: Option<Workload>,
    /// A kind of fault; may be given several times. Drawn from all if none is given.
    #[arg(long = "fault")]
    pub faults: Vec<Kind>,
}

impl From<&Fixed> for Wishes {
    fn from(fixed: &Fixed) -> Self {
        Self { workload: fixed.workload, faults: fixed.faults.clone() }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Does what its standard input says.
    #[command(hide = true)]
    Worker,
    /// Runs many schedules, several at a time.
    Run(Many),
    /// Runs schedules for a time, and writes a page about them.
    Soak(Soak),
    /// Measures how often two holds are valid at once when the server loses one.
    Lossy(Lossy),
}

/// How schedules are run.
#[derive(Debug, Args)]
pub struct Batch {
    /// How many schedules at a time.
    #[arg(long, default_value_t = 4)]
    pub jobs: usize,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// A directory where histories with violations go, one event in a line.
    #[arg(long)]
    pub keep: Option<PathBuf>,
    /// What is not left to the seeds.
    #[command(flatten)]
    pub fixed: Fixed,
}

/// How long to go on.
#[derive(Debug, Args)]
pub struct Soak {
    /// For how long, such as `8h`.
    #[arg(long = "for", default_value = "10m")]
    pub length: humantime::Duration,
    /// Where the page goes; it is written every minute, and at the end.
    #[arg(long, default_value = "soak.html")]
    pub report: PathBuf,
    /// How they are run.
    #[command(flatten)]
    pub batch: Batch,
}

/// How often to lose a hold.
#[derive(Debug, Args)]
pub struct Lossy {
    /// How often in each way.
    #[arg(long, default_value_t = 100)]
    pub rounds: u32,
    /// Decides at which point of its life a hold is lost.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How many schedules to run.
#[derive(Debug, Args)]
pub struct Many {
    /// How many.
    #[arg(long, default_value_t = 100)]
    pub schedules: u64,
    /// How they are run.
    #[command(flatten)]
    pub batch: Batch,
}
