//! The queues of a manager, by key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};

use crate::local::in_line::{JoinError, WaitForTurn};
use crate::local::key_queue::KeyQueue;
use crate::local::lease::LeaseRef;
use crate::local::post::QueueContext;
use crate::local::waiting::AcquireParams;
use crate::types::sync::{Mutex, MutexGuard};
use crate::wire::reply::Inspection;

/// Callers of different keys seldom meet at one lock of ours.
const SHARDS: usize = 16;

/// All queues in use. A queue is here for as long as somebody holds or wants its key in this process.
pub struct QueueTable {
    shards: [Arc<Shard>; SHARDS],
    office: Arc<QueueContext>,
}

/// Those of some keys.
#[derive(Default)]
pub(crate) struct Shard(Mutex<HashMap<Arc<str>, Arc<KeyQueue>>>);

/// What came of a request.
pub enum JoinOutcome {
    /// It waits in the line of its key.
    Queued(WaitForTurn),
    /// It is to try once and is not the next in this process: only the server knows who is.
    WouldWait,
}

impl QueueTable {
    pub fn new(office: QueueContext) -> Self {
        let shards = std::array::from_fn(|_| Arc::default());
        Self { shards, office: Arc::new(office) }
    }

    /// A hold of this key that is kept with nobody inside, if it may be entered on these terms.
    pub fn take(&self, key: &str, params: AcquireParams) -> Option<LeaseRef> {
        let queue = self.shard(key).queues().get(key).cloned();
        queue?.take(params)
    }

    /// Puts a request into the line of its key.
    pub fn join(&self, key: &Arc<str>, params: AcquireParams) -> JoinOutcome {
        loop {
            let queue = self.queue(key);
            match queue.join(params) {
                Ok(in_line) => return JoinOutcome::Queued(in_line),
                Err(JoinError::WouldWait) => return JoinOutcome::WouldWait,
                Err(JoinError::Closed) => self.shard(key).forget(&queue),
            }
        }
    }

    /// Adds to an inspection what only this process knows.
    pub fn show(&self, key: &str, found: &mut Inspection) {
        let queue = self.shard(key).queues().get(key).cloned();
        if let Some(queue) = queue {
            queue.show(found);
        }
    }

    fn queue(&self, key: &Arc<str>) -> Arc<KeyQueue> {
        let shard = self.shard(key);
        let mut queues = shard.queues();
        if let Some(queue) = queues.get(key) {
            return Arc::clone(queue);
        }
        let queue = KeyQueue::new(Arc::clone(key), shard, Arc::clone(&self.office));
        queues.insert(Arc::clone(key), Arc::clone(&queue));
        queue
    }

    fn shard(&self, key: &str) -> &Arc<Shard> {
        // Any spread will do: whoever makes keys meet in one shard makes no more than callers wait for each other.
        let sum =
            key.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        &self.shards[sum % SHARDS]
    }
}

impl Shard {
    pub(crate) fn forget(&self, queue: &KeyQueue) {
        let mut queues = self.queues();
        if let Entry::Occupied(known) = queues.entry(Arc::clone(queue.key()))
            && std::ptr::eq(&raw const **known.get(), queue)
        {
            known.remove();
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<KeyQueue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
