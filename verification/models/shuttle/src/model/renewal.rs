//! A release on the thread of a caller races with notifications of the server about the same
//! hold.

use crate::explore::explore;
use crate::process::{Process, params};
use crate::server::Event;

const EVENTS: &[Event] = &[Event::Extend, Event::Extend, Event::Lose, Event::Contend];

/// Each request is released once, and no renewal revives it. A section sees only the loss of its
/// own hold.
pub fn a_release_races_with_renewals_and_losses() {
    explore(|| Process::run(EVENTS, &[releases, releases, confirms]), 600);
}

/// Sections that wait until the release is confirmed.
pub fn a_confirmed_release_races_with_losses() {
    explore(|| Process::run(EVENTS, &[confirms, confirms]), 600);
}

fn releases(process: &Process) {
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}

fn confirms(process: &Process) {
    if let Some(section) = process.enter(params()) {
        process.leave_confirmed(section);
    }
}
