//! The checks, one file for each kind of property.

mod counter;
mod deadlines;
mod fenwick;
mod leftover;
mod order;
mod reentry;
mod register;
mod takeover;
mod tokens;
mod told;
mod validity;

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
    validity::check(&mut findings);
    register::check(&mut findings);
    counter::check(&mut findings);
    deadlines::check(&mut findings);
    told::check(&mut findings);
    takeover::check(&mut findings);
    order::check(&mut findings);
    leftover::check(&mut findings);
    findings.report.violations.sort_by_key(|violation| violation.at);
    findings.report
}

/// What the checks read, and what they have found.
struct Findings<'a> {
    run: &'a Timeline<'a>,
    rules: &'a Rules,
    report: Report,
}

impl Findings<'_> {
    /// Notes a violation that is about requests of these indices.
    fn add(&mut self, property: Property, at: Nanos, requests: &[u32], text: String) {
        let requests = self.run.names(requests);
        self.report.violations.push(Violation { property, at, text, requests });
    }

    fn count(&mut self) {
        let report = &mut self.report;
        report.requests = self.run.lives.len() as u64;
        for life in &self.run.lives {
            if let Some(hold) = &life.hold {
                report.reentries += u64::from(hold.within.is_some());
                report.pairs += u64::from(hold.within.is_none() && hold.left.is_some());
                report.losses += u64::from(hold.within.is_none() && hold.told.is_some());
            } else if let Some(end) = &life.end {
                report.cancelled += u64::from(end.cancelled);
                report.refusals += u64::from(!end.cancelled);
            }
        }
    }
}
