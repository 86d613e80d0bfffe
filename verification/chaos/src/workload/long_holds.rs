//! Holds that outlive their ttl by renewal.

use std::time::Duration;

use crate::worker::{Agent, Ops};

/// Up to two and a half times the ttl, but at most a second, so that other requests make progress.
pub(super) fn plan(agent: &mut Agent) -> (u32, Duration, Ops) {
    let longest = agent.worker.config().settings.ttl * 5 / 2;
    let stay = agent.up_to(longest.min(Duration::from_secs(1)));
    let ops = Ops { writes: true, ..Ops::count(stay) };
    (agent.any_key(), agent.long_wait(), ops)
}
