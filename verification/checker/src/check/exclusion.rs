//! Holds of different owners are never valid at once.
//!
//! A hold, with all its re-entries, is valid from `Acquired` to the earliest of: the last
//! `Released` inside it, the first `LossReported` inside it, the crash of its process, and the
//! latest instant that `Acquired` and `Extended` have recorded. It counts as valid up to that
//! instant even where `Extended` came late, because the server has confirmed the extension.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    let run = findings.run;
    for key in 0..run.keys.len() {
        let mut last: Option<(Nanos, u32)> = None;
        for &request in run.outermost(key) {
            let (from, end) = (run.hold(request).at, run.end_of(request));
            if from >= end {
                continue;
            }
            if let Some((until, holder)) = last.filter(|(until, _)| *until > from) {
                overlap(findings, holder, until, request);
            }
            if last.is_none_or(|(until, _)| until < end) {
                last = Some((end, request));
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
        "key {}: {} acquired at {} with token {} while the hold of {} with token {} was valid, \
         from {} until {}",
        run.keys[run.request(request).key as usize],
        run.who(request),
        run.time(second.at),
        second.fence,
        run.who(holder),
        first.fence,
        run.time(first.at),
        run.time(until),
    );
    findings.add(Property::MutualExclusion, second.at, &[holder, request], text);
}
