//! From the release in one process to the hold in another, while both sleep.

use super::Run;
use super::target::{Bound, Side, Target};
use crate::affinity::{self, Placement};
use crate::candidate::Candidate;
use crate::rows::handoff::handoffs;
use crate::{baseline, bench};

const CANDIDATES: [Candidate; 3] =
    [Candidate::DISTLOCK_THREADS, Candidate::DISTLOCK_TASKS, Candidate::RSLOCK_SPINNING];

/// In each placement of both clients and the server.
pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for placement in Placement::all()? {
        let server = affinity::on_core(placement.server, bench::server)?;
        let mut sides = [(); 3].map(|()| Side::default());
        let mut ping = Side::default();
        for round in 1..=run.rounds {
            let at = |what| {
                run.bench.at(format_args!("handoff, {}, round {round}: {what}", placement.name));
            };
            at("PING".to_owned());
            let latency = affinity::on_core(placement.client, || {
                // A sample takes several milliseconds of sleep.
                baseline::ping_from_sleep(&server, run.time * 2)
            })?;
            ping.figures.push(latency.median());
            for (candidate, side) in CANDIDATES.into_iter().zip(&mut sides) {
                at(format!("{candidate}, {}", candidate.workers()));
                let (latency, ..) = affinity::on_core(placement.client, || {
                    handoffs(run.bench, &server.url(), candidate, run.time * 2)
                })?;
                side.figures.push(latency.median());
            }
        }
        let [threads, tasks, spinning] = &sides;
        let (ping, spinning) = (("PING from sleep", &ping), ("rslock, spinning,", spinning));
        let measure =
            |by| format!("release -> hold in another process, {by}, {}, µs", placement.name);
        targets.extend([
            Target::beside(measure("threads"), threads, ping, Bound::AtMost(3.0)),
            Target::beside(measure("tasks"), tasks, ping, Bound::AtMost(3.5)),
            Target::beside(measure("threads"), threads, spinning, Bound::Below(1.0)),
            Target::beside(measure("tasks"), tasks, spinning, Bound::Below(1.0)),
        ]);
    }
    Ok(targets)
}
