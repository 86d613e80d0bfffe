//! The queues of a manager, by key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, Weak};

use crate::local::key_queue::{JoinError, KeyQueue, QueueContext, QueueOwner, WaitForTurn};
use crate::local::lease::LeaseRef;
use crate::local::params::AcquireParams;
use crate::types::sync::{Mutex, MutexGuard};
use crate::wire::reply::LockState;

/// Callers of different keys rarely contend for one mutex.
const SHARDS: usize = 16;

/// Has a queue for each key that this process holds or waits for.
pub struct QueueTable {
    shards: [Arc<Shard>; SHARDS],
    context: Arc<QueueContext>,
}

#[derive(Default)]
struct Shard(Mutex<HashMap<Arc<str>, Arc<KeyQueue>>>);

pub enum JoinOutcome {
    Queued(WaitForTurn),
    /// The caller tries once, and is not the next of this process. Only the server knows who is.
    WouldWait,
}

impl QueueTable {
    pub fn new(context: QueueContext) -> Self {
        let shards = std::array::from_fn(|_| Arc::default());
        Self { shards, context: Arc::new(context) }
    }

    /// Starts a section under a lease of this key that lingers, if its terms allow that.
    pub fn take_idle(&self, key: &str, params: AcquireParams) -> Option<LeaseRef> {
        let queue = self.shard(key).queues().get(key).cloned();
        queue?.take_idle(params)
    }

    pub fn join(&self, key: &Arc<str>, params: AcquireParams) -> JoinOutcome {
        loop {
            let queue = self.queue(key);
            match queue.join(params) {
                Ok(wait) => return JoinOutcome::Queued(wait),
                Err(JoinError::WouldWait) => return JoinOutcome::WouldWait,
                Err(JoinError::Closed) => self.shard(key).remove(&queue),
            }
        }
    }

    /// As [`KeyQueue::add_local_view`].
    pub fn add_local_view(&self, key: &str, found: &mut LockState) {
        let queue = self.shard(key).queues().get(key).cloned();
        if let Some(queue) = queue {
            queue.add_local_view(found);
        }
    }

    fn queue(&self, key: &Arc<str>) -> Arc<KeyQueue> {
        let shard = self.shard(key);
        let mut queues = shard.queues();
        if let Some(queue) = queues.get(key) {
            return Arc::clone(queue);
        }
        let owner: Weak<Shard> = Arc::downgrade(shard);
        let queue = KeyQueue::new(Arc::clone(key), owner, Arc::clone(&self.context));
        queues.insert(Arc::clone(key), Arc::clone(&queue));
        queue
    }

    fn shard(&self, key: &str) -> &Arc<Shard> {
        // Need not resist chosen keys: in one shard they only contend for its mutex.
        let sum =
            key.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        &self.shards[sum % SHARDS]
    }
}

impl Shard {
    fn queues(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<KeyQueue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueOwner for Shard {
    fn remove(&self, queue: &KeyQueue) {
        let mut queues = self.queues();
        // Its key may have another queue by now.
        if let Entry::Occupied(entry) = queues.entry(Arc::clone(queue.key()))
            && std::ptr::eq(&raw const **entry.get(), queue)
        {
            entry.remove();
        }
    }
}
