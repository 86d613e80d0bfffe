//! Every acquire ends by its deadline plus slack, and with a hold where that is certain.
//!
//! A paused process meets no deadlines: if it is paused when the end is due, the end is due at the
//! resumption plus slack. A process that stalls has the slack beside its stalls. One that crashed
//! before the end was due is exempt. A request without a deadline has to end eventually.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    for index in 0..findings.run.requests.len() {
        let index = u32::try_from(index).expect("fewer requests than 2^32");
        check_deadline(findings, index);
        check_must_succeed(findings, index);
    }
}

fn check_deadline(findings: &mut Findings<'_>, index: u32) {
    let run = findings.run;
    let (record, slack) = (run.request(index), findings.rules.slack);
    let waited = run.waited_until(record);
    let due = match record.deadline {
        Some(deadline) => run.process(record).due(deadline, slack),
        None if run.process(record).is_paused() => None,
        None => Some(Nanos::MAX),
    };
    let Some(due) = due else { return };
    if waited.is_some_and(|until| until <= due) {
        return;
    }
    let deadline = record
        .deadline
        .map_or_else(String::new, |deadline| format!(", with deadline {}", run.time(deadline)));
    let actual = match waited {
        Some(until) => format!("waited until {}", run.time(until)),
        None => format!("still waits at the end of the run, {}", run.time(run.end)),
    };
    let text = format!(
        "{} requested key {} at {}{deadline}, and {actual}",
        run.who(index),
        run.keys[record.key as usize],
        run.time(record.requested),
    );
    findings.add(Property::Deadline, waited.unwrap_or(run.end), &[index], text);
}

fn check_must_succeed(findings: &mut Findings<'_>, index: u32) {
    let run = findings.run;
    let record = run.request(index);
    let Some(end) = record.end.as_ref().filter(|_| record.must_succeed) else { return };
    if run.process(record).was_paused(record.requested, end.at) {
        return;
    }
    let text = format!(
        "{} was certain to get key {} but was {} at {}",
        run.who(index),
        run.keys[record.key as usize],
        if end.cancelled { "cancelled" } else { "refused" },
        run.time(end.at),
    );
    findings.add(Property::MustSucceed, end.at, &[index], text);
}
