//! No waiter is passed over by later requests beyond the bound.
//!
//! A request is passed over by each outer grant of its key that was asked for after it was known to be queued and entered
//! before it ended. One whose process crashed or stood still meanwhile may be passed over at will.

use super::Findings;
use super::fenwick::Fenwick;
use crate::event::Nanos;
use crate::property::Property;

/// A request that may have been passed over too often.
struct Suspect {
    request: u32,
    queued: Nanos,
    until: Nanos,
}

pub(super) fn check(findings: &mut Findings<'_>) {
    let Some(bound) = findings.rules.passed_over else { return };
    let mut suspects = suspects(findings, bound);
    if suspects.is_empty() {
        return;
    }
    suspects.sort_by_key(|suspect| (findings.run.life(suspect.request).key, suspect.until));
    let mut passers = Fenwick::new(findings.run.lives.len());
    for of_key in suspects.chunk_by(|one, other| {
        findings.run.life(one.request).key == findings.run.life(other.request).key
    }) {
        count(findings, of_key, &mut passers, bound);
    }
}

/// Those that saw more grants than the bound, of whomever.
fn suspects(findings: &Findings<'_>, bound: u32) -> Vec<Suspect> {
    let run = findings.run;
    let mut suspects = Vec::new();
    for (request, life) in (0..).zip(&run.lives) {
        let Some(queued) = life.queued else { continue };
        let until = life.answered().unwrap_or(run.end);
        let grants = run.outer(life.key as usize);
        let entered_before = |at| grants.partition_point(|grant| run.hold(*grant).at < at);
        let crashed = run.crash(life).is_some_and(|crash| crash <= until);
        if entered_before(until) - entered_before(queued) > bound as usize
            && !crashed
            && !run.process(life).stood_still(queued, until)
        {
            suspects.push(Suspect { request, queued, until });
        }
    }
    suspects
}

/// Counts for the suspects of one key, in order of their ends, how many of those grants were asked for later.
fn count(findings: &mut Findings<'_>, suspects: &[Suspect], passers: &mut Fenwick, bound: u32) {
    let run = findings.run;
    let grants = run.outer(run.life(suspects[0].request).key as usize);
    let mut marked = 0;
    for suspect in suspects {
        while let Some(&grant) =
            grants.get(marked).filter(|grant| run.hold(**grant).at < suspect.until)
        {
            passers.mark(grant as usize);
            marked += 1;
        }
        // Requests are in order of when they were made.
        let asked_before = run.lives.partition_point(|life| life.asked <= suspect.queued);
        let entered = u32::try_from(marked).expect("fewer requests than 2^32");
        let passed = entered - passers.below(asked_before);
        if passed > bound {
            passed_over(findings, suspect, passed, bound);
        }
    }
    for &grant in &grants[..marked] {
        passers.unmark(grant as usize);
    }
}

fn passed_over(findings: &mut Findings<'_>, suspect: &Suspect, passed: u32, bound: u32) {
    let run = findings.run;
    let text = format!(
        "{} was queued for key {} from {} until {}, and passed over by {passed} later requests, more than {bound}",
        run.who(suspect.request),
        run.keys[run.life(suspect.request).key as usize],
        run.moment(suspect.queued),
        run.moment(suspect.until),
    );
    findings.add(Property::PassedOver, suspect.until, &[suspect.request], text);
}
