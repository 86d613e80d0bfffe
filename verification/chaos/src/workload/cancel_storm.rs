//! Half of all requests are dropped at random points.

use std::time::Duration;

use rand::Rng as _;

use crate::worker::{Agent, Deeds};

/// A thread cannot be cancelled: it gives up early instead.
pub(super) fn round(agent: &mut Agent) -> bool {
    let (key, deeds) = plan(agent);
    let wait = if agent.rng.random_bool(0.5) {
        agent.up_to(Duration::from_millis(5))
    } else {
        agent.long_wait()
    };
    agent.visit(key, wait, &deeds)
}

/// Dropped before it is sent, while it is sent, while it waits, or inside its section.
pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (key, deeds) = plan(agent);
    if agent.rng.random_bool(0.5) {
        return agent.visit_async(key, agent.long_wait(), &deeds).await;
    }
    let longest = [0, 200, 2_000, 20_000][agent.rng.random_range(0..4)];
    let patience = agent.up_to(Duration::from_micros(longest));
    let visit = agent.visit_async(key, agent.long_wait(), &deeds);
    tokio::time::timeout(patience, visit).await.unwrap_or(false)
}

fn plan(agent: &mut Agent) -> (u32, Deeds) {
    let stay = agent.up_to(Duration::from_micros(500));
    (agent.any_key(), Deeds { writes: agent.rng.random_bool(0.2), ..Deeds::count(stay) })
}
