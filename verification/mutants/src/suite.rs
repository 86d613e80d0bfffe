//! The test suites.

use serde::Deserialize;

use crate::outcome::{self, Outcome};

/// A test suite.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// The deterministic simulation.
    Sim,
    /// The scripts on a real server, compared with the in-memory server.
    Parity,
    /// Models of the code that threads share, under many schedules.
    Shuttle,
    /// Models of the smallest parts, under all schedules and memory orderings.
    Loom,
    /// Property tests of arguments of the attribute and of replies of a server.
    Fuzz,
    /// The unit tests of the runtime.
    Units,
    /// Workloads on real servers under faults.
    Chaos,
}

/// How many schedules the suites run.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The first seed.
    pub from: u64,
    pub simulated: u64,
    pub real: u64,
}

impl Suite {
    /// All suites, the fastest first.
    pub fn cheapest_first() -> Vec<Self> {
        vec![
            Self::Sim,
            Self::Parity,
            Self::Loom,
            Self::Shuttle,
            Self::Fuzz,
            Self::Units,
            Self::Chaos,
        ]
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Parity => "parity",
            Self::Shuttle => "shuttle",
            Self::Loom => "loom",
            Self::Fuzz => "fuzz",
            Self::Units => "units",
            Self::Chaos => "chaos",
        }
    }

    /// The folder in which cargo runs: some suites are in a workspace of their own, which sets a
    /// cfg.
    pub const fn workspace(self) -> &'static str {
        match self {
            Self::Sim => "verification/models/sim",
            Self::Shuttle => "verification/models/shuttle",
            Self::Loom => "verification/models/loom",
            Self::Parity | Self::Units | Self::Fuzz | Self::Chaos => ".",
        }
    }

    /// The arguments of cargo that build the suite.
    pub fn build(self) -> Vec<String> {
        let command = match self {
            Self::Sim => "build --release",
            Self::Chaos => "build --release -p chaos",
            Self::Parity | Self::Units => "test --no-run -p distlock-runtime --lib",
            Self::Shuttle | Self::Loom => "test --no-run",
            Self::Fuzz => "test --no-run -p distlock-runtime -p distlock-macros --lib",
        };
        words(command)
    }

    /// The arguments of cargo that run the suite.
    pub fn run(self, effort: Effort) -> Vec<String> {
        let Effort { from, simulated, real } = effort;
        words(&match self {
            Self::Sim => {
                let release = "run --release -- --no-shrink";
                format!("{release} --schedules {simulated} --from {from}")
            }
            Self::Chaos => {
                let release = "run --release -p chaos -- run --jobs 2";
                format!("{release} --schedules {real} --from {from}")
            }
            Self::Parity => "test -p distlock-runtime --lib memory::tests".to_owned(),
            Self::Units => "test -p distlock-runtime --lib".to_owned(),
            Self::Shuttle | Self::Loom => "test".to_owned(),
            Self::Fuzz => {
                "test -p distlock-runtime -p distlock-macros --lib -- random byzantine wire::tests"
                    .to_owned()
            }
        })
    }

    /// Reads the outcome.
    pub fn read(self, passed: bool, output: &str) -> Outcome {
        match self {
            Self::Sim | Self::Chaos => outcome::of_schedules(passed, output),
            Self::Parity | Self::Shuttle | Self::Loom | Self::Fuzz | Self::Units => {
                outcome::of_tests(passed, output)
            }
        }
    }

    /// Whether the output so far holds a detection, so that the rest of the suite need not run.
    pub const fn is_detected(self) -> fn(&str) -> bool {
        match self {
            Self::Sim | Self::Chaos => |_| false,
            Self::Parity | Self::Shuttle | Self::Loom | Self::Fuzz | Self::Units => {
                outcome::has_failed_test
            }
        }
    }

    /// Reads the outcome of a suite that reached the time limit.
    pub fn read_at_the_limit(self, output: &str) -> Outcome {
        match self {
            Self::Sim | Self::Chaos => Outcome::Unclear,
            Self::Parity | Self::Shuttle | Self::Loom | Self::Fuzz | Self::Units => {
                outcome::of_hanging_tests(output)
            }
        }
    }

    /// The number of schedules, for suites that run schedules.
    pub const fn schedules(self, effort: Effort) -> Option<u64> {
        match self {
            Self::Sim => Some(effort.simulated),
            Self::Chaos => Some(effort.real),
            Self::Parity | Self::Shuttle | Self::Loom | Self::Fuzz | Self::Units => None,
        }
    }

    /// The folders whose changes invalidate a result.
    pub const fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Sim => &["lock-runtime/src", "verification/checker", "verification/models/sim"],
            Self::Parity | Self::Units => &["lock-runtime", "testkit"],
            Self::Shuttle => &["lock-runtime/src", "verification/models/shuttle"],
            Self::Loom => &["lock-runtime/src", "verification/models/loom"],
            Self::Fuzz => &["lock-runtime", "lock-macros", "testkit"],
            Self::Chaos => &[
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
mod tests;
