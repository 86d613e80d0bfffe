//! Drops half of all requests at random points.

use std::time::Duration;

use rand::Rng as _;

use crate::worker::{Agent, Ops};

/// A thread cannot be cancelled, so it uses a short wait instead.
pub(super) fn round(agent: &mut Agent) -> bool {
    let (key, ops) = plan(agent);
    let wait = if agent.rng.random_bool(0.5) {
        agent.up_to(Duration::from_millis(5))
    } else {
        agent.long_wait()
    };
    agent.run_section(key, wait, &ops)
}

/// Drops the request before or while it is sent, while it waits, or inside its section.
pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (key, ops) = plan(agent);
    if agent.rng.random_bool(0.5) {
        return agent.run_section_async(key, agent.long_wait(), &ops).await;
    }
    let longest = [0, 200, 2_000, 20_000][agent.rng.random_range(0..4)];
    let max_wait = agent.up_to(Duration::from_micros(longest));
    let run_section = agent.run_section_async(key, agent.long_wait(), &ops);
    tokio::time::timeout(max_wait, run_section).await.unwrap_or(false)
}

fn plan(agent: &mut Agent) -> (u32, Ops) {
    let stay = agent.up_to(Duration::from_micros(500));
    (agent.any_key(), Ops { writes: agent.rng.random_bool(0.2), ..Ops::count(stay) })
}
