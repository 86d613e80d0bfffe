//! Tokens rise in the real-time order of grants, and are distinct.
//!
//! `Acquired` is stamped after the grant, perhaps long after it. So the order of grants is known
//! only in these cases. Let A and B be two outermost grants of a key:
//!
//! - In any run: if A was acquired before B was requested, A was granted before B, and A's token is
//!   lower.
//! - In a lossless run: if A was acquired before B, and B was still valid when it was acquired, A
//!   was granted before B. Otherwise A would have been granted after B ended, which is after B was
//!   acquired, and so A would have been acquired later than B.
//!
//! A grant that is noticed only after it has expired, as in a paused process, is ordered by the
//! first rule only.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

/// The highest token so far, and when it was acquired.
struct Peak {
    at: Nanos,
    fence: u64,
    request: u32,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    let mut peaks = Vec::new();
    for key in 0..findings.run.keys.len() {
        if !check_rising(findings, key, &mut peaks) {
            check_distinct(findings, key);
        }
    }
}

/// Checks the order. Returns whether each token was higher than all before, which implies that they
/// are distinct.
fn check_rising(findings: &mut Findings<'_>, key: usize, peaks: &mut Vec<Peak>) -> bool {
    let run = findings.run;
    let mut all = true;
    peaks.clear();
    for &request in run.outermost(key) {
        let (record, hold) = (run.request(request), run.hold(request));
        let ordered = findings.rules.lossless && hold.at < hold.until;
        let since = if ordered { hold.at } else { record.requested };
        let risen = peaks.last().is_none_or(|peak| peak.fence < hold.fence);
        if risen {
            peaks.push(Peak { at: hold.at, fence: hold.fence, request });
        } else {
            all = false;
            let before = peaks.partition_point(|peak| peak.at < since);
            let peak = before.checked_sub(1).map(|last| &peaks[last]);
            if let Some(peak) = peak.filter(|peak| peak.fence > hold.fence) {
                add_violation(findings, peak.request, request);
            }
        }
    }
    all
}

fn add_violation(findings: &mut Findings<'_>, earlier: u32, later: u32) {
    let run = findings.run;
    let (first, second) = (run.hold(earlier), run.hold(later));
    let text = format!(
        "key {}: {} acquired at {} with token {}, after {} had acquired at {} with token {}",
        run.keys[run.request(later).key as usize],
        run.who(later),
        run.time(second.at),
        second.fence,
        run.who(earlier),
        run.time(first.at),
        first.fence,
    );
    findings.add(Property::TokensRise, second.at, &[earlier, later], text);
}

fn check_distinct(findings: &mut Findings<'_>, key: usize) {
    let run = findings.run;
    let mut sorted = run.outermost(key).to_vec();
    sorted.sort_by_key(|request| run.hold(*request).fence);
    for pair in sorted.windows(2) {
        let (first, second) = (run.hold(pair[0]), run.hold(pair[1]));
        if first.fence == second.fence {
            let text = format!(
                "key {}: {} acquired at {} and {} at {}, both with token {}",
                run.keys[key],
                run.who(pair[0]),
                run.time(first.at),
                run.who(pair[1]),
                run.time(second.at),
                first.fence,
            );
            findings.add(Property::TokensDistinct, second.at, pair, text);
        }
    }
}
