//! One key that all workers want: how often it changes its owner.

use anyhow::Context as _;

use super::target::{Bound, Side, Target};
use super::{Run, cargo};
use crate::bench::{self, Load};
use crate::candidate::Candidate;
use crate::history::History;
use crate::rounds::Rounds;

const OURS: [Candidate; 2] = [Candidate::DISTLOCK_THREADS, Candidate::DISTLOCK_TASKS];

/// Two processes with a worker each. Compared with the best of the other libraries.
pub fn beside_peers(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let server = bench::server()?;
    let url = server.url();
    let candidates: Vec<_> = OURS.into_iter().chain(Candidate::PEERS).collect();
    let load = |candidate: &Candidate| Load::one_key(*candidate, &url, 2, 2);
    let loads: Vec<_> = candidates.iter().map(load).collect();
    let measured = Rounds::measure(run.bench, &loads, run.rounds, run.time);
    let mut sides = Vec::new();
    for (candidate, rounds) in candidates.into_iter().zip(measured) {
        match rounds {
            Ok(rounds) => {
                sides.push((candidate, Side::new(&rounds, History::changes_per_second)));
            }
            Err(error) if OURS.contains(&candidate) => return Err(error),
            Err(error) => eprintln!("{candidate} is not measured: {error:#}"),
        }
    }
    let peers = sides.split_off(OURS.len());
    let most = peers.iter().max_by(|(_, a), (_, b)| a.median().total_cmp(&b.median()));
    let (peer, most) = most.context("no other library could be measured")?;
    let peer = format!("{peer}, {},", peer.workers());
    let targets = sides.iter().map(|(candidate, ours)| {
        let by = candidate.workers();
        let measure = format!("one key, 2 {by} in 2 processes, changes of owner/s");
        Target::beside(measure, ours, (&peer, most), Bound::Above(1.0))
    });
    Ok(targets.collect())
}

/// Eight workers. Compared with an older commit.
pub fn beside_baseline(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    run.bench.at(format_args!("building {}", run.baseline));
    let baseline = cargo::compare_at(run.baseline)?;
    let server = bench::server()?;
    let (url, workers, mut targets) = (server.url(), 8, Vec::new());
    for processes in [1, 2] {
        for candidate in OURS {
            let new = Load::one_key(candidate, &url, processes, workers);
            let old = Load { program: Some(&baseline), ..new };
            let [old, new] = run.sides(&[old, new], History::changes_per_second)?;
            let by = candidate.workers();
            let place = match processes {
                1 => format!("{workers} {by} in one process"),
                _ => format!("{processes} processes x {} {by}", workers / processes),
            };
            let measure = format!("one key, {place}, changes of owner/s");
            targets.push(Target::beside(measure, &new, (run.baseline, &old), Bound::AtLeast(1.0)));
        }
    }
    Ok(targets)
}
