//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::failover::FailoverKind;
use crate::fault::FaultKind;
use crate::schedule::{Overrides, Topology};
use crate::settings::FailoverPause;
use crate::workload::Workload;

/// Chaos tests of the lock, with real servers and processes
#[derive(Debug, Parser)]
pub struct Options {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub one: One,
}

#[derive(Debug, Args)]
pub struct One {
    /// The seed that decides what happens
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print all events
    #[arg(long)]
    pub trace: bool,
    #[command(flatten)]
    pub fixed: Fixed,
}

#[derive(Clone, Debug, Args)]
pub struct Fixed {
    /// The servers; the faults are those that they can have
    #[arg(long, default_value = "server")]
    pub topology: Topology,
    /// The workload, instead of a random one
    #[arg(long)]
    pub workload: Option<Workload>,
    /// A kind of fault, instead of random ones; may be repeated
    #[arg(long = "fault")]
    pub faults: Vec<FaultKind>,
}

impl From<&Fixed> for Overrides {
    fn from(fixed: &Fixed) -> Self {
        let Fixed { topology, workload, faults } = fixed.clone();
        Self { topology, workload, faults }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a worker that reads its configuration from standard input
    #[command(hide = true)]
    Worker,
    /// Run many schedules, several at a time
    Run(Many),
    /// Run schedules for a time, and write an HTML report
    Soak(Soak),
    /// Measure how often two holds are valid at once when the server loses one
    Lossy(Lossy),
    /// Promote replicas under load, check what has to hold, and measure the rest
    Failover(Failover),
}

#[derive(Debug, Args)]
pub struct Batch {
    /// How many schedules run at a time
    #[arg(long, default_value_t = 4)]
    pub jobs: usize,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// A directory for the histories of schedules with violations
    #[arg(long)]
    pub keep: Option<PathBuf>,
    #[command(flatten)]
    pub fixed: Fixed,
}

#[derive(Debug, Args)]
pub struct Soak {
    /// How long to run, such as `8h`
    #[arg(long = "for", default_value = "10m")]
    pub length: humantime::Duration,
    /// The report file; written every minute and at the end
    #[arg(long, default_value = "soak.html")]
    pub report: PathBuf,
    #[command(flatten)]
    pub batch: Batch,
}

#[derive(Debug, Args)]
pub struct Lossy {
    /// Rounds for each kind of loss
    #[arg(long, default_value_t = 100)]
    pub rounds: u32,
    /// The seed that decides when a hold is lost
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct Failover {
    /// Trials for each kind of failover and each pause
    #[arg(long, default_value_t = 20)]
    pub trials: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// How many trials run at a time
    #[arg(long, default_value_t = 2)]
    pub jobs: usize,
    /// A kind of failover, instead of all; may be repeated
    #[arg(long = "kind")]
    pub kinds: Vec<FailoverKind>,
    /// A pause after the failover, instead of all that make a difference; may be repeated
    #[arg(long = "pause")]
    pub pauses: Vec<FailoverPause>,
    /// How many replicas confirm each grant
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=2))]
    pub replicas: u8,
    /// How soon after the pause the new primary has to grant a lock
    #[arg(long, default_value = "200ms")]
    pub resumption: humantime::Duration,
    /// A directory for the histories of trials with violations
    #[arg(long)]
    pub keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Many {
    /// How many schedules to run
    #[arg(long, default_value_t = 100)]
    pub schedules: u64,
    #[command(flatten)]
    pub batch: Batch,
}
