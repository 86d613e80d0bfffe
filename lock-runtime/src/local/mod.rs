//! One process's share of a lock: its lease, and the callers of this process that wait for a key.
//!
//! - [`queue`]: who waits for one key and which section runs. Pure: time is an argument.
//!   Explains how the lock is handed from one caller to the next.
//! - [`key_queue`]: a local queue that callers and the I/O thread share.
//! - [`table`]: the queues of a manager, by key.

pub(crate) mod actions;
pub(crate) mod grant_channel;
pub(crate) mod key_queue;
pub(crate) mod lease;
pub(crate) mod params;
pub(crate) mod process_lease;
pub(crate) mod queue;
pub(crate) mod table;
pub(crate) mod waiters;
