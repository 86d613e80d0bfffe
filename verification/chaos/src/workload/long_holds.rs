//! Holds that live by being renewed.

use std::time::Duration;

use crate::worker::{Agent, Deeds};

pub(super) fn round(agent: &mut Agent) -> bool {
    let (key, wait, deeds) = plan(agent);
    agent.visit(key, wait, &deeds)
}

pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (key, wait, deeds) = plan(agent);
    agent.visit_async(key, wait, &deeds).await
}

/// Up to two and a half times the ttl, but no longer than a second, so that others have their turn.
fn plan(agent: &mut Agent) -> (u32, Duration, Deeds) {
    let longest = agent.worker.orders().settings.ttl * 5 / 2;
    let stay = agent.up_to(longest.min(Duration::from_secs(1)));
    let deeds = Deeds { writes: true, ..Deeds::count(stay) };
    (agent.any_key(), agent.long_wait(), deeds)
}
