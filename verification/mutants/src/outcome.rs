//! What a suite said, read from its exit code and its output.

use serde::{Deserialize, Serialize};

/// What came of running a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It found nothing.
    Passed,
    /// It found the bug.
    Killed(Kill),
    /// It ended in a way that says nothing about the bug.
    Unclear,
}

/// How a bug was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// Which property was violated, or which test failed.
    pub by: String,
    /// In which schedule, where there are any, and the how manieth it was.
    pub schedule: Option<Schedule>,
}

/// One run of many, from one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Replays it.
    pub seed: u64,
    /// How many were run up to it.
    pub after: u64,
}

impl Kill {
    /// Found by something that knows no schedules.
    pub fn by(what: impl Into<String>) -> Self {
        Self { by: what.into(), schedule: None }
    }
}

/// Reads the output of a suite of schedules.
pub fn of_schedules(passed: bool, output: &str) -> Outcome {
    if passed {
        return Outcome::Passed;
    }
    let violation = output.lines().find_map(|line| violation(line).or_else(|| violations(line)));
    violation.or_else(|| panic(output)).map_or(Outcome::Unclear, Outcome::Killed)
}

/// Reads the output of `cargo test`.
pub fn of_tests(passed: bool, output: &str) -> Outcome {
    if passed {
        return Outcome::Passed;
    }
    let failed: Vec<&str> = output.lines().filter_map(failed_test).collect();
    let kill = match failed[..] {
        [] => panic(output),
        [only] => Some(Kill::by(only)),
        [first, ref others @ ..] => Some(Kill::by(format!("{first} and {} more", others.len()))),
    };
    kill.map_or(Outcome::Unclear, Outcome::Killed)
}

/// `violation: seed <seed>, property <name>, after <n> schedules`
fn violation(line: &str) -> Option<Kill> {
    let rest = line.trim().strip_prefix("violation: seed ")?;
    let (seed, rest) = rest.split_once(", property ")?;
    let (property, after) = rest.rsplit_once(", after ")?;
    let after = after.split(' ').next()?.parse().ok()?;
    let schedule = Schedule { seed: seed.parse().ok()?, after };
    Some(Kill { by: property.to_owned(), schedule: Some(schedule) })
}

/// `VIOLATIONS: <count> in seed <seed>`: all schedules of the real servers are run before they are told.
fn violations(line: &str) -> Option<Kill> {
    let rest = line.trim().strip_prefix("VIOLATIONS: ")?;
    let (count, seed) = rest.split_once(" in seed ")?;
    Some(Kill::by(format!("{count} violations in seed {seed}")))
}

/// The library checks itself too: what it panics on is found.
fn panic(output: &str) -> Option<Kill> {
    let line = output.lines().find(|line| line.contains("panicked at "))?;
    let place = line.split("panicked at ").nth(1)?;
    let place = of_package(place).trim_end_matches(':');
    Some(Kill::by(format!("panic at {place}")))
}

/// A place in another package, without where this machine keeps that.
fn of_package(place: &str) -> &str {
    let kept = place.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    kept.map_or(place, |(_, place)| place)
}

/// `test <name> ... FAILED`
fn failed_test(line: &str) -> Option<&str> {
    line.trim().strip_prefix("test ")?.strip_suffix(" ... FAILED").map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_told_with_its_property_and_its_schedule() {
        let output = "12 processes\nviolation: seed 4711, property exclusive, after 12 schedules\n";
        let schedule = Some(Schedule { seed: 4711, after: 12 });
        let kill = Kill { by: "exclusive".into(), schedule };
        assert_eq!(of_schedules(false, output), Outcome::Killed(kill));
    }

    #[test]
    fn violations_on_real_servers_are_told_with_their_seed() {
        let output = "          40  schedules\nVIOLATIONS: 3 in seed 7\n";
        let kill = Kill::by("3 violations in seed 7");
        assert_eq!(of_schedules(false, output), Outcome::Killed(kill));
    }

    #[test]
    fn a_property_may_have_several_words() {
        let line = "violation: seed 0, property told, after a loss, after 1 schedules";
        assert_eq!(violation(line).unwrap().by, "told, after a loss");
    }

    #[test]
    fn what_passed_found_nothing_and_what_failed_without_a_word_says_nothing() {
        assert_eq!(of_schedules(true, ""), Outcome::Passed);
        assert_eq!(of_tests(true, "test a ... ok"), Outcome::Passed);
        assert_eq!(of_schedules(false, "error: no such argument"), Outcome::Unclear);
        assert_eq!(of_tests(false, "error: no such package"), Outcome::Unclear);
        assert_eq!(of_schedules(false, "violation: seed x, property y"), Outcome::Unclear);
    }

    #[test]
    fn failed_tests_are_told_by_name() {
        let output = "test a::b ... ok\ntest a::c ... FAILED\ntest a::d ... FAILED\nfailures:\n";
        assert_eq!(of_tests(false, output), Outcome::Killed(Kill::by("a::c and 1 more")));
        let output = "test a::c ... FAILED\n";
        assert_eq!(of_tests(false, output), Outcome::Killed(Kill::by("a::c")));
    }

    #[test]
    fn a_panic_in_another_package_is_told_without_where_that_is_kept() {
        let output =
            "panicked at /home/a/registry/src/index-1/loom-0.7/src/rt.rs:215:13:\ndeadlock";
        assert_eq!(panic(output), Some(Kill::by("panic at loom-0.7/src/rt.rs:215:13")));
    }

    #[test]
    fn a_panic_kills_too() {
        let output = "thread 'main' (12) panicked at src/queue/line.rs:299:36:\na block has\n";
        let kill = Kill::by("panic at src/queue/line.rs:299:36");
        assert_eq!(of_schedules(false, output), Outcome::Killed(kill.clone()));
        assert_eq!(of_tests(false, output), Outcome::Killed(kill));
    }
}
