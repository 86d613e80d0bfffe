//! A holder whose lock is lost is told by its own deadline, for good.
//!
//! The deadline is the latest instant that `Entered` and `Valid` have named inside the hold. By then, plus slack, the hold is
//! left or somebody inside it is told; pauses and crashes excuse as they do for acquires. Nothing makes a lost hold valid again.

use super::Findings;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    for &request in &run.entered {
        if run.hold(request).root == request {
            in_time(findings, request);
        }
    }
    for &(at, request) in &run.revived {
        let text = format!(
            "{} was valid again at {} though it was told that it is lost",
            run.who(request),
            run.moment(at),
        );
        findings.add(Property::Told, at, &[request], text);
    }
}

fn in_time(findings: &mut Findings<'_>, request: u32) {
    let run = findings.run;
    let (life, hold, slack) = (run.life(request), run.hold(request), findings.rules.slack);
    let left = (hold.inside == 0).then_some(hold.all_left);
    let ends = [left, hold.told, run.crash(life)];
    let ended = ends.into_iter().flatten().min();
    if ended.is_some_and(|ended| ended <= hold.until) {
        return;
    }
    let Some(due) = run.process(life).due(hold.until.saturating_add(slack), slack) else { return };
    if ended.is_some_and(|ended| ended <= due) {
        return;
    }
    let before =
        ended.map_or_else(|| "at all".to_owned(), |ended| format!("before {}", run.moment(ended)));
    let text = format!(
        "{} held key {} until {} and was not told that this was over {before}",
        run.who(request),
        run.keys[life.key as usize],
        run.moment(hold.until),
    );
    findings.add(Property::Told, due.min(run.end), &[request], text);
}
