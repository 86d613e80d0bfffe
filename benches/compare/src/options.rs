use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::child::Role;
use crate::targets::Targets;

/// The repository's folder for documents.
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compare.svg");

/// Compare distlock with other Redis locks, in one run on one machine
///
/// Starts private redis-servers on 127.0.0.1, prints its tables as Markdown and draws a plot.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The rows to measure, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub rows: Vec<Row>,
    /// Seconds for each candidate in each row [default: 2, or 0.3 with --quick]
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Seconds in which many held locks are observed [default: 30, or 5 with --quick]
    #[arg(long)]
    pub watch: Option<f64>,
    /// Measure everything briefly
    #[arg(long)]
    pub quick: bool,
    /// A file for the tables, in addition to standard output
    #[arg(long)]
    pub markdown: Option<PathBuf>,
    /// The file of the plot [default: the repository's docs/compare.svg, after a full run
    /// only]
    #[arg(long)]
    pub svg: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    Targets(Targets),
    #[command(flatten)]
    Child(Role),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// Acquire and release of an uncontended lock
    Uncontended,
    /// Re-entry by the holder
    Reentry,
    /// One key that all workers use
    HotKey,
    /// A key for each worker
    Spread,
    /// From the release in one process to the grant in another
    Handoff,
    /// Many locks held at the same time
    Held,
    /// How the cost grows with keys, waiters and processes
    Scaling,
    /// A lock that stays with the process that released it
    Linger,
    /// The order in which threads of several processes get one key
    Fairness,
}

impl Options {
    pub fn wants(&self, row: Row) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }

    /// For each candidate in each row.
    pub fn time(&self) -> Duration {
        seconds(self.seconds, if self.quick { 0.3 } else { 2.0 })
    }

    /// For each set of held locks.
    pub fn watch_time(&self) -> Duration {
        seconds(self.watch, if self.quick { 5.0 } else { 30.0 })
    }

    /// A partial or brief run does not replace the plot of the repository.
    pub fn plot(&self) -> Option<&Path> {
        let full = !self.quick && self.rows.is_empty();
        self.svg.as_deref().or(full.then_some(Path::new(PLOT)))
    }

    pub fn held(&self) -> usize {
        if self.quick { 2_000 } else { 10_000 }
    }
}

/// Bounded, in case of a typo.
fn seconds(wanted: Option<f64>, default: f64) -> Duration {
    Duration::from_secs_f64(wanted.unwrap_or(default).clamp(0.05, 600.0))
}
