//! Acquire and release of an uncontended lock, beside the raw pair of the same kind of worker.

use std::time::Duration;

use testkit::{Direction, FaultProxy, Sentinels};

use super::Run;
use super::target::{Bound, Side, Target};
use crate::affinity::{self, Placement};
use crate::bench::{self, Bench, Load};
use crate::candidate::{Candidate, Workers};
use crate::child::Busy;
use crate::history::History;
use crate::process::Process;
use crate::rounds::Rounds;

pub const KINDS: [(&str, Workers); 3] = [
    ("thread", Workers::Threads),
    ("task, current-thread", Workers::CurrentThreadTasks),
    ("task, multi-thread", Workers::Tasks),
];
const CPU_BOUND: f64 = 1.2;
/// Sentinels add nothing; this is the spread of the measurement.
const SENTINEL_BOUND: f64 = 1.05;
/// What the network adds in each direction, and the bound with it.
const DELAYS: [(Duration, f64); 2] =
    [(Duration::from_micros(200), 0.6), (Duration::from_millis(1), 0.52)];

/// In each placement of client and server, on an idle machine and on a busy one.
pub fn uncontended(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for machine in ["idle", "busy"] {
        let _busy = if machine == "busy" { busy_cores(run.bench)? } else { Vec::new() };
        for placement in Placement::all()? {
            let server = affinity::on_core(placement.server, bench::server)?;
            let place = format!("{}, {machine}", placement.name);
            for mut target in beside_raw(run, &server.url(), Some(placement.client), &place)? {
                target.cpu_bound = Some(CPU_BOUND);
                targets.push(target);
            }
        }
    }
    Ok(targets)
}

/// Through a proxy that delivers everything later, in both directions.
pub fn delayed(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for (delay, bound) in DELAYS {
        let server = bench::server()?;
        let proxy = FaultProxy::start(&server)?;
        proxy.delay(Direction::ToServer, delay);
        proxy.delay(Direction::ToClient, delay);
        for mut target in beside_raw(run, &proxy.url(), None, &format!("{delay:?} each way"))? {
            target.bound = Bound::AtMost(bound);
            targets.push(target);
        }
    }
    Ok(targets)
}

/// The same server, named by its URL and by three Sentinels, in each placement.
pub fn with_sentinels(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let mut targets = Vec::new();
    for placement in Placement::all()? {
        let server = affinity::on_core(placement.server, bench::server)?;
        let (_sentinels, watched) = Sentinels::watching(&server)?;
        let core = Some(placement.client);
        let urls = [server.url(), watched];
        let load = |url| Load { core, ..Load::own_keys(Candidate::DISTLOCK_THREADS, url, 1) };
        let loads = urls.each_ref().map(|url| load(url.as_str()));
        let [plain, watched] = run.sides(&loads, median_pair)?;
        let measure = format!("pair with Sentinels, thread, {}, µs", placement.name);
        let plain = ("without", &plain);
        targets.push(Target::beside(measure, &watched, plain, Bound::AtMost(SENTINEL_BOUND)));
    }
    Ok(targets)
}

fn beside_raw(
    run: &Run<'_>,
    url: &str,
    core: Option<usize>,
    place: &str,
) -> anyhow::Result<Vec<Target>> {
    let of = |candidate: Candidate, by| Load { core, ..Load::own_keys(candidate.by(by), url, 1) };
    let loads = KINDS
        .map(|(_, by)| [Candidate::RAW_THREADS, Candidate::DISTLOCK_THREADS].map(|it| of(it, by)));
    let mut measured =
        Rounds::measure(run.bench, loads.as_flattened(), run.rounds, run.time).into_iter();
    let mut side = || {
        let rounds = measured.next().expect("two for each kind")?;
        anyhow::Ok(Side::new(&rounds, median_pair))
    };
    let mut targets = Vec::new();
    for (kind, by) in KINDS {
        let (raw, ours) = (side()?, side()?);
        let bound = Bound::AtMost(if by == Workers::Threads { 0.95 } else { 1.0 });
        let measure = format!("uncontended pair, {kind}, {place}, µs");
        targets.push(Target::beside(measure, &ours, ("raw", &raw), bound));
    }
    Ok(targets)
}

/// In microseconds; not a number without any pair.
pub fn median_pair(history: &History) -> f64 {
    let pair = history.pair();
    if pair.samples() == 0 { f64::NAN } else { pair.median() }
}

/// A loop at the lowest priority on every core.
fn busy_cores(bench: &Bench) -> anyhow::Result<Vec<Process>> {
    let start = || bench.child(Candidate::DISTLOCK_THREADS, &Busy::arguments());
    affinity::cores()?.into_iter().map(|core| affinity::on_core(core, start)).collect()
}
