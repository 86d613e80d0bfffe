//! Releases are not waited for, so a thread that ends, and with `main` the process, must see them out.
//!
//! The destructor of a thread-local does it: it runs when a thread returns, a runtime's worker is joined, or
//! `main` returns. It waits for the replies of what this thread released, for a bounded time.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::mailbox::Line;
use crate::sync::thread_local;
use crate::user_code;

/// How long the end of a thread waits for its releases.
const PATIENCE: Duration = Duration::from_secs(1);

struct Flush {
    lines: Vec<Line>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        for line in &self.lines {
            line.flush(PATIENCE);
        }
    }
}

thread_local! {
    static FLUSH: RefCell<Flush> = const { RefCell::new(Flush { lines: Vec::new() }) };
    static IS_IO_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Marks the calling thread as one that must not wait for itself.
pub(super) fn mark_io_thread() {
    IS_IO_THREAD.with(|mark| mark.set(true));
    user_code::keep_off_this_thread();
}

/// This thread has sent a release down `line`.
pub(super) fn released(line: &Line) {
    if IS_IO_THREAD.with(Cell::get) {
        return;
    }
    let noted = FLUSH.try_with(|flush| {
        let known = &mut flush.borrow_mut().lines;
        if !known.iter().any(|other| other.is_same(line)) {
            known.retain(|other| !other.is_closed());
            known.push(line.clone());
        }
    });
    if noted.is_err() {
        // The thread is already past its destructors.
        line.flush(PATIENCE);
    }
}
