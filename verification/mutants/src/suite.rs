//! The suites that are to find the bugs.

use serde::Deserialize;

use crate::outcome::{self, Outcome};

/// One way to look for bugs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// The deterministic simulation of the protocol over the twin of the scripts.
    Simulation,
    /// The scripts on a real server, compared with their twin.
    Twin,
    /// Models of the parts that threads of one process share.
    Models,
    /// Models of the same, with every order of memory that the language allows.
    Orders,
    /// Property tests of what comes from outside: arguments of the attribute, replies of a server.
    Fuzz,
    /// The tests of the runtime's parts, each by itself.
    Units,
    /// Workloads on real servers, under faults.
    Trials,
}

/// How long the suites of schedules look.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The first seed.
    pub from: u64,
    /// How many simulated schedules.
    pub simulated: u64,
    /// How many with real servers.
    pub real: u64,
}

impl Suite {
    /// All of them, those that take the least time first.
    pub fn cheapest_first() -> Vec<Self> {
        vec![
            Self::Simulation,
            Self::Twin,
            Self::Orders,
            Self::Models,
            Self::Fuzz,
            Self::Units,
            Self::Trials,
        ]
    }

    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simulation => "simulation",
            Self::Twin => "twin",
            Self::Models => "models",
            Self::Orders => "orders",
            Self::Fuzz => "fuzz",
            Self::Units => "units",
            Self::Trials => "trials",
        }
    }

    /// Where cargo runs: the workspaces of some suites set a cfg for all that they build.
    pub const fn workspace(self) -> &'static str {
        match self {
            Self::Simulation => "verification/sim",
            Self::Models => "verification/shuttle",
            Self::Orders => "verification/loom",
            Self::Twin | Self::Units | Self::Fuzz | Self::Trials => ".",
        }
    }

    /// What cargo is told to build it.
    pub fn build(self) -> Vec<String> {
        let command = match self {
            Self::Simulation => "build --release",
            Self::Trials => "build --release -p chaos",
            Self::Twin | Self::Units => "test --no-run -p distlock-runtime --lib",
            Self::Models | Self::Orders => "test --no-run",
            Self::Fuzz => "test --no-run -p distlock-runtime -p distlock-macros --lib",
        };
        words(command)
    }

    /// What cargo is told to run it.
    pub fn run(self, effort: Effort) -> Vec<String> {
        let Effort { from, simulated, real } = effort;
        words(&match self {
            Self::Simulation => {
                let release = "run --release -- --brief";
                format!("{release} --schedules {simulated} --from {from}")
            }
            Self::Trials => {
                let release = "run --release -p chaos -- run --jobs 2";
                format!("{release} --schedules {real} --from {from}")
            }
            Self::Twin => "test -p distlock-runtime --lib twin_test".to_owned(),
            Self::Units => "test -p distlock-runtime --lib".to_owned(),
            Self::Models | Self::Orders => "test".to_owned(),
            Self::Fuzz => {
                "test -p distlock-runtime -p distlock-macros --lib -- random lies".to_owned()
            }
        })
    }

    /// What its end and its output mean.
    pub fn read(self, passed: bool, output: &str) -> Outcome {
        match self {
            Self::Simulation | Self::Trials => outcome::of_schedules(passed, output),
            Self::Twin | Self::Models | Self::Orders | Self::Fuzz | Self::Units => {
                outcome::of_tests(passed, output)
            }
        }
    }

    /// How many schedules it runs, if it runs any.
    pub const fn schedules(self, effort: Effort) -> Option<u64> {
        match self {
            Self::Simulation => Some(effort.simulated),
            Self::Trials => Some(effort.real),
            Self::Twin | Self::Models | Self::Orders | Self::Fuzz | Self::Units => None,
        }
    }

    /// What it is built from, as far as it may change what it finds.
    pub const fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Simulation => &["lock-runtime/src", "verification/checker", "verification/sim"],
            Self::Twin | Self::Units => &["lock-runtime", "testkit"],
            Self::Models => &["lock-runtime/src", "verification/shuttle"],
            Self::Orders => &["lock-runtime/src", "verification/loom"],
            Self::Fuzz => &["lock-runtime", "lock-macros", "testkit"],
            Self::Trials => &[
                "src",
                "lock-runtime",
                "lock-macros",
                "testkit",
                "verification/checker",
                "verification/chaos",
            ],
        }
    }
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_of_schedules_is_told_how_many_and_from_where() {
        let effort = Effort { from: 7, simulated: 100, real: 3 };
        let simulation = Suite::Simulation.run(effort).join(" ");
        assert!(simulation.ends_with("--schedules 100 --from 7"));
        assert!(Suite::Trials.run(effort).join(" ").ends_with("--schedules 3 --from 7"));
        assert_eq!(Suite::Trials.schedules(effort), Some(3));
        assert_eq!(Suite::Twin.schedules(effort), None);
    }

    #[test]
    fn a_suite_reads_its_own_output() {
        let line = "violation: seed 1, property p, after 1 schedules";
        assert!(matches!(Suite::Simulation.read(false, line), Outcome::Killed(_)));
        assert_eq!(Suite::Twin.read(false, line), Outcome::Unclear);
    }
}
