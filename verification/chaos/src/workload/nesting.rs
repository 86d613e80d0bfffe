//! Nested annotated functions.

use std::time::Duration;

use checker::Request;
use distlock::{Hold, LockError, distributed_lock};
use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::worker::{Agent, Ops, RecordedRequest, Section};

const DEEPEST: u32 = 5;

/// The sections that enclose the running code.
#[derive(Clone, Copy)]
struct Around<'a> {
    key: u32,
    request: Request,
    outer: Option<&'a Around<'a>>,
}

impl Around<'_> {
    fn holds(&self, key: u32) -> Option<Request> {
        if self.key == key { Some(self.request) } else { self.outer?.holds(key) }
    }

    fn highest(&self) -> u32 {
        self.outer.map_or(self.key, |outer| self.key.max(outer.highest()))
    }
}

#[derive(Clone, Copy)]
struct Level<'a> {
    agent: &'a Agent,
    around: Option<&'a Around<'a>>,
    /// The number of remaining levels.
    depth: u32,
    seed: u64,
}

pub(super) fn round(agent: &mut Agent) -> bool {
    let (seed, depth) = (agent.rng.random(), agent.rng.random_range(1..=DEEPEST));
    descend(Level { agent, around: None, depth, seed })
}

pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (seed, depth) = (agent.rng.random(), agent.rng.random_range(1..=DEEPEST));
    descend_async(Level { agent, around: None, depth, seed }).await
}

impl<'a> Level<'a> {
    /// Mostly a key that is held, otherwise a key above all held ones, which prevents deadlocks.
    fn ask(&self, rng: &mut ChaCha8Rng) -> (RecordedRequest, u32, Duration) {
        let keys = self.agent.worker.config().workload.keys();
        let key = match self.around {
            None => rng.random_range(0..keys),
            Some(around) if around.highest() + 1 < keys && rng.random_bool(0.3) => {
                rng.random_range(around.highest() + 1..keys)
            }
            Some(around) => around.key,
        };
        let within = self.around.and_then(|around| around.holds(key));
        let wait = self.agent.long_wait();
        (RecordedRequest::new(&self.agent.worker, self.agent.task, key, wait, within), key, wait)
    }

    fn inside<'b>(&self, around: &'b Around<'b>, turn: u64) -> Level<'b>
    where
        'a: 'b,
    {
        let seed = self.seed.rotate_left(7) ^ turn;
        Level { agent: self.agent, around: Some(around), depth: self.depth - 1, seed }
    }
}

fn descend(level: Level<'_>) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(level.seed);
    let (request, key, wait) = level.ask(&mut rng);
    let end = step(&level, &request, key, wait, &mut rng);
    request.settle(end)
}

#[distributed_lock("trial:{key}", manager = level.agent.worker.locks(), wait = wait, hold = hold)]
fn step(
    level: &Level<'_>,
    request: &RecordedRequest,
    key: u32,
    wait: Duration,
    rng: &mut ChaCha8Rng,
) -> Result<(), LockError> {
    let section = enter(level, request, &hold);
    section.perform(&ops(rng, level));
    if level.depth > 1 {
        let around = Around { key, request: request.request(), outer: level.around };
        let inside = level.inside(&around, 1);
        if rng.random_bool(0.5) {
            descend(inside);
        } else {
            block_on(descend_async(inside));
        }
    }
    Ok(())
}

fn descend_async(level: Level<'_>) -> BoxFuture<'_, bool> {
    async move {
        let mut rng = ChaCha8Rng::seed_from_u64(level.seed);
        let (request, key, wait) = level.ask(&mut rng);
        let end = step_async(&level, &request, key, wait, &mut rng).await;
        request.settle(end)
    }
    .boxed()
}

#[distributed_lock("trial:{key}", manager = level.agent.worker.locks(), wait = wait, hold = hold)]
async fn step_async(
    level: &Level<'_>,
    request: &RecordedRequest,
    key: u32,
    wait: Duration,
    rng: &mut ChaCha8Rng,
) -> Result<(), LockError> {
    let section = enter(level, request, &hold);
    section.perform_async(&ops(rng, level)).await;
    if level.depth > 1 {
        let around = Around { key, request: request.request(), outer: level.around };
        branch(level, &around, &hold, rng).await;
    }
    Ok(())
}

/// One nested call, two siblings, two of which the slower one is dropped, or a blocking call.
async fn branch(level: &Level<'_>, around: &Around<'_>, hold: &Hold, rng: &mut ChaCha8Rng) {
    let (one, other) = (level.inside(around, 1), level.inside(around, 2));
    match rng.random_range(0..8) {
        0..2 => {
            futures::join!(descend_async(one), descend_async(other));
        }
        2..4 => {
            futures::select! {
                _ = descend_async(one).fuse() => {}
                _ = descend_async(other).fuse() => {}
            }
        }
        // A blocking call would block the thread of the runtime, so only a re-entry is made here.
        4 if hold.is_valid() => {
            let alone = Level { depth: 1, ..one };
            re_enter(alone, around);
        }
        _ => {
            descend_async(one).await;
        }
    }
}

fn re_enter(level: Level<'_>, around: &Around<'_>) {
    let mut rng = ChaCha8Rng::seed_from_u64(level.seed);
    let (key, wait) = (around.key, level.agent.long_wait());
    let within = Some(around.request);
    let request = RecordedRequest::new(&level.agent.worker, level.agent.task, key, wait, within);
    let end = step(&level, &request, key, wait, &mut rng);
    request.settle(end);
}

/// Nested calls may wait, so the lease of this section needs a monitor.
fn enter<'a>(level: &Level<'_>, request: &'a RecordedRequest, hold: &Hold) -> Section<'a> {
    let section = request.enter(hold);
    if level.depth > 1 { section.with_lease_monitor() } else { section }
}

fn ops(rng: &mut ChaCha8Rng, level: &Level<'_>) -> Ops {
    // Only innermost sections update the counter, because an enclosing section would overwrite
    // their updates.
    let innermost = level.depth == 1;
    let stay = Duration::from_micros(rng.random_range(0..200));
    Ops { writes: rng.random_bool(0.2), counts: innermost && rng.random_bool(0.3), stay }
}
