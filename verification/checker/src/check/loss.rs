//! A loss is reported before the lease expires, and is permanent.
//!
//! The lease expires at the latest instant that `Acquired` and `Extended` have recorded inside the
//! hold. By then, plus slack, the hold is released or one of its users is notified. Pauses, stalls
//! and crashes exempt a holder as they do an acquire. A lost hold never becomes valid again.

use super::Findings;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    for &request in &run.acquired {
        if run.hold(request).root == request {
            check_notified(findings, request);
        }
    }
    for &(at, request) in &run.extended_after_loss {
        let text = format!(
            "{} was extended at {} after its loss was reported",
            run.who(request),
            run.time(at),
        );
        findings.add(Property::LossReported, at, &[request], text);
    }
}

fn check_notified(findings: &mut Findings<'_>, request: u32) {
    let run = findings.run;
    let (record, hold, slack) = (run.request(request), run.hold(request), findings.rules.slack);
    let released = (hold.inside == 0).then_some(hold.last_release);
    let ends = [released, hold.loss_reported, run.crash(record)];
    let ended = ends.into_iter().flatten().min();
    if ended.is_some_and(|ended| ended <= hold.until) {
        return;
    }
    let Some(due) = run.process(record).due(hold.until, slack) else {
        return;
    };
    if ended.is_some_and(|ended| ended <= due) {
        return;
    }
    let before =
        ended.map_or_else(|| "at all".to_owned(), |ended| format!("before {}", run.time(ended)));
    let text = format!(
        "{} held key {} until {} and was not notified of its loss {before}",
        run.who(request),
        run.keys[record.key as usize],
        run.time(hold.until),
    );
    findings.add(Property::LossReported, due.min(run.end), &[request], text);
}
