//! The unfenced counter counts every section once.
//!
//! In a lossless run no two rounds read the same, and the total is their number; a holder that crashed inside its section may
//! have written one more that it could not tell of. A holder that went on past its lease, as a paused process does, may
//! write over others, which no lock can help: such a key proves nothing and is counted as overwritten.

use super::Findings;
use crate::event::Nanos;
use crate::property::Property;

pub(super) fn check(findings: &mut Findings<'_>) {
    if !findings.rules.lossless || findings.run.counts.is_empty() && findings.run.totals.is_empty()
    {
        return;
    }
    let mut tallies = tally(findings);
    let overwritten = tallies.iter().filter(|tally| tally.overwritten).count();
    findings.report.counters_overwritten = overwritten as u64;
    for tally in &mut tallies {
        if !tally.overwritten {
            reads_differ(findings, &mut tally.rounds);
        }
    }
    totals_agree(findings, &tallies);
}

/// What is known of the counter of a key.
#[derive(Clone, Default)]
struct Tally {
    /// What was read, when and by whom.
    rounds: Vec<(u64, Nanos, u32)>,
    /// How many may have been written that nobody told of.
    untold: u64,
    overwritten: bool,
}

fn tally(findings: &Findings<'_>) -> Vec<Tally> {
    let run = findings.run;
    let mut tallies = vec![Tally::default(); run.keys.len()];
    for &(at, request, read) in &run.counts {
        let tally = &mut tallies[run.life(request).key as usize];
        tally.rounds.push((read, at, request));
        tally.overwritten |= at > run.over(run.hold(request).root);
    }
    for &request in &run.entered {
        let life = run.life(request);
        let Some(crash) = run.crash(life).filter(|_| life.is_inside()) else { continue };
        let tally = &mut tallies[life.key as usize];
        tally.untold += 1;
        tally.overwritten |= crash > run.over(run.hold(request).root);
    }
    tallies
}

fn reads_differ(findings: &mut Findings<'_>, rounds: &mut [(u64, Nanos, u32)]) {
    let run = findings.run;
    rounds.sort_unstable();
    for pair in rounds.windows(2) {
        let ((read, first, one), (again, at, other)) = (pair[0], pair[1]);
        if read == again {
            let text = format!(
                "{} and {} both read {read} from the counter of key {}: told at {} and {}",
                run.who(one),
                run.who(other),
                run.keys[run.life(other).key as usize],
                run.moment(first),
                run.moment(at),
            );
            findings.add(Property::Counter, at, &[one, other], text);
        }
    }
}

fn totals_agree(findings: &mut Findings<'_>, tallies: &[Tally]) {
    for &(at, key, count) in &findings.run.totals {
        let tally = &tallies[key as usize];
        let told = tally.rounds.len() as u64;
        if !tally.overwritten && !(told..=told + tally.untold).contains(&count) {
            let name = findings.run.keys[key as usize];
            let text = format!("the counter of key {name} stands at {count} after {told} rounds");
            findings.add(Property::Counter, at, &[], text);
        }
    }
}
