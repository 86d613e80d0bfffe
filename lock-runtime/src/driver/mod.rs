//! The I/O thread: runs the protocol over a store, for all callers of one manager.
//!
//! Callers, threads or tasks of any runtime, put messages into a mailbox and await a slot. Because the thread
//! is ours, a caller that is cancelled, a runtime that is shut down and a worker that blocks change nothing
//! about what has to be sent.

mod asked;
mod backoff;
mod core;
mod desk;
mod exit;
mod link;
mod mailbox;
mod parties;
mod report;
mod spin;
mod wait;
#[cfg(test)]
mod wait_test;

#[cfg(any(distlock_sim, distlock_shuttle, distlock_loom))]
pub use self::{backoff::pause, desk::Dispatcher, mailbox::Message, parties::ReplyTo};
pub use asked::{AcquireFuture, DeadlockWatch, MultiOutcome};
pub(crate) use core::{Setup, start};
pub(crate) use exit::is_io_thread;
pub use mailbox::{InspectAnswer, Mailbox, WaitRegistration};
pub use wait::{block_briefly_on, block_on};
