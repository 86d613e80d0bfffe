//! One lock at a time, and something short under it.

use std::time::Duration;

use rand::Rng as _;

use super::Workload;
use crate::worker::{Agent, Deeds};

pub(super) fn round(workload: Workload, agent: &mut Agent) -> bool {
    let (key, wait, deeds) = plan(workload, agent);
    agent.visit(key, wait, &deeds)
}

pub(super) async fn round_async(workload: Workload, agent: &mut Agent) -> bool {
    let (key, wait, deeds) = plan(workload, agent);
    agent.visit_async(key, wait, &deeds).await
}

fn plan(workload: Workload, agent: &mut Agent) -> (u32, Duration, Deeds) {
    let key = agent.any_key();
    match workload {
        Workload::Register => {
            let stay = agent.up_to(Duration::from_millis(1));
            (key, agent.any_wait(), Deeds::write(stay))
        }
        Workload::Counter => {
            let stay = agent.up_to(Duration::from_micros(400));
            (key, agent.any_wait(), Deeds::count(stay))
        }
        Workload::HotKey => (key, agent.long_wait(), now_and_then(agent)),
        _ => (key, agent.any_wait(), now_and_then(agent)),
    }
}

/// Counts, and seldom writes too.
fn now_and_then(agent: &mut Agent) -> Deeds {
    Deeds { writes: agent.rng.random_bool(0.1), ..Deeds::count(Duration::ZERO) }
}
