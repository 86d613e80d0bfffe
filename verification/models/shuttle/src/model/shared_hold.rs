//! A hold shared with another thread: the release waits until the last one leaves.

use std::sync::Arc;

use distlock_runtime::verification::{Lease, LeaseRef};
use shuttle::thread;

use crate::explore::explore;
use crate::process::{Process, params};
use crate::server::Event;

const EVENTS: &[Event] = &[Event::Extend, Event::Contend, Event::Lose];

/// A section ends while a thread that shares its hold still runs. No other section starts before
/// that thread leaves.
pub fn a_release_waits_for_the_last_sharer() {
    explore(|| Process::run(EVENTS, &[shares, waits]), 600);
}

fn shares(process: &Process) {
    let Some(section) = process.enter(params()) else { return };
    let lease = Arc::clone(section.lease());
    let share = LeaseRef::of(&lease).expect("a running section has its hold");
    thread::scope(|scope| {
        scope.spawn(|| runs_on(process, &lease, share));
        drop(section);
        joins_late(&lease);
    });
}

/// Holds the lock until it leaves, even if the section has ended.
fn runs_on(process: &Process, lease: &Arc<Lease>, share: LeaseRef) {
    assert!(!lease.is_released(), "released while it was referenced");
    thread::yield_now();
    process.note_left(lease);
    drop(share);
}

/// Joins only while the hold is referenced.
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
