//! Several keys at once, all or none.

use std::time::Duration;

use distlock::{LockError, LockGuard, LockRequest};
use rand::Rng as _;

use super::key_name;
use crate::worker::{Agent, Ask, Deeds, Section};

pub(super) fn round(agent: &mut Agent) -> bool {
    let (keys, wait, deeds) = plan(agent);
    let asks: Vec<_> = keys.iter().map(|key| agent.ask(*key, wait)).collect();
    let guard = request(agent, &keys, wait).acquire_blocking();
    let Some((guard, sections)) = entered(&keys, &asks, guard) else { return false };
    for section in &sections {
        section.perform(&deeds);
    }
    drop(sections);
    settle(&asks, &guard.release_blocking())
}

pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (keys, wait, deeds) = plan(agent);
    let asks: Vec<_> = keys.iter().map(|key| agent.ask(*key, wait)).collect();
    let guard = request(agent, &keys, wait).acquire().await;
    let Some((guard, sections)) = entered(&keys, &asks, guard) else { return false };
    for section in &sections {
        section.perform_async(&deeds).await;
    }
    drop(sections);
    settle(&asks, &guard.release().await)
}

/// Two to four different keys, in any order.
fn plan(agent: &mut Agent) -> (Vec<u32>, Duration, Deeds) {
    let mut keys: Vec<u32> = Vec::new();
    let wanted = agent.rng.random_range(2..=4);
    while keys.len() < wanted {
        let key = agent.any_key();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let stay = agent.up_to(Duration::from_micros(200));
    let deeds = Deeds { writes: agent.rng.random_bool(0.2), ..Deeds::count(stay) };
    (keys, agent.any_wait(), deeds)
}

fn request(agent: &Agent, keys: &[u32], wait: Duration) -> LockRequest {
    let names = keys.iter().map(|key| key_name(*key));
    agent.set_up(agent.worker.locks().mutex_many(names), wait)
}

/// A section for each key, in the keys' order.
fn entered<'asks>(
    keys: &[u32],
    asks: &'asks [Ask],
    got: Result<LockGuard, LockError>,
) -> Option<(LockGuard, Vec<Section<'asks>>)> {
    let guard = match got {
        Ok(guard) => guard,
        Err(error) => {
            settle(asks, &Err(error));
            return None;
        }
    };
    let enter = |(key, ask): (&u32, &'asks Ask)| {
        let hold = guard.hold().for_key(&key_name(*key)).expect("it was asked for");
        ask.enter(&hold)
    };
    let sections = keys.iter().zip(asks).map(enter).collect();
    Some((guard, sections))
}

fn settle(asks: &[Ask], end: &Result<(), LockError>) -> bool {
    asks.iter().filter(|ask| !ask.settle(end.clone())).count() == 0
}
