//! Replaces the operating system for verification crates: the clock, random request ids, the
//! running task and the process id. Compiled only under a `distlock_*` cfg, which no cargo feature
//! sets.

use std::sync::OnceLock;

use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

/// The functions that a verification crate installs once per process. They read thread-locals of
/// that crate, so that threads can run different schedules.
#[derive(Clone, Copy, Debug)]
pub struct Environment {
    /// The current instant.
    pub now: fn() -> Timestamp,
    /// A new request id.
    pub request_id: fn() -> RequestId,
    /// The task that runs on this thread.
    pub current_task: fn() -> Option<TaskId>,
    /// The id of the process whose code runs.
    pub process_id: fn() -> u32,
}

/// A task, as numbered by the verification crate.
pub type TaskId = u64;

static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();

/// Sets the environment of this process. The first call counts.
pub fn install(environment: Environment) {
    ENVIRONMENT.get_or_init(|| environment);
}

fn get() -> &'static Environment {
    ENVIRONMENT.get().expect("a verification crate installs its environment first")
}

#[must_use]
pub fn now() -> Timestamp {
    (get().now)()
}

pub(crate) fn request_id() -> RequestId {
    (get().request_id)()
}

pub(crate) fn current_task() -> Option<TaskId> {
    (get().current_task)()
}

pub(crate) fn process_id() -> u32 {
    (get().process_id)()
}
