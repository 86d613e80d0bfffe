//! Grants that a replica confirms, beside grants of the same primary that none does.

use testkit::Replicated;

use super::Run;
use super::pairs::median_pair;
use super::target::{Bound, Target};
use crate::bench::Load;
use crate::candidate::{Candidate, Workers};
use crate::history::History;

const WORKERS: usize = 64;
const PAIR_BOUND: f64 = 2.2;
const RATE_BOUND: f64 = 0.6;

pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let servers = Replicated::start(1)?;
    let url = servers.primary().url();
    let load = |candidate, workers| Load::own_keys(candidate, &url, workers);
    let threads = [Candidate::DISTLOCK_THREADS, Candidate::REPLICAS_THREADS];
    let [plain, confirmed] = run.sides(&threads.map(|it| load(it, 1)), median_pair)?;
    let measure = "pair with replicas = 1, thread, µs";
    let bound = Bound::AtMost(PAIR_BOUND);
    let mut targets = vec![Target::beside(measure, &confirmed, ("without", &plain), bound)];
    for (flavour, by) in
        [("current-thread", Workers::CurrentThreadTasks), ("multi-thread", Workers::Tasks)]
    {
        let tasks = [Candidate::DISTLOCK_TASKS, Candidate::REPLICAS_TASKS].map(|it| it.by(by));
        let loads = tasks.map(|it| load(it, WORKERS));
        let [plain, confirmed] = run.sides(&loads, History::per_second)?;
        let measure = format!("{WORKERS} tasks x {WORKERS} keys, replicas = 1, {flavour}, pairs/s");
        let bound = Bound::AtLeast(RATE_BOUND);
        targets.push(Target::beside(measure, &confirmed, ("without", &plain), bound));
    }
    Ok(targets)
}
