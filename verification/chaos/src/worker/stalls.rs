use std::sync::Arc;
use std::thread;
use std::time::Duration;

use checker::{EventKind, Nanos};

use crate::clock;
use crate::journal::Journal;

const STEP: Duration = Duration::from_millis(20);
/// A thread that was woken later than this after its sleep was kept from running.
const LATE: Duration = Duration::from_millis(50);

/// Records when the machine has not run this process, as long as this lives.
pub(super) fn watch(journal: Arc<Journal>) {
    thread::spawn(move || {
        loop {
            let due = clock::now() + clock::nanos(STEP);
            clock::sleep_until(due);
            let now = clock::now();
            if let Some(stall) = stall(due, now) {
                journal.write_at(now, 0, stall);
            }
        }
    });
}

fn stall(due: Nanos, now: Nanos) -> Option<EventKind> {
    (now > due + clock::nanos(LATE)).then_some(EventKind::Stalled { since: due })
}

#[cfg(test)]
mod tests;
