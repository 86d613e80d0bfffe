//! The I/O thread: runs the protocol over a store, for all callers of one manager.
//!
//! Callers, threads or tasks of any runtime, put messages into a mailbox and await a slot. Because the thread
//! is ours, a caller that is cancelled, a runtime that is shut down and a worker that blocks change nothing
//! about what has to be sent.

pub(crate) mod backoff;
pub(crate) mod block_on;
pub(crate) mod busy_poll;
pub(crate) mod dispatcher;
pub(crate) mod event_loop;
pub(crate) mod flush_on_exit;
pub(crate) mod futures;
pub(crate) mod link;
pub(crate) mod mailbox;
pub(crate) mod observe;
pub(crate) mod registry;
