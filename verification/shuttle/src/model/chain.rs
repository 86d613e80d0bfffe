//! A hold that is shared with code elsewhere: the release waits for the last to leave.

use std::sync::Arc;

use distlock_runtime::verification::{Lease, LeaseRef};
use shuttle::thread;

use crate::driver::Event;
use crate::explore::explore;
use crate::process::{Process, params};

const EVENTS: &[Event] = &[Event::Extend, Event::WaitFor, Event::Lose];

/// The section ends while a thread that it let in runs on: nobody else comes in before that one
/// leaves.
pub fn a_release_waits_for_the_last_sharer() {
    explore(|| Process::run(EVENTS, &[shares, waits]), 600);
}

fn shares(process: &Process) {
    let Some(section) = process.enter(params()) else { return };
    let lease = Arc::clone(section.lease());
    let share = LeaseRef::of(&lease).expect("a section keeps its hold");
    thread::scope(|scope| {
        scope.spawn(|| runs_on(process, &lease, share));
        drop(section);
        joins_late(&lease);
    });
}

/// Is inside until it leaves, as the section is, though that one may have ended.
fn runs_on(process: &Process, lease: &Arc<Lease>, share: LeaseRef) {
    assert!(!lease.is_released(), "ended under a share");
    thread::yield_now();
    process.see_off(lease);
    drop(share);
}

/// Is let in only while another still is.
fn joins_late(lease: &Arc<Lease>) {
    if let Some(share) = LeaseRef::of(lease) {
        assert!(!lease.is_released());
        drop(share);
    }
}

fn waits(process: &Process) {
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}
