//! Keys inside each other in random order.

use std::time::Duration;

use distlock::LockError;

use crate::worker::{Agent, Ask, Deeds};

/// Long enough for two to cross.
const STAY: Duration = Duration::from_millis(1);

pub(super) fn round(agent: &mut Agent) -> bool {
    let (outer, inner) = (agent.any_key(), agent.any_key());
    let wait = agent.long_wait();
    let ask = agent.ask(outer, wait);
    let guard = match agent.request(outer, wait).acquire_blocking() {
        Ok(guard) => guard,
        Err(error) => return ask.settle(Err(error)),
    };
    let section = ask.enter(guard.hold()).watched();
    let had = guard.enter(|| {
        section.perform(&Deeds::count(STAY));
        visit_inside(agent, &ask, outer, inner)
    });
    drop(section);
    ask.settle(guard.release_blocking()) && had
}

fn visit_inside(agent: &Agent, around: &Ask, outer: u32, inner: u32) -> bool {
    let (ask, wait) = inside(agent, around, outer, inner);
    let guard = match agent.request(inner, wait).acquire_blocking() {
        Ok(guard) => guard,
        Err(error) => return ask.settle(Err(error)),
    };
    let section = ask.enter(guard.hold());
    section.perform(&Deeds::count(Duration::ZERO));
    drop(section);
    ask.settle(guard.release_blocking())
}

pub(super) async fn round_async(agent: &mut Agent) -> bool {
    let (outer, inner) = (agent.any_key(), agent.any_key());
    let wait = agent.long_wait();
    let ask = agent.ask(outer, wait);
    let guard = match agent.request(outer, wait).acquire().await {
        Ok(guard) => guard,
        Err(error) => return ask.settle(Err(error)),
    };
    let section = ask.enter(guard.hold()).watched();
    let scoped = async {
        section.perform_async(&Deeds::count(STAY)).await;
        visit_inside_async(agent, &ask, outer, inner).await
    };
    let had = guard.scope(scoped).await;
    drop(section);
    ask.settle(guard.release().await) && had.unwrap_or(false)
}

async fn visit_inside_async(agent: &Agent, around: &Ask, outer: u32, inner: u32) -> bool {
    let (ask, wait) = inside(agent, around, outer, inner);
    let got: Result<_, LockError> = agent.request(inner, wait).acquire().await;
    let guard = match got {
        Ok(guard) => guard,
        Err(error) => return ask.settle(Err(error)),
    };
    let section = ask.enter(guard.hold());
    section.perform_async(&Deeds::count(Duration::ZERO)).await;
    drop(section);
    ask.settle(guard.release().await)
}

fn inside(agent: &Agent, around: &Ask, outer: u32, inner: u32) -> (Ask, Duration) {
    let within = (outer == inner).then(|| around.request());
    let wait = agent.long_wait();
    (Ask::new(&agent.worker, agent.task, inner, wait, within), wait)
}
