//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::suite::{Effort, Suite};

/// Mutation testing: inserts one bug at a time into a copy of the sources, and runs the test suites
/// until one detects it
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(about, max_term_width = 100)]
pub struct Options {
    /// Run only the mutants with these numbers
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Run only these suites
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    pub suites: Vec<Suite>,

    /// List the mutants and their suites
    #[arg(long, group = "mode")]
    list: bool,

    /// Only check that the edits of each mutant fit the sources
    #[arg(long, group = "mode")]
    check: bool,

    /// Only check that the library compiles with each mutant
    #[arg(long, group = "mode")]
    compile: bool,

    /// Write the results of this run and earlier ones to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mode", "only"])]
    pub table: Option<PathBuf>,

    /// Discard the results of earlier runs; otherwise only changed mutants run
    #[arg(long, conflicts_with = "mode")]
    pub fresh: bool,

    /// Skip the control run on the unmodified sources
    #[arg(long)]
    pub no_control: bool,

    /// Simulated schedules for each mutant
    #[arg(long, value_name = "COUNT", default_value_t = 60_000)]
    schedules: u64,

    /// Chaos schedules for each mutant
    #[arg(long, value_name = "COUNT", default_value_t = 40)]
    fault_schedules: u64,

    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    from: u64,

    /// The time limit of a suite; a test that has not ended by then counts as a detection
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    #[arg(value_parser = humantime::parse_duration)]
    pub time_limit: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Run,
    List,
    Check,
    Compile,
}

impl Options {
    pub const fn mode(&self) -> Mode {
        match (self.list, self.check, self.compile) {
            (true, ..) => Mode::List,
            (_, true, _) => Mode::Check,
            (.., true) => Mode::Compile,
            _ => Mode::Run,
        }
    }

    pub const fn effort(&self) -> Effort {
        Effort { from: self.from, simulated: self.schedules, real: self.fault_schedules }
    }
}

#[cfg(test)]
mod tests;
