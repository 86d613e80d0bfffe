//! A key that stays taken after its release is granted to no other hold before.
//!
//! The promise needs a server that has heard of it. So it counts for holds that were once known to
//! be valid for as long: the server keeps the key of such a hold even if no release arrives. Of a
//! process that was paused before its section began it is not known when the grant arrived. A grant
//! that was over when its process learned of it is none.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    if !findings.rules.lossless {
        return;
    }
    let run = findings.run;
    for key in 0..run.keys.len() {
        // Of the holds so far: the one whose key stays taken longest, and until when.
        let mut kept = None;
        for &index in run.outermost(key) {
            let hold = run.hold(index);
            if let Some((by, until)) = kept
                && hold.at.saturating_add(findings.rules.slack) < until
                && hold.at < hold.until
            {
                let text = format!(
                    "key {} stays taken until {} for {}, and {} acquires it at {}",
                    run.keys[key],
                    run.time(until),
                    run.who(by),
                    run.who(index),
                    run.time(hold.at),
                );
                findings.add(Property::KeptKey, hold.at, &[by, index], text);
            }
            let record = run.request(index);
            let is_known = |until: &Nanos| {
                *until <= hold.until && !run.process(record).was_paused(record.requested, hold.at)
            };
            if let Some(until) = hold.kept_until.filter(is_known)
                && kept.is_none_or(|(_, longest)| longest < until)
            {
                kept = Some((index, until));
            }
        }
    }
}
