//! Several keys at once.

use std::time::Duration;

use distlock::{LockError, LockGuard, LockRequest};
use rand::Rng as _;

use super::key_name;
use crate::worker::{Agent, Ops, RecordedRequest, Section};

pub(super) fn round(agent: &mut Agent) -> bool {
    let (keys, wait, ops) = plan(agent);
    let requests: Vec<_> = keys.iter().map(|key| agent.ask(*key, wait)).collect();
    let guard = request(agent, &keys, wait).acquire_blocking();
    let Some((guard, sections)) = entered(&keys, &requests, guard) else { return false };
    for section in &sections {
        section.perform(&ops);
    }
    drop(sections);
    settle(&requests, &guard.release_blocking())
}

pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (keys, wait, ops) = plan(agent);
    let requests: Vec<_> = keys.iter().map(|key| agent.ask(*key, wait)).collect();
    let guard = request(agent, &keys, wait).acquire().await;
    let Some((guard, sections)) = entered(&keys, &requests, guard) else { return false };
    for section in &sections {
        section.perform_async(&ops).await;
    }
    drop(sections);
    settle(&requests, &guard.release().await)
}

/// Two to four different keys, in any order.
fn plan(agent: &mut Agent) -> (Vec<u32>, Duration, Ops) {
    let mut keys: Vec<u32> = Vec::new();
    let wanted = agent.rng.random_range(2..=4);
    while keys.len() < wanted {
        let key = agent.any_key();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let stay = agent.up_to(Duration::from_micros(200));
    let ops = Ops { writes: agent.rng.random_bool(0.2), ..Ops::count(stay) };
    (keys, agent.any_wait(), ops)
}

fn request(agent: &Agent, keys: &[u32], wait: Duration) -> LockRequest {
    let names = keys.iter().map(|key| key_name(*key));
    agent.set_up(agent.worker.locks().mutex_many(names), wait)
}

/// A section for each key, in the order of the keys.
fn entered<'requests>(
    keys: &[u32],
    requests: &'requests [RecordedRequest],
    got: Result<LockGuard, LockError>,
) -> Option<(LockGuard, Vec<Section<'requests>>)> {
    let guard = match got {
        Ok(guard) => guard,
        Err(error) => {
            settle(requests, &Err(error));
            return None;
        }
    };
    let enter = |(key, request): (&u32, &'requests RecordedRequest)| {
        let hold = guard.hold().for_key(&key_name(*key)).expect("it was requested");
        request.enter(&hold)
    };
    let sections = keys.iter().zip(requests).map(enter).collect();
    Some((guard, sections))
}

fn settle(requests: &[RecordedRequest], end: &Result<(), LockError>) -> bool {
    requests.iter().filter(|request| !request.settle(end.clone())).count() == 0
}
