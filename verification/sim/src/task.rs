//! Which task runs: one of the simulated process, instead of tokio's.

/// A task, and which of those that run on top of its stack.
pub(crate) type TaskId = (crate::stage::TaskId, u32);

/// The task on stage.
#[expect(clippy::unnecessary_wraps, reason = "in the library code may run outside of all tasks")]
pub(crate) fn current() -> Option<TaskId> {
    Some(crate::stage::running())
}
