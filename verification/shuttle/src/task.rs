//! Which task a thread runs: the answer of a model instead of tokio's.

use std::cell::Cell;

use crate::sync::thread_local;

/// A task, by its number.
pub(crate) type TaskId = u32;

thread_local! {
    static CURRENT: Cell<Option<TaskId>> = Cell::new(None);
}

pub(crate) fn current() -> Option<TaskId> {
    CURRENT.with(Cell::get)
}

/// Runs code as this task, on top of what the thread runs already.
pub(crate) fn run<T>(task: TaskId, code: impl FnOnce() -> T) -> T {
    let before = CURRENT.with(|current| current.replace(Some(task)));
    let output = code();
    CURRENT.with(|current| current.set(before));
    output
}
