//! Holds of different owners are never valid at once.
//!
//! A hold, with all that re-enters it, is valid from `Entered` to the earliest of: the last `Left` inside it, the first `Lost`
//! inside it, its process's crash, and the latest instant that `Entered` and `Valid` have named. It counts as valid up to that
//! instant also where `Valid` came late: whoever says so has seen the server confirm it.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    for key in 0..run.keys.len() {
        let mut last: Option<(Nanos, u32)> = None;
        for &request in run.outer(key) {
            let (from, over) = (run.hold(request).at, run.over(request));
            if from >= over {
                continue;
            }
            if let Some((until, holder)) = last.filter(|(until, _)| *until > from) {
                overlap(findings, holder, until, request);
            }
            if last.is_none_or(|(until, _)| until < over) {
                last = Some((over, request));
            }
        }
    }
}

fn overlap(findings: &mut Findings<'_>, holder: u32, until: Nanos, request: u32) {
    if !findings.rules.lossless {
        findings.report.double_holds += 1;
        return;
    }
    let run = findings.run;
    let (first, second) = (run.hold(holder), run.hold(request));
    let text = format!(
        "key {}: {} entered at {} under token {} while the hold of {} under token {} was valid, from {} until {}",
        run.keys[run.life(request).key as usize],
        run.who(request),
        run.moment(second.at),
        second.fence,
        run.who(holder),
        first.fence,
        run.moment(first.at),
        run.moment(until),
    );
    findings.add(Property::Disjoint, second.at, &[holder, request], text);
}
