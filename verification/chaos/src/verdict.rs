use std::collections::BTreeSet;
use std::fmt;

use checker::{Event, Nanos, Trace, Violation};

use crate::trial::Outcome;

/// Prints counts, and a trace of the events around each violation.
pub struct Verdict<'a>(pub &'a Outcome);

/// How many violations are traced.
const DETAILED: usize = 3;
/// How much of the history before and after a violation is printed.
const CONTEXT: Nanos = 30_000_000;
const MAX_LINES: usize = 120;

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outcome, report) = (self.0, &self.0.report);
        writeln!(
            f,
            "{} pairs, {} re-entries, {} cancelled, refused {:?}, {} losses, {} double holds, {} \
             faults with an effect",
            report.pairs,
            report.reentries,
            report.cancelled,
            outcome.refusals,
            report.losses,
            report.double_holds,
            outcome.faults.len(),
        )?;
        for violation in &outcome.known {
            writeln!(f, "documented exception: {violation}")?;
        }
        for violation in &report.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        for violation in report.violations.iter().take(DETAILED) {
            self.trace(f, violation)?;
        }
        Ok(())
    }
}

impl Verdict<'_> {
    /// Prints the events of its requests, and all faults before its end.
    fn trace(&self, f: &mut fmt::Formatter<'_>, violation: &Violation) -> fmt::Result {
        writeln!(f, "\nEvents around “{violation}”, seed {}:", self.0.schedule.seed)?;
        let events: Vec<Event> =
            self.0.history.iter().filter(|event| concerns(event, violation)).cloned().collect();
        let trace = Trace::new(&events).highlight(&violation.requests).to_string();
        let lines: Vec<&str> = trace.lines().collect();
        let from = lines.len().saturating_sub(MAX_LINES);
        lines[from..].iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn concerns(event: &Event, violation: &Violation) -> bool {
    let requests: BTreeSet<_> = violation.requests.iter().collect();
    let near = event.at.abs_diff(violation.at) < CONTEXT;
    let whole_run = history_request(event).is_none_or(|request| requests.contains(&request));
    event.at < violation.at + CONTEXT && (whole_run || near && violation.requests.is_empty())
}

fn history_request(event: &Event) -> Option<u64> {
    event.kind.request()
}
