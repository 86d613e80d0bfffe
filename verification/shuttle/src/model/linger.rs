//! A hold that is kept with nobody inside: taken, asked back, lost, and over by time.

use crate::driver::Event;
use crate::explore::explore;
use crate::process::{Process, dawdle, lingering, params};

const EVENTS: &[Event] =
    &[Event::GiveUpIdle, Event::WaitFor, Event::Lose, Event::Ring, Event::Pass];

/// One at a time enters it or ends it.
pub fn an_idle_hold_is_entered_or_ended() {
    explore(|| Process::run(EVENTS, &[keeps, keeps, waits]), 600);
}

/// Takes what is kept, or waits for a turn; leaves it to be kept.
fn keeps(process: &Process) {
    for _ in 0..2 {
        let section = process.enter_idle(lingering()).or_else(|| process.enter(lingering()));
        if let Some(section) = section {
            process.leave(section);
        }
        dawdle();
    }
}

fn waits(process: &Process) {
    dawdle();
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}
