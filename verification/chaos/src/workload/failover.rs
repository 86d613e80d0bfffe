//! Holds that last longer than a failover, and short ones of other keys.

use std::time::Duration;

use rand::Rng as _;

use super::Workload;
use crate::worker::{Agent, Ops};

/// The keys of the long holds; the other keys have short ones.
const LONG: u32 = 4;

/// A thread and a task of each process have long holds.
pub(super) fn plan(agent: &mut Agent) -> (u32, Duration, Ops) {
    let (keys, stay) = if agent.task < 2 {
        (0..LONG, Duration::from_secs(1) + agent.up_to(Duration::from_secs(3)))
    } else {
        (LONG..Workload::Failover.keys(), agent.up_to(Duration::from_millis(4)))
    };
    let key = agent.rng.random_range(keys);
    (key, agent.any_wait(), Ops { writes: true, ..Ops::count(stay) })
}
