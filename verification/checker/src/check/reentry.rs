//! A re-entry is into a hold that is there, under its token; those into the same hold take turns.
//!
//! A section inside another is over when it is left, or when the hold around it has ended for all.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    // The section inside each hold that lasts longest so far, by the index of the hold.
    let mut last: Vec<Option<(Nanos, u32)>> = Vec::new();
    for &inner in &run.entered {
        let Some(outer) = run.hold(inner).within else { continue };
        into_live_hold(findings, outer, inner);
        last.resize(run.lives.len(), None);
        take_turns(findings, &mut last[outer as usize], inner);
    }
}

fn into_live_hold(findings: &mut Findings<'_>, outer: u32, inner: u32) {
    let run = findings.run;
    let (around, hold) = (run.hold(outer), run.hold(inner));
    let left = around.left.filter(|left| *left < hold.at);
    if hold.fence == around.fence && left.is_none() {
        return;
    }
    let but = match left {
        Some(left) => format!("which had been left at {}", run.moment(left)),
        None => format!("which has token {}", around.fence),
    };
    let text = format!(
        "{} re-entered the hold of {} at {} under token {}, {but}",
        run.who(inner),
        run.who(outer),
        run.moment(hold.at),
        hold.fence,
    );
    findings.add(Property::Reentry, hold.at, &[outer, inner], text);
}

fn take_turns(findings: &mut Findings<'_>, last: &mut Option<(Nanos, u32)>, inner: u32) {
    let run = findings.run;
    let hold = run.hold(inner);
    let over = hold.left.unwrap_or(Nanos::MAX).min(run.over(hold.root));
    if let Some((until, sibling)) = last.filter(|(until, _)| *until > hold.at) {
        let text = format!(
            "{} entered at {} while {}, inside the same hold, had not left: it was there from {} until {}",
            run.who(inner),
            run.moment(hold.at),
            run.who(sibling),
            run.moment(run.hold(sibling).at),
            run.moment(until),
        );
        findings.add(Property::Siblings, hold.at, &[sibling, inner], text);
    }
    if last.is_none_or(|(until, _)| until < over) {
        *last = Some((over, inner));
    }
}
