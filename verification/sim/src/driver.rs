//! The I/O thread of a simulated process: the library's dealings with callers, and the simulation in the place of the I/O.

library! {
    "../../../lock-runtime/src/driver/asked.rs" asked,
    "../../../lock-runtime/src/driver/backoff.rs" backoff,
    "../../../lock-runtime/src/driver/desk/mod.rs" desk,
    "../../../lock-runtime/src/driver/mailbox.rs" mailbox,
    "../../../lock-runtime/src/driver/parties.rs" parties,
    "../../../lock-runtime/src/driver/report.rs" report,
    "../../../lock-runtime/src/driver/wait.rs" wait,
}

mod node;

pub(crate) use asked::{AcquireFuture, DeadlockWatch, MultiOutcome};
pub(crate) use backoff::pause;
pub(crate) use mailbox::{InspectAnswer, Mailbox, WaitRegistration};
pub(crate) use node::{Askers, Node, start};
pub(crate) use wait::{block_briefly_on, block_on};

/// Nothing here blocks a thread.
pub(crate) fn is_io_thread() -> bool {
    false
}
