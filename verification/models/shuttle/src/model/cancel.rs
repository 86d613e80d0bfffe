//! Callers that are cancelled, at every point between joining the queue and the grant.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::explore::explore;
use crate::process::{Process, params, yield_randomly};
use crate::server::Event;

const EVENTS: &[Event] = &[Event::Fail, Event::Lose, Event::Contend];

/// A grant to a cancelled caller goes to the next waiter or is released. No waiter is forgotten.
pub fn a_grant_to_a_cancelled_caller_does_not_leak() {
    explore(|| Process::run(EVENTS, &[cancels, cancels, stays]), 600);
}

/// The same without other events, so that the whole schedule is about the cancellation.
pub fn a_cancellation_races_with_the_grant() {
    explore(|| Process::run(&[], &[cancels, stays]), 600);
}

/// Joins the queue, polls at most once, and is cancelled unless it was granted by then.
fn cancels(process: &Process) {
    let mut in_line = process.join(params());
    yield_randomly();
    if let Poll::Ready(answer) = look(&mut in_line) {
        if let Some(section) = process.begin(answer) {
            process.leave(section);
        }
        return;
    }
    yield_randomly();
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
