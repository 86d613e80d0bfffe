//! What verification crates replace: random request ids, the running task, the process id, and the
//! primitives that threads share. The clock is in `types::time`.
//!
//! A normal build takes them from the operating system, tokio and the standard library. Under
//! `cfg(distlock_verification)`, which no cargo feature sets, a verification crate installs an
//! `Environment`, and with the feature `__shuttle` or `__loom` a model checker controls the
//! schedule through primitives of its own.
//!
//! Only state that a model runs through uses the primitives of this module. Statics stay on the
//! standard library: they outlive a schedule, and the primitives of the checkers have no
//! `const fn new`.

#[cfg(not(all(distlock_verification, any(feature = "__shuttle", feature = "__loom"))))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, atomic},
    thread, thread_local,
};

#[cfg(all(distlock_verification, feature = "__shuttle"))]
pub(crate) use shuttle::{
    sync::{Mutex, MutexGuard, atomic},
    thread, thread_local,
};

// Loom's `thread_local!` takes no `const` initialiser: none of its models uses it.
#[cfg(all(distlock_verification, feature = "__loom"))]
pub(crate) use {
    loom::{
        sync::{Mutex, MutexGuard, atomic},
        thread,
    },
    std::thread_local,
};

#[cfg(not(distlock_verification))]
pub(crate) use self::system::{TaskId, current_task, new_request_id, process_id};
#[cfg(distlock_verification)]
pub use self::verified::{
    Environment, TaskId, current_task, install, new_request_id, now, process_id,
};

#[cfg(not(distlock_verification))]
mod system {
    pub(crate) use std::process::id as process_id;

    pub(crate) use tokio::task::{Id as TaskId, try_id as current_task};

    use crate::types::request_id::RequestId;

    /// A new name for a request or a wait of this process.
    pub(crate) fn new_request_id() -> RequestId {
        RequestId::from_bits(uuid::Uuid::new_v4().as_u128())
    }
}

#[cfg(distlock_verification)]
mod verified {
    use std::sync::OnceLock;

    use crate::types::request_id::RequestId;
    use crate::types::time::Timestamp;

    /// The functions that a verification crate installs once per process. They read thread-locals
    /// of that crate, so that threads can run different schedules.
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

    pub fn new_request_id() -> RequestId {
        (get().request_id)()
    }

    pub fn current_task() -> Option<TaskId> {
        (get().current_task)()
    }

    pub fn process_id() -> u32 {
        (get().process_id)()
    }
}
