//! A re-entry is into a hold that exists, with its token. Re-entries into the same hold do not
//! overlap.
//!
//! An inner section is over when it is released, or when the outermost hold has ended.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    // For each hold, the inner section that ends last so far.
    let mut last: Vec<Option<(Nanos, u32)>> = Vec::new();
    for &inner in &run.acquired {
        let Some(outer) = run.hold(inner).outer else { continue };
        check_outer(findings, outer, inner);
        last.resize(run.requests.len(), None);
        check_siblings(findings, &mut last[outer as usize], inner);
    }
}

fn check_outer(findings: &mut Findings<'_>, outer: u32, inner: u32) {
    let run = findings.run;
    let (outer_hold, hold) = (run.hold(outer), run.hold(inner));
    let released = outer_hold.released.filter(|released| *released < hold.at);
    if hold.fence == outer_hold.fence && released.is_none() {
        return;
    }
    let but = match released {
        Some(released) => format!("which had been released at {}", run.time(released)),
        None => format!("which has token {}", outer_hold.fence),
    };
    let text = format!(
        "{} re-entered the hold of {} at {} with token {}, {but}",
        run.who(inner),
        run.who(outer),
        run.time(hold.at),
        hold.fence,
    );
    findings.add(Property::Reentry, hold.at, &[outer, inner], text);
}

fn check_siblings(findings: &mut Findings<'_>, last: &mut Option<(Nanos, u32)>, inner: u32) {
    let run = findings.run;
    let hold = run.hold(inner);
    let end = hold.released.unwrap_or(Nanos::MAX).min(run.end_of(hold.root));
    if let Some((until, sibling)) = last.filter(|(until, _)| *until > hold.at) {
        let text = format!(
            "{} entered at {} while {}, inside the same hold, was running from {} until {}",
            run.who(inner),
            run.time(hold.at),
            run.who(sibling),
            run.time(run.hold(sibling).at),
            run.time(until),
        );
        findings.add(Property::SiblingExclusion, hold.at, &[sibling, inner], text);
    }
    if last.is_none_or(|(until, _)| until < end) {
        *last = Some((end, inner));
    }
}
