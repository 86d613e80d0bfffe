//! Callers join, run and leave, while the server grants, fails, loses holds, and others wait.

use std::future::poll_fn;

use crate::explore::{block_on, explore};
use crate::process::{Process, params, yield_randomly};
use crate::server::Event;

const EVENTS: &[Event] =
    &[Event::Fail, Event::Lose, Event::Contend, Event::Extend, Event::PassTime];

/// Three callers, two of them twice.
pub fn callers_take_turns() {
    explore(|| Process::run(EVENTS, &[twice, twice, once]), 600);
}

/// The last caller leaves while another joins: the queue is removed and created again.
pub fn a_vacant_queue_is_removed_and_created_again() {
    explore(|| Process::run(&[], &[twice, twice, tries]), 600);
}

/// The manager is shut down meanwhile: waiters and running sections are notified.
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

/// Tries once: it is granted only if it is next in this process.
fn tries(process: &Process) {
    yield_randomly();
    let once = distlock_runtime::verification::AcquireParams { queue: false, ..params() };
    if let Some(section) = process.enter(once) {
        process.leave(section);
    }
}

/// Runs until its hold is lost.
fn stays(process: &Process) {
    let Some(section) = process.enter(params()) else { return };
    let mut slot = None;
    block_on(poll_fn(|context| section.lease().poll_lost(&mut slot, context)));
    process.leave(section);
}

fn shuts_down(process: &Process) {
    yield_randomly();
    process.shut_down();
}
