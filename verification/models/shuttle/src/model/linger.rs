//! A hold that lingers with no section: reused, reclaimed, lost, expired.

use crate::explore::explore;
use crate::process::{Process, lingering, params, yield_randomly};
use crate::server::Event;

const EVENTS: &[Event] =
    &[Event::ReclaimIdle, Event::Contend, Event::Lose, Event::FireTimer, Event::PassTime];

/// A single caller reuses it or releases it.
pub fn an_idle_hold_is_reused_or_released() {
    explore(|| Process::run(EVENTS, &[keeps, keeps, waits]), 600);
}

/// Reuses the idle hold or waits in the queue, and lets the hold linger afterwards.
fn keeps(process: &Process) {
    for _ in 0..2 {
        let section = process.enter_idle(lingering()).or_else(|| process.enter(lingering()));
        if let Some(section) = section {
            process.leave(section);
        }
        yield_randomly();
    }
}

fn waits(process: &Process) {
    yield_randomly();
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}
