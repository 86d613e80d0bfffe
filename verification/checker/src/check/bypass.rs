//! Later requests bypass a waiter at most as often as the bound.
//!
//! A request is bypassed by each outermost grant of its key that was requested after the request
//! was known to be queued, and acquired before the request ended. A request whose process crashed
//! or was paused meanwhile is exempt.

use super::Findings;
use super::fenwick::Fenwick;
use crate::event::Nanos;
use crate::property::Property;

/// A request that may have been bypassed too often.
struct Suspect {
    request: u32,
    queued: Nanos,
    until: Nanos,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    let Some(bound) = findings.rules.max_bypass else { return };
    let mut suspects = suspects(findings, bound);
    if suspects.is_empty() {
        return;
    }
    suspects.sort_by_key(|suspect| (findings.run.request(suspect.request).key, suspect.until));
    let mut later_grants = Fenwick::new(findings.run.requests.len());
    for of_key in suspects.chunk_by(|one, other| {
        findings.run.request(one.request).key == findings.run.request(other.request).key
    }) {
        count(findings, of_key, &mut later_grants, bound);
    }
}

/// The requests that saw more grants than the bound, from any request.
fn suspects(findings: &Findings<'_>, bound: u32) -> Vec<Suspect> {
    let run = findings.run;
    let mut suspects = Vec::new();
    for (request, record) in (0..).zip(&run.requests) {
        let Some(queued) = record.queued else { continue };
        let until = record.settled().unwrap_or(run.end);
        let grants = run.outermost(record.key as usize);
        let entered_before = |at| grants.partition_point(|grant| run.hold(*grant).at < at);
        let crashed = run.crash(record).is_some_and(|crash| crash <= until);
        if entered_before(until) - entered_before(queued) > bound as usize
            && !crashed
            && !run.process(record).was_paused(queued, until)
        {
            suspects.push(Suspect { request, queued, until });
        }
    }
    suspects
}

/// Counts for the suspects of one key, in order of their ends, how many of the grants were
/// requested later.
fn count(
    findings: &mut Findings<'_>,
    suspects: &[Suspect],
    later_grants: &mut Fenwick,
    bound: u32,
) {
    let run = findings.run;
    let grants = run.outermost(run.request(suspects[0].request).key as usize);
    let mut marked = 0;
    for suspect in suspects {
        while let Some(&grant) =
            grants.get(marked).filter(|grant| run.hold(**grant).at < suspect.until)
        {
            later_grants.mark(grant as usize);
            marked += 1;
        }
        // Requests are sorted by the time they were made.
        let requested_before =
            run.requests.partition_point(|record| record.requested <= suspect.queued);
        let entered = u32::try_from(marked).expect("fewer requests than 2^32");
        let bypasses = entered - later_grants.below(requested_before);
        if bypasses > bound {
            add_violation(findings, suspect, bypasses, bound);
        }
    }
    for &grant in &grants[..marked] {
        later_grants.unmark(grant as usize);
    }
}

fn add_violation(findings: &mut Findings<'_>, suspect: &Suspect, bypasses: u32, bound: u32) {
    let run = findings.run;
    let text = format!(
        "{} was queued for key {} from {} until {}, and bypassed by {bypasses} later requests, \
         more than {bound}",
        run.who(suspect.request),
        run.keys[run.request(suspect.request).key as usize],
        run.time(suspect.queued),
        run.time(suspect.until),
    );
    findings.add(Property::BoundedBypass, suspect.until, &[suspect.request], text);
}
