//! The unfenced counter counts every section once.
//!
//! In a lossless run no two updates read the same value, and the total is the number of updates. A
//! holder that crashed inside its section may have written one more without recording it. A holder
//! that continues past its lease, as a paused process does, may overwrite others, which no lock can
//! prevent: such a key proves nothing and is counted as overwritten.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    if !findings.rules.lossless
        || findings.run.counter_updates.is_empty() && findings.run.counter_totals.is_empty()
    {
        return;
    }
    let mut counters = updates_by_key(findings);
    let overwritten = counters.iter().filter(|counter| counter.overwritten).count();
    findings.report.counters_overwritten = overwritten as u64;
    for counter in &mut counters {
        if !counter.overwritten {
            check_reads(findings, &mut counter.updates);
        }
    }
    check_totals(findings, &counters);
}

/// The updates of the counter of one key.
#[derive(Clone, Default)]
struct CounterUpdates {
    /// The value that was read, when, and the request.
    updates: Vec<(u64, Nanos, u32)>,
    /// How many updates may have been made by holders that crashed before they recorded it.
    unrecorded: u64,
    overwritten: bool,
}

fn updates_by_key(findings: &Findings<'_>) -> Vec<CounterUpdates> {
    let run = findings.run;
    let mut counters = vec![CounterUpdates::default(); run.keys.len()];
    for &(at, request, read) in &run.counter_updates {
        let counter = &mut counters[run.request(request).key as usize];
        counter.updates.push((read, at, request));
        counter.overwritten |= at > run.end_of(run.hold(request).root);
    }
    for &request in &run.acquired {
        let record = run.request(request);
        let Some(crash) = run.crash(record).filter(|_| record.is_held()) else { continue };
        let counter = &mut counters[record.key as usize];
        counter.unrecorded += 1;
        counter.overwritten |= crash > run.end_of(run.hold(request).root);
    }
    counters
}

fn check_reads(findings: &mut Findings<'_>, updates: &mut [(u64, Nanos, u32)]) {
    let run = findings.run;
    updates.sort_unstable();
    for pair in updates.windows(2) {
        let ((read, first, one), (again, at, other)) = (pair[0], pair[1]);
        if read == again {
            let text = format!(
                "{} and {} both read {read} from the counter of key {}: recorded at {} and {}",
                run.who(one),
                run.who(other),
                run.keys[run.request(other).key as usize],
                run.time(first),
                run.time(at),
            );
            findings.add(Property::UnfencedCounter, at, &[one, other], text);
        }
    }
}

fn check_totals(findings: &mut Findings<'_>, counters: &[CounterUpdates]) {
    for &(at, key, count) in &findings.run.counter_totals {
        let counter = &counters[key as usize];
        let recorded = counter.updates.len() as u64;
        if !counter.overwritten && !(recorded..=recorded + counter.unrecorded).contains(&count) {
            let name = findings.run.keys[key as usize];
            let text = format!("the counter of key {name} is {count} after {recorded} updates");
            findings.add(Property::UnfencedCounter, at, &[], text);
        }
    }
}
