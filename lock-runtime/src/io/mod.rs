//! The I/O thread: runs the protocol over a backend, for all callers of one manager.
//!
//! Callers on any thread or runtime send messages to its mailbox and await a future. The thread
//! belongs to the library: a cancelled caller, a runtime that shuts down or a blocked worker cannot
//! stop renewals and releases.

pub(crate) mod block_on;
pub(crate) mod dispatcher;
pub(crate) mod event_loop;
pub(crate) mod mailbox;
pub(crate) mod observe;
