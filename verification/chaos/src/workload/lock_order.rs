//! Nested keys in random order.

use std::time::Duration;

use distlock::LockError;

use crate::worker::{Agent, Ops, RecordedRequest};

/// Long enough for two requests to deadlock.
const STAY: Duration = Duration::from_millis(1);

pub(super) fn round(agent: &mut Agent) -> bool {
    let (outer, inner) = (agent.any_key(), agent.any_key());
    let wait = agent.long_wait();
    let request = agent.ask(outer, wait);
    let guard = match agent.request(outer, wait).acquire_blocking() {
        Ok(guard) => guard,
        Err(error) => return request.settle(Err(error)),
    };
    let section = request.enter(guard.hold()).with_lease_monitor();
    let had = guard.enter(|| {
        section.perform(&Ops::count(STAY));
        nested(agent, &request, outer, inner)
    });
    drop(section);
    request.settle(guard.release_blocking()) && had
}

fn nested(agent: &Agent, around: &RecordedRequest, outer: u32, inner: u32) -> bool {
    let (request, wait) = inside(agent, around, outer, inner);
    let guard = match agent.request(inner, wait).acquire_blocking() {
        Ok(guard) => guard,
        Err(error) => return request.settle(Err(error)),
    };
    let section = request.enter(guard.hold());
    section.perform(&Ops::count(Duration::ZERO));
    drop(section);
    request.settle(guard.release_blocking())
}

pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (outer, inner) = (agent.any_key(), agent.any_key());
    let wait = agent.long_wait();
    let request = agent.ask(outer, wait);
    let guard = match agent.request(outer, wait).acquire().await {
        Ok(guard) => guard,
        Err(error) => return request.settle(Err(error)),
    };
    let section = request.enter(guard.hold()).with_lease_monitor();
    let scoped = async {
        section.perform_async(&Ops::count(STAY)).await;
        nested_async(agent, &request, outer, inner).await
    };
    let had = guard.scope(scoped).await;
    drop(section);
    request.settle(guard.release().await) && had.unwrap_or(false)
}

async fn nested_async(agent: &Agent, around: &RecordedRequest, outer: u32, inner: u32) -> bool {
    let (request, wait) = inside(agent, around, outer, inner);
    let got: Result<_, LockError> = agent.request(inner, wait).acquire().await;
    let guard = match got {
        Ok(guard) => guard,
        Err(error) => return request.settle(Err(error)),
    };
    let section = request.enter(guard.hold());
    section.perform_async(&Ops::count(Duration::ZERO)).await;
    drop(section);
    request.settle(guard.release().await)
}

fn inside(
    agent: &Agent,
    around: &RecordedRequest,
    outer: u32,
    inner: u32,
) -> (RecordedRequest, Duration) {
    let within = (outer == inner).then(|| around.request());
    let wait = agent.long_wait();
    (RecordedRequest::new(&agent.worker, agent.task, inner, wait, within), wait)
}
