//! One lock at a time, and a short section.

use std::time::Duration;

use rand::Rng as _;

use super::Workload;
use crate::worker::{Agent, Ops};

pub(super) fn plan(workload: Workload, agent: &mut Agent) -> (u32, Duration, Ops) {
    let key = agent.any_key();
    match workload {
        Workload::Register => {
            let stay = agent.up_to(Duration::from_millis(1));
            (key, agent.any_wait(), Ops::write(stay))
        }
        Workload::Counter => {
            let stay = agent.up_to(Duration::from_micros(400));
            (key, agent.any_wait(), Ops::count(stay))
        }
        Workload::HotKey => (key, agent.long_wait(), now_and_then(agent)),
        _ => (key, agent.any_wait(), now_and_then(agent)),
    }
}

/// Counts, and sometimes writes.
fn now_and_then(agent: &mut Agent) -> Ops {
    Ops { writes: agent.rng.random_bool(0.1), ..Ops::count(Duration::ZERO) }
}
