//! Holds that outlive their ttl by renewal.

use std::time::Duration;

use crate::worker::{Agent, Ops};

pub(super) fn round(agent: &mut Agent) -> bool {
    let (key, wait, ops) = plan(agent);
    agent.run_section(key, wait, &ops)
}

pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (key, wait, ops) = plan(agent);
    agent.run_section_async(key, wait, &ops).await
}

/// Up to two and a half times the ttl, but at most a second, so that other requests make progress.
fn plan(agent: &mut Agent) -> (u32, Duration, Ops) {
    let longest = agent.worker.config().settings.ttl * 5 / 2;
    let stay = agent.up_to(longest.min(Duration::from_secs(1)));
    let ops = Ops { writes: true, ..Ops::count(stay) };
    (agent.any_key(), agent.long_wait(), ops)
}
