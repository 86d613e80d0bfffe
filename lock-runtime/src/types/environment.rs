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

#[cfg(all(distlock_verification, feature = "__shuttle"))]
pub(crate) use self::verified::{has_reactor, wake_at};

/// Notices that this process is a fork of the one in which it was made. It makes no system call: a
/// handler of the C library's `fork` counts.
#[derive(Debug)]
pub(crate) struct ForkGuard(
    #[cfg(not(distlock_verification))] forkguard::Guard,
    #[cfg(distlock_verification)] u32,
);

impl ForkGuard {
    pub(crate) fn new() -> Self {
        #[cfg(not(distlock_verification))]
        return Self(forkguard::new());
        #[cfg(distlock_verification)]
        return Self(process_id());
    }

    pub(crate) fn is_forked(&self) -> bool {
        // A guard reports each fork once, and its clone reports it again.
        #[cfg(not(distlock_verification))]
        return self.0.clone().detected_fork();
        #[cfg(distlock_verification)]
        return process_id() != self.0;
    }
}

#[cfg(not(distlock_verification))]
mod system {
    use std::cell::RefCell;
    pub(crate) use std::process::id as process_id;

    pub(crate) use tokio::task::{Id as TaskId, try_id as current_task};
    use uuid::Uuid;

    use crate::types::environment::ForkGuard;
    use crate::types::request_id::RequestId;

    /// 2^128 divided by the golden ratio. Its multiples spread evenly, also their high bits alone.
    const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

    thread_local! {
        /// The last id of this thread. It starts at random, again in a fork.
        static LAST: RefCell<Option<(ForkGuard, u128)>> = const { RefCell::new(None) };
    }

    /// A new name for a request or a wait of this process.
    pub(crate) fn new_request_id() -> RequestId {
        let random = || Uuid::new_v4().as_u128();
        let next = LAST.try_with(|last| {
            let last = &mut *last.borrow_mut();
            let before = last.take_if(|(guard, _)| !guard.is_forked());
            let (guard, id) = before.unwrap_or_else(|| (ForkGuard::new(), random()));
            *last = Some((guard, id.wrapping_add(STEP)));
            id
        });
        RequestId::from_bits(next.unwrap_or_else(|_| random()))
    }
}

#[cfg(distlock_verification)]
mod verified {
    use std::sync::OnceLock;
    #[cfg(feature = "__shuttle")]
    use std::task::Waker;

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
        /// Wakes this waker at that instant.
        #[cfg(feature = "__shuttle")]
        pub wake_at: fn(Timestamp, Waker),
        /// Whether the running task can wait for sockets.
        #[cfg(feature = "__shuttle")]
        pub has_reactor: fn() -> bool,
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

    #[cfg(feature = "__shuttle")]
    pub fn wake_at(at: Timestamp, waker: Waker) {
        (get().wake_at)(at, waker);
    }

    #[cfg(feature = "__shuttle")]
    pub fn has_reactor() -> bool {
        (get().has_reactor)()
    }
}
