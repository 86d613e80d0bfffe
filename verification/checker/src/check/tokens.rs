//! Tokens rise in the real-time order of grants, and are distinct.
//!
//! `Entered` is dated when the hold was already true, perhaps long after the grant, so what is implied is this. Of two outer
//! grants A and B of a key:
//!
//! - in any run, if A entered before B was asked for, A was granted before B, and A's token is the lower one;
//! - in a lossless run, if A entered before B did, and B entered while it was still valid, A was granted before B too: had B
//!   been granted first, A could only have been granted after B's end, which is after B's entry, and so have entered later.
//!
//! A grant that is seen only after it has run out, as happens in a paused process, is ordered by the first rule alone.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

/// The highest token so far, and since when.
struct Peak {
    at: Nanos,
    fence: u64,
    request: u32,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    let mut peaks = Vec::new();
    for key in 0..findings.run.keys.len() {
        if !rises(findings, key, &mut peaks) {
            distinct(findings, key);
        }
    }
}

/// Checks the order; whether each token was higher than all before, which makes them distinct.
fn rises(findings: &mut Findings<'_>, key: usize, peaks: &mut Vec<Peak>) -> bool {
    let run = findings.run;
    let mut all = true;
    peaks.clear();
    for &request in run.outer(key) {
        let (life, hold) = (run.life(request), run.hold(request));
        let ordered = findings.rules.lossless && hold.at < hold.until;
        let since = if ordered { hold.at } else { life.asked };
        let risen = peaks.last().is_none_or(|peak| peak.fence < hold.fence);
        if risen {
            peaks.push(Peak { at: hold.at, fence: hold.fence, request });
        } else {
            all = false;
            let before = peaks.partition_point(|peak| peak.at < since);
            let peak = before.checked_sub(1).map(|last| &peaks[last]);
            if let Some(peak) = peak.filter(|peak| peak.fence > hold.fence) {
                falls(findings, peak.request, request);
            }
        }
    }
    all
}

fn falls(findings: &mut Findings<'_>, earlier: u32, later: u32) {
    let run = findings.run;
    let (first, second) = (run.hold(earlier), run.hold(later));
    let text = format!(
        "key {}: {} entered at {} under token {}, though {} had entered at {} under token {}",
        run.keys[run.life(later).key as usize],
        run.who(later),
        run.moment(second.at),
        second.fence,
        run.who(earlier),
        run.moment(first.at),
        first.fence,
    );
    findings.add(Property::TokensRise, second.at, &[earlier, later], text);
}

fn distinct(findings: &mut Findings<'_>, key: usize) {
    let run = findings.run;
    let mut sorted = run.outer(key).to_vec();
    sorted.sort_by_key(|request| run.hold(*request).fence);
    for pair in sorted.windows(2) {
        let (first, second) = (run.hold(pair[0]), run.hold(pair[1]));
        if first.fence == second.fence {
            let text = format!(
                "key {}: {} entered at {} and {} at {}, both under token {}",
                run.keys[key],
                run.who(pair[0]),
                run.moment(first.at),
                run.who(pair[1]),
                run.moment(second.at),
                first.fence,
            );
            findings.add(Property::TokensDistinct, second.at, pair, text);
        }
    }
}
