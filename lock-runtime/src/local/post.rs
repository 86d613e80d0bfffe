//! What queues need of the I/O thread and of their manager.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::local::key_queue::KeyQueue;
use crate::local::lease::Callback;
use crate::protocol::claim::{Confirmation, Request};
use crate::types::process_info::ProcessInfo;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;

/// What a queue has to say to the I/O thread.
pub trait IoHandle: Send + Sync {
    /// Asks the server; in the place of a request that is withdrawn. `false`: the manager was shut down.
    fn ask(&self, request: Request, replaces: Option<Nonce>, queue: Arc<KeyQueue>) -> bool;

    /// Releases a hold, or withdraws a request.
    fn end(&self, nonce: Nonce);

    /// Releases a hold; the receiver hears whether it was ours to the end.
    fn end_confirmed(&self, nonce: Nonce) -> oneshot::Receiver<Confirmation>;

    /// Asks for at least this ttl from the next renewal on.
    fn lengthen(&self, nonce: Nonce, ttl: Duration);

    /// Renews the hold now, to last at least this long; the receiver hears until when it is valid once the server has confirmed, or
    /// nothing if it ends before.
    fn extend(&self, nonce: Nonce, ttl: Duration) -> oneshot::Receiver<Timestamp>;

    /// Has a callback of a user called where it can do no harm.
    fn call(&self, callback: Callback);

    /// A hold has gone from one section to another.
    fn handed_on(&self, nonce: Nonce, at: Timestamp);

    /// Has [`KeyQueue::tick`] called at `at`; the number of that alarm.
    fn wake_at(&self, at: Timestamp, queue: Weak<KeyQueue>) -> u64;

    /// Takes an alarm back.
    fn disarm(&self, at: Timestamp, alarm: u64);
}

/// What all queues of a manager have in common.
pub struct QueueContext {
    /// How often a hold is handed on while another process waits.
    pub bound: u32,
    pub process: Arc<ProcessInfo>,
    pub post: Arc<dyn IoHandle>,
}
