//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::child::Role;

/// The repository's folder for documents.
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compare.svg");

/// distlock beside other Redis locks, in one run on one machine
///
/// Starts private redis-servers on 127.0.0.1, prints its tables as Markdown and draws a plot.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    pub role: Option<Role>,
    /// The rows to measure, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub rows: Vec<Row>,
    /// Seconds for each contender in each row [default: 2, or 0.3 with --quick]
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Seconds in which many held locks are watched [default: 30, or 5 with --quick]
    #[arg(long)]
    pub watch: Option<f64>,
    /// A rough look at everything
    #[arg(long)]
    pub quick: bool,
    /// Where the tables are written to, besides the standard output
    #[arg(long)]
    pub markdown: Option<PathBuf>,
    /// Where the plot is written to [default: the repository's docs/compare.svg, after a full run
    /// only]
    #[arg(long)]
    pub svg: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Row {
    /// Acquire and release of a lock that nobody else wants
    Uncontended,
    /// The same lock taken again by its holder
    Reentry,
    /// One key that all want
    Hot,
    /// A key for each worker
    Spread,
    /// From a release in one process to the hold in another
    Handover,
    /// Many locks held at once
    Held,
    /// How costs grow with keys, waiters and processes
    Scaling,
    /// A lock that stays with the process that let it go
    Linger,
    /// Whose turn it is when threads of several processes want one key
    Fairness,
}

impl Options {
    pub fn wants(&self, row: Row) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }

    /// For each contender in each row.
    pub fn time(&self) -> Duration {
        seconds(self.seconds, if self.quick { 0.3 } else { 2.0 })
    }

    /// For each crowd of held locks.
    pub fn watch_time(&self) -> Duration {
        seconds(self.watch, if self.quick { 5.0 } else { 30.0 })
    }

    /// A part, or a rough look, does not replace the repository's plot.
    pub fn plot(&self) -> Option<&Path> {
        let full = !self.quick && self.rows.is_empty();
        self.svg.as_deref().or(full.then_some(Path::new(PLOT)))
    }

    pub fn held(&self) -> usize {
        if self.quick { 2_000 } else { 10_000 }
    }
}

/// Bounded, so that a slip of the finger does not load a machine for a day.
fn seconds(wanted: Option<f64>, default: f64) -> Duration {
    Duration::from_secs_f64(wanted.unwrap_or(default).clamp(0.05, 600.0))
}
