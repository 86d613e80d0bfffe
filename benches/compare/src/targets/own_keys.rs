//! Many workers of one process, each with its own key.

use super::Run;
use super::target::{Bound, Side, Target};
use crate::bench::{self, Load};
use crate::candidate::{Candidate, Workers};
use crate::history::History;

pub const WORKERS: usize = 64;

pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for (flavour, by) in
        [("current-thread", Workers::CurrentThreadTasks), ("multi-thread", Workers::Tasks)]
    {
        let candidates = [Candidate::RAW_TASKS, Candidate::DISTLOCK_TASKS, Candidate::RSLOCK];
        let [raw, ours, rslock] = rates(run, candidates.map(|candidate| candidate.by(by)))?;
        let measure = format!("{WORKERS} tasks x {WORKERS} keys, {flavour}, pairs/s");
        let raw = ("raw, multiplexed,", &raw);
        targets.push(Target::beside(&measure, &ours, raw, Bound::AtLeast(1.0)));
        targets.push(Target::beside(&measure, &ours, ("rslock", &rslock), Bound::AtLeast(1.3)));
    }
    let [raw, ours] = rates(run, [Candidate::RAW_THREADS, Candidate::DISTLOCK_THREADS])?;
    let measure = format!("{WORKERS} threads x {WORKERS} keys, pairs/s");
    let raw = ("raw, 64 connections,", &raw);
    targets.push(Target::beside(measure, &ours, raw, Bound::AtLeast(1.5)));
    Ok(targets)
}

fn rates<const N: usize>(run: &Run<'_>, candidates: [Candidate; N]) -> anyhow::Result<[Side; N]> {
    let server = bench::server()?;
    let url = server.url();
    let loads = candidates.map(|candidate| Load::own_keys(candidate, &url, WORKERS));
    run.sides(&loads, History::per_second)
}
