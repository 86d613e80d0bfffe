//! The checks, one file for each kind of property.

mod bypass;
mod counter;
mod deadlines;
mod exclusion;
mod fenwick;
mod kept;
mod leaks;
mod loss;
mod reentry;
mod register;
mod takeover;
mod tokens;

use crate::event::{Event, Nanos};
use crate::property::Property;
use crate::report::Report;
use crate::rules::Rules;
use crate::timeline::Timeline;
use crate::violation::Violation;

/// Checks the history of one run. The events may come in any order.
#[must_use]
pub fn check(events: &[Event], rules: &Rules) -> Report {
    let mut run = Timeline::new(events, rules);
    let violations = std::mem::take(&mut run.malformed);
    let report = Report { events: events.len() as u64, violations, ..Report::default() };
    let mut findings = Findings { run: &run, rules, report };
    findings.count();
    tokens::check(&mut findings);
    reentry::check(&mut findings);
    exclusion::check(&mut findings);
    register::check(&mut findings);
    counter::check(&mut findings);
    deadlines::check(&mut findings);
    loss::check(&mut findings);
    kept::check(&mut findings);
    takeover::check(&mut findings);
    bypass::check(&mut findings);
    leaks::check(&mut findings);
    findings.report.violations.sort_by_key(|violation| violation.at);
    findings.report
}

struct Findings<'a> {
    run: &'a Timeline<'a>,
    rules: &'a Rules,
    report: Report,
}

impl Findings<'_> {
    /// Adds a violation. `requests` are indices of the timeline.
    fn add(&mut self, property: Property, at: Nanos, requests: &[u32], text: String) {
        let requests = self.run.names(requests);
        self.report.violations.push(Violation { property, at, text, requests });
    }

    fn count(&mut self) {
        let report = &mut self.report;
        report.requests = self.run.requests.len() as u64;
        for record in &self.run.requests {
            if let Some(hold) = &record.hold {
                report.reentries += u64::from(hold.outer.is_some());
                report.pairs += u64::from(hold.outer.is_none() && hold.released.is_some());
                report.losses += u64::from(hold.outer.is_none() && hold.loss_reported.is_some());
            } else if let Some(end) = &record.end {
                report.cancelled += u64::from(end.cancelled);
                report.refusals += u64::from(!end.cancelled);
            }
        }
    }
}
