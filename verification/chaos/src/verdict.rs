//! What came of a schedule, for people.

use std::collections::BTreeSet;
use std::fmt;

use checker::{Event, Nanos, Trace, Violation};

use crate::trial::Outcome;

/// Prints counts, and of each violation what happened around it.
pub struct Verdict<'a>(pub &'a Outcome);

/// How many violations are told in full.
const TOLD: usize = 3;
/// How much is told before and after one.
const AROUND: Nanos = 30_000_000;
/// How many lines at the most.
const LINES: usize = 120;

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outcome, report) = (self.0, &self.0.report);
        writeln!(
            f,
            "{} pairs, {} re-entries, {} cancelled, refused {:?}, {} told of a loss, {} double holds, {} faults done",
            report.pairs,
            report.reentries,
            report.cancelled,
            outcome.refusals,
            report.losses,
            report.double_holds,
            outcome.faults.len(),
        )?;
        for violation in &outcome.known {
            writeln!(f, "known: {violation}")?;
        }
        for violation in &report.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        for violation in report.violations.iter().take(TOLD) {
            self.tell(f, violation)?;
        }
        Ok(())
    }
}

impl Verdict<'_> {
    /// What its requests did, and all faults before the end of it.
    fn tell(&self, f: &mut fmt::Formatter<'_>, violation: &Violation) -> fmt::Result {
        writeln!(f, "\nAround “{violation}”, seed {}:", self.0.schedule.seed)?;
        let told: Vec<Event> =
            self.0.history.iter().filter(|event| concerns(event, violation)).cloned().collect();
        let story = Trace::new(&told).highlight(&violation.requests).to_string();
        let lines: Vec<&str> = story.lines().collect();
        let from = lines.len().saturating_sub(LINES);
        lines[from..].iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn concerns(event: &Event, violation: &Violation) -> bool {
    let requests: BTreeSet<_> = violation.requests.iter().collect();
    let near = event.at.abs_diff(violation.at) < AROUND;
    let whole_run = history_request(event).is_none_or(|request| requests.contains(&request));
    event.at < violation.at + AROUND && (whole_run || near && violation.requests.is_empty())
}

fn history_request(event: &Event) -> Option<u64> {
    event.kind.request()
}
