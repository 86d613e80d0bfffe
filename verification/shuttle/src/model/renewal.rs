//! A release on a caller's thread against what the I/O thread has to tell of the same hold.

use crate::driver::Event;
use crate::explore::explore;
use crate::process::{Process, params};

const EVENTS: &[Event] = &[Event::Extend, Event::Extend, Event::Lose, Event::WaitFor];

/// One end for each name, which no renewal revives; a section is shown the loss of its own hold
/// alone.
pub fn a_release_meets_renewals_and_losses() {
    explore(|| Process::run(EVENTS, &[releases, releases, confirms]), 600);
}

/// Sections that wait to hear that their hold was theirs to the end.
pub fn a_confirmed_release_meets_losses() {
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
