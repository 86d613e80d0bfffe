//! Reads the outcome of a suite from its exit code and output.

use serde::{Deserialize, Serialize};

/// The outcome of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Detected(Detection),
    /// The suite failed without a test failure, a violation or a panic.
    Unclear,
}

/// How a mutant was detected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// The violated property or the failed test.
    pub by: String,
    /// The schedule, for suites that run schedules.
    pub schedule: Option<Schedule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub seed: u64,
    /// How many schedules ran up to this one.
    pub after: u64,
}

impl Detection {
    /// A detection without a schedule.
    pub fn by(name: impl Into<String>) -> Self {
        Self { by: name.into(), schedule: None }
    }
}

/// Reads the output of a suite of schedules.
pub fn of_schedules(passed: bool, output: &str) -> Outcome {
    if passed {
        return Outcome::Passed;
    }
    let violation = output.lines().find_map(|line| violation(line).or_else(|| violations(line)));
    violation.or_else(|| panic(output)).map_or(Outcome::Unclear, Outcome::Detected)
}

/// Reads the output of `cargo test`.
pub fn of_tests(passed: bool, output: &str) -> Outcome {
    if passed {
        return Outcome::Passed;
    }
    let failed = output.lines().find_map(failed_test).map(Detection::by);
    failed.or_else(|| panic(output)).map_or(Outcome::Unclear, Outcome::Detected)
}

/// Whether a test has failed in the output of `cargo test` so far.
pub fn has_failed_test(output: &str) -> bool {
    output.lines().any(|line| failed_test(line).is_some())
}

/// Reads the output of `cargo test` at the time limit. A suite that is slow on a busy machine has
/// detected nothing; a test that has not ended for a minute has.
pub fn of_hanging_tests(output: &str) -> Outcome {
    let has_ended = |test: &str| {
        let prefix = format!("test {test} ... ");
        output.lines().any(|line| line.starts_with(&prefix))
    };
    let hanging = output.lines().filter_map(slow_test).find(|test| !has_ended(test));
    hanging.map_or(Outcome::Unclear, |test| {
        Outcome::Detected(Detection::by(format!("{test} does not end")))
    })
}

/// `violation: seed <seed>, property <name>, after <n> schedules`
fn violation(line: &str) -> Option<Detection> {
    let rest = line.trim().strip_prefix("violation: seed ")?;
    let (seed, rest) = rest.split_once(", property ")?;
    let (property, after) = rest.rsplit_once(", after ")?;
    let after = after.split(' ').next()?.parse().ok()?;
    let schedule = Schedule { seed: seed.parse().ok()?, after };
    Some(Detection { by: property.to_owned(), schedule: Some(schedule) })
}

/// `VIOLATIONS: <count> in seed <seed>`
fn violations(line: &str) -> Option<Detection> {
    let rest = line.trim().strip_prefix("VIOLATIONS: ")?;
    let (count, seed) = rest.split_once(" in seed ")?;
    Some(Detection::by(format!("{count} violations in seed {seed}")))
}

/// A panic of the library is a detection, too.
fn panic(output: &str) -> Option<Detection> {
    let line = output.lines().find(|line| line.contains("panicked at "))?;
    let place = line.split("panicked at ").nth(1)?;
    let place = of_package(place).trim_end_matches(':');
    Some(Detection::by(format!("panic at {place}")))
}

/// A location without the path of the registry on this machine.
fn of_package(place: &str) -> &str {
    let cached = place.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    cached.map_or(place, |(_, place)| place)
}

/// `test <name> ... FAILED`
fn failed_test(line: &str) -> Option<&str> {
    line.trim().strip_prefix("test ")?.strip_suffix(" ... FAILED").map(str::trim)
}

/// `test <name> has been running for over 60 seconds`
fn slow_test(line: &str) -> Option<&str> {
    line.trim().strip_prefix("test ")?.strip_suffix(" has been running for over 60 seconds")
}

#[cfg(test)]
mod tests;
