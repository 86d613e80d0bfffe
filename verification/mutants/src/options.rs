//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::suite::{Effort, Suite};

/// Plants bugs into a copy of the sources, one at a time, and runs the tests there until one finds it.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(about, max_term_width = 100)]
pub struct Options {
    /// Only the bugs with these numbers.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Only these suites look.
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    pub suites: Vec<Suite>,

    /// Lists the bugs and who is to find them.
    #[arg(long, group = "mode")]
    list: bool,

    /// Only shows that each bug fits the sources; builds nothing.
    #[arg(long, group = "mode")]
    check: bool,

    /// Only shows that the library builds with each bug.
    #[arg(long, group = "mode")]
    compile: bool,

    /// Writes the table to this file: what this hunt found, and what earlier ones did.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mode", "only"])]
    pub table: Option<PathBuf>,

    /// Forgets what earlier hunts have found. Otherwise only what has changed since is looked at.
    #[arg(long, conflicts_with = "mode")]
    pub afresh: bool,

    /// Does not run the suites without a bug first.
    #[arg(long)]
    pub no_control: bool,

    /// How many schedules are simulated for each bug.
    #[arg(long, value_name = "COUNT", default_value_t = 60_000)]
    schedules: u64,

    /// How many are run with real servers for each bug.
    #[arg(long, value_name = "COUNT", default_value_t = 40)]
    fault_schedules: u64,

    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    from: u64,

    /// How long one suite may take until it counts as hanging.
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = humantime::parse_duration)]
    pub time_limit: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Find the bugs.
    Hunt,
    /// List them.
    List,
    /// See whether they fit the sources.
    Check,
    /// See whether they compile.
    Compile,
}

impl Options {
    /// What is to be done.
    pub const fn mode(&self) -> Mode {
        match (self.list, self.check, self.compile) {
            (true, ..) => Mode::List,
            (_, true, _) => Mode::Check,
            (.., true) => Mode::Compile,
            _ => Mode::Hunt,
        }
    }

    /// How long suites of schedules look.
    pub const fn effort(&self) -> Effort {
        Effort { from: self.from, simulated: self.schedules, real: self.fault_schedules }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_hunt_is_what_is_done_unless_something_else_is_asked_for() {
        let mode = |words: &str| Options::try_parse_from(words.split(' ')).map(|it| it.mode());
        assert_eq!(mode("planted --only 07,9 --suites twin").unwrap(), Mode::Hunt);
        assert_eq!(mode("planted --check").unwrap(), Mode::Check);
        assert_eq!(mode("planted --compile --only 1").unwrap(), Mode::Compile);
        assert!(mode("planted --list --check").is_err());
        assert!(mode("planted --table a.md --only 7").is_err());
    }
}
