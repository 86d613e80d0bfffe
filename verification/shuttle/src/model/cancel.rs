//! Callers that go away, at every point between their coming and their turn.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::driver::Event;
use crate::explore::explore;
use crate::process::{Process, dawdle, params};

const EVENTS: &[Event] = &[Event::Fail, Event::Lose, Event::WaitFor];

/// What is granted to one that has gone is handed on, or ended; nobody behind is forgotten.
pub fn a_hold_for_one_that_has_gone_is_not_lost() {
    explore(|| Process::run(EVENTS, &[goes_away, goes_away, stays]), 600);
}

/// The same with nothing else happening, so that all of the schedule is about the going.
pub fn a_cancelled_request_meets_its_grant() {
    explore(|| Process::run(&[], &[goes_away, stays]), 600);
}

/// Comes, looks once or not at all, and goes away, unless it was served by then.
fn goes_away(process: &Process) {
    let Some(mut in_line) = process.join(params()) else { return };
    dawdle();
    if let Poll::Ready(answer) = look(&mut in_line) {
        if let Some(section) = process.begin(answer) {
            process.leave(section);
        }
        return;
    }
    dawdle();
    drop(in_line);
}

fn look<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn stays(process: &Process) {
    if let Some(section) = process.enter(params()) {
        process.leave(section);
    }
}
