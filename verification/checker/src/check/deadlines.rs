//! Every acquire ends by its deadline plus slack, and with a hold where that is sure.
//!
//! While its process stands still nothing is asked of it: a pause that is on when the end is due moves that to the resumption
//! plus slack. A process that crashed before the end was due owes none. A request without a deadline has to end some time.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    for index in 0..findings.run.lives.len() {
        let index = u32::try_from(index).expect("fewer requests than 2^32");
        ends(findings, index);
        is_had(findings, index);
    }
}

fn ends(findings: &mut Findings<'_>, index: u32) {
    let run = findings.run;
    let (life, slack) = (run.life(index), findings.rules.slack);
    let waited = run.waited_until(life);
    let due = match life.deadline {
        Some(deadline) => run.process(life).due(deadline.saturating_add(slack), slack),
        None if run.process(life).stands_still() => None,
        None => Some(Nanos::MAX),
    };
    let Some(due) = due else { return };
    if waited.is_some_and(|until| until <= due) {
        return;
    }
    let by = life.deadline.map_or_else(String::new, |deadline| {
        format!(", to be answered by {}", run.moment(deadline))
    });
    let but = match waited {
        Some(until) => format!("waited until {}", run.moment(until)),
        None => format!("still waits at the end, {}", run.moment(run.end)),
    };
    let text = format!(
        "{} asked for key {} at {}{by}, and {but}",
        run.who(index),
        run.keys[life.key as usize],
        run.moment(life.asked),
    );
    findings.add(Property::Deadline, waited.unwrap_or(run.end), &[index], text);
}

fn is_had(findings: &mut Findings<'_>, index: u32) {
    let run = findings.run;
    let life = run.life(index);
    let Some(end) = life.end.as_ref().filter(|_| life.surely) else { return };
    if run.process(life).stood_still(life.asked, end.at) {
        return;
    }
    let text = format!(
        "{} was sure to have key {} but was {} at {}",
        run.who(index),
        run.keys[life.key as usize],
        if end.cancelled { "cancelled" } else { "refused" },
        run.moment(end.at),
    );
    findings.add(Property::Surely, end.at, &[index], text);
}
