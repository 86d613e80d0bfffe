//! One process's share of a lock: its lease, and the callers of this process that wait for a key.
//!
//! - [`queue`]: who waits for one key and which section runs. Pure: time is an argument.
//!   Explains how the lock is handed from one caller to the next.
//! - [`waiters`]: a list from which any waiter can be removed.
//! - [`key_queue`]: the queues of a manager, which callers and the link share.

pub(crate) mod grant_channel;
pub(crate) mod key_queue;
pub(crate) mod lease;
pub(crate) mod queue;
mod waiters;
