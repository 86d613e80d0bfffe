//! Callers that join, are served and leave, while the server grants, fails, loses, and others wait.

use std::future::poll_fn;

use crate::driver::Event;
use crate::explore::{block_on, explore};
use crate::process::{Process, dawdle, params};

const EVENTS: &[Event] = &[Event::Fail, Event::Lose, Event::WaitFor, Event::Extend, Event::Pass];

/// Three callers, two of them twice.
pub fn callers_take_turns() {
    explore(|| Process::run(EVENTS, &[twice, twice, once]), 600);
}

/// The last to leave meets one that joins: a queue is forgotten and made anew.
pub fn queues_are_forgotten_and_made_anew() {
    explore(|| Process::run(&[], &[twice, twice, tries]), 600);
}

/// The manager is shut down in the middle: whoever waits is told, and whoever is inside.
pub fn a_shutdown_ends_all_waits() {
    explore(|| Process::run_until_shutdown(EVENTS, &[twice, stays, shuts_down]), 600);
}

fn once(process: &Process) {
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}

fn twice(process: &Process) {
    once(process);
    once(process);
}

/// Tries once: it is served only if it is the next here.
fn tries(process: &Process) {
    dawdle();
    let once = distlock_runtime::verification::AcquireParams { queue: false, ..params() };
    if let Some(section) = process.enter(once) {
        process.leave(section);
    }
}

/// Stays inside until its hold is lost.
fn stays(process: &Process) {
    let Some(section) = process.enter(params()) else { return };
    let mut slot = None;
    block_on(poll_fn(|context| section.lease().poll_lost(&mut slot, context)));
    process.leave(section);
}

fn shuts_down(process: &Process) {
    dawdle();
    process.shut_down();
}
