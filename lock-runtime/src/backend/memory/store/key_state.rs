//! All keys of one lock, each with its expiry.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::store::with_ttl::{ServerTime, WithTtl, count, micros};
use crate::types::fence::FenceRange;
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::wire::reply::RenewalReply;

/// What is under the name of the lock itself.
#[derive(Debug)]
pub(crate) enum StoredHold {
    Ours {
        holder: HolderInfo,
        /// Its fencing tokens.
        fences: FenceRange,
        /// The inbox of its process.
        inbox: Arc<str>,
        /// Other requests may wait: the flag `w`.
        contended: bool,
    },
    #[cfg_attr(
        not(any(test, distlock_sim)),
        expect(dead_code, reason = "only tests put one into the in-memory server")
    )]
    NotALock,
    /// A text that expires: the lock of another kind of client.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only tests put one into the in-memory server")
    )]
    OtherClientLock,
}

/// How much one script removes from a queue, in dead waiters.
const WORK: u32 = 200;
/// How much of that a waiter costs if its absence shows only when a grant is sent to its process.
const UNHEARD: u32 = 20;
/// As many entries of a queue does an inspection look at.
const LOOKED_AT: usize = 100;

/// What a script may still remove from a queue, and what it has found out.
#[derive(Debug)]
pub(crate) struct RemovalBudget {
    left: u32,
    /// Inboxes without a subscriber.
    unreachable: HashSet<Arc<str>>,
}

impl RemovalBudget {
    pub(crate) fn new() -> Self {
        Self { left: WORK, unreachable: HashSet::new() }
    }

    /// A grant to this inbox reached no process.
    pub(crate) fn unreachable(&mut self, inbox: Arc<str>) {
        self.left = self.left.saturating_sub(UNHEARD);
        self.unreachable.insert(inbox);
    }
}

/// The beginning of a queue, cleared of dead waiters.
pub(crate) enum FirstWaiter {
    /// This request, and how many tokens it wants.
    Waiter(RequestId, u32),
    /// The queue is empty.
    Nobody,
    /// The work was done before one was found.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct QueueEntry {
    pub(crate) deadline_us: u64,
    pub(crate) claim: Duration,
    pub(crate) fence_count: u32,
    pub(crate) inbox: Arc<str>,
    pub(crate) owner: OwnerInfo,
}

type WaitQueue = BTreeMap<(u64, RequestId), QueueEntry>;

/// One lock: its hold, its queue, its tombstones.
#[derive(Debug, Default)]
pub(crate) struct KeyState {
    hold: Option<WithTtl<StoredHold>>,
    queue: Option<WithTtl<WaitQueue>>,
    /// Until when each is refused, in microseconds.
    cancelled: Option<WithTtl<HashMap<RequestId, u64>>>,
}

impl KeyState {
    pub(crate) fn expire(&mut self, now: ServerTime) {
        self.hold.take_if(|hold| hold.expired(now));
        self.queue.take_if(|queue| queue.expired(now));
        self.cancelled.take_if(|cancelled| cancelled.expired(now));
    }

    pub(crate) fn is_empty(&self, now: ServerTime) -> bool {
        self.hold.as_ref().is_none_or(|hold| hold.expired(now))
            && self.queue.as_ref().is_none_or(|queue| queue.expired(now))
            && self.cancelled.as_ref().is_none_or(|cancelled| cancelled.expired(now))
    }

    pub(crate) fn hold(&self) -> Option<&StoredHold> {
        self.hold.as_ref().map(|hold| &hold.value)
    }

    pub(crate) fn holder(&self) -> Option<&HolderInfo> {
        match self.hold()? {
            StoredHold::Ours { holder, .. } => Some(holder),
            StoredHold::NotALock | StoredHold::OtherClientLock => None,
        }
    }

    pub(crate) fn held_by(&self, id: RequestId) -> bool {
        self.holder().is_some_and(|holder| holder.id == id)
    }

    pub(crate) fn hold_left(&self, now: ServerTime) -> Option<Duration> {
        self.hold.as_ref()?.left(now)
    }

    pub(crate) fn put_hold(&mut self, now: ServerTime, hold: StoredHold, ttl: Duration) {
        self.hold.insert(WithTtl::lasting(hold)).set_ttl(now, ttl);
    }

    #[cfg(any(test, distlock_sim))]
    pub(crate) fn put_not_a_lock(&mut self) {
        self.hold = Some(WithTtl::lasting(StoredHold::NotALock));
    }

    #[cfg(test)]
    pub(crate) fn put_other_client_lock(&mut self, now: ServerTime, ttl: Duration) {
        self.put_hold(now, StoredHold::OtherClientLock, ttl);
    }

    #[cfg(distlock_sim)]
    pub(crate) fn delete_queue(&mut self) {
        self.queue = None;
    }

    #[cfg(distlock_sim)]
    pub(crate) fn delete_cancelled(&mut self) {
        self.cancelled = None;
    }

    pub(crate) fn delete_hold(&mut self) {
        self.hold = None;
    }

    /// Sets the flag that other requests wait. Returns the holder and its inbox if it was not set.
    pub(crate) fn flag_contended(&mut self) -> Option<(RequestId, &str)> {
        match &mut self.hold.as_mut()?.value {
            StoredHold::Ours { holder, inbox, contended, .. } if !*contended => {
                *contended = true;
                Some((holder.id, inbox))
            }
            _ => None,
        }
    }

    /// A repeated request for what it holds: its TTL gets no shorter.
    pub(crate) fn extend_hold(&mut self, now: ServerTime, ttl: Duration) {
        if let Some(hold) = &mut self.hold {
            hold.extend_ttl(now, ttl);
        }
    }

    pub(crate) fn renew_hold(
        &mut self,
        now: ServerTime,
        id: RequestId,
        ttl: Duration,
    ) -> RenewalReply {
        let renewable = self.held_by(id) && ttl.as_millis() > 0;
        match &mut self.hold {
            Some(hold) if renewable => {
                hold.extend_ttl(now, ttl);
                match hold.value {
                    StoredHold::Ours { contended: true, .. } => RenewalReply::RenewedContended,
                    _ => RenewalReply::Renewed,
                }
            }
            _ => RenewalReply::NotHeld,
        }
    }

    pub(crate) fn has_queue(&self) -> bool {
        self.queue.is_some()
    }

    /// How many entries the queue has, dead ones included.
    pub(crate) fn queue_len(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| count(queue.value.len()))
    }

    /// How many entries come before this waiter, dead ones included.
    pub(crate) fn rank(&self, id: RequestId) -> u64 {
        let before = self.waiters().take_while(|((_, waiter), _)| *waiter != id);
        count(before.count())
    }

    pub(crate) fn ticket_of(&self, id: RequestId) -> Option<u64> {
        self.waiters().find(|((_, waiter), _)| *waiter == id).map(|((ticket, _), _)| *ticket)
    }

    pub(crate) fn inbox_of(&self, id: RequestId) -> Option<Arc<str>> {
        let of = |((_, waiter), _): &(&(u64, RequestId), &QueueEntry)| *waiter == id;
        self.waiters().find(of).map(|(_, entry)| entry.inbox.clone())
    }

    pub(crate) fn enqueue(
        &mut self,
        now: ServerTime,
        place: (u64, RequestId),
        entry: QueueEntry,
        ttl: Duration,
    ) {
        let empty = || WithTtl::lasting(WaitQueue::new());
        let queue = self.queue.get_or_insert_with(empty);
        queue.value.insert(place, entry);
        queue.extend_ttl(now, ttl);
    }

    /// Takes a waiter out of the queue; a queue without waiters is a key that is not there.
    pub(crate) fn leave(&mut self, id: RequestId) -> Option<QueueEntry> {
        let place = (self.ticket_of(id)?, id);
        let waiters = &mut self.queue.as_mut()?.value;
        let entry = waiters.remove(&place);
        self.queue.take_if(|queue| queue.value.is_empty());
        entry
    }

    /// The first waiter whose lease is live and whose process can be notified, or that is `asking`.
    /// Dead ones before it are removed.
    pub(crate) fn first_waiter(
        &mut self,
        now: ServerTime,
        asking: RequestId,
        work: &mut RemovalBudget,
    ) -> FirstWaiter {
        while work.left > 0 {
            let Some(((_, id), entry)) = self.waiters().next() else { return FirstWaiter::Nobody };
            let (id, fence_count) = (*id, entry.fence_count);
            let may_hear = id == asking || !work.unreachable.contains(&entry.inbox);
            if entry.deadline_us >= now.micros() && may_hear {
                return FirstWaiter::Waiter(id, fence_count);
            }
            self.leave(id);
            work.left -= 1;
        }
        FirstWaiter::Unknown
    }

    /// How many wait, and the first live ones, as far as an inspection looks.
    pub(crate) fn seen_waiters(&self, now: ServerTime) -> (u64, Vec<(RequestId, &OwnerInfo)>) {
        let looked_at = self.waiters().take(LOOKED_AT);
        let live = looked_at.filter(|(_, entry)| entry.deadline_us >= now.micros());
        let live: Vec<_> = live.map(|((_, id), entry)| (*id, &entry.owner)).collect();
        let dead = count(self.waiters().take(LOOKED_AT).count() - live.len());
        (self.queue_len() - dead, live)
    }

    /// Prolongs a waiter's lease while another hold is there to wait for.
    pub(crate) fn renew_waiter(
        &mut self,
        now: ServerTime,
        id: RequestId,
        lease: Duration,
    ) -> Option<RenewalReply> {
        self.holder().filter(|holder| holder.id != id)?;
        let place = (self.ticket_of(id)?, id);
        let queue = self.queue.as_mut()?;
        queue.value.get_mut(&place)?.deadline_us = now.micros().saturating_add(micros(lease));
        queue.extend_ttl(now, lease * 2);
        Some(RenewalReply::Waiting(self.hold_left(now)))
    }

    /// Whether there is no hold, no waiter and no tombstone. Expired ones were removed before.
    pub(crate) fn is_untouched(&self) -> bool {
        self.hold.is_none() && self.queue.is_none() && self.cancelled.is_none()
    }

    pub(crate) fn is_cancelled(&self, now: ServerTime, id: RequestId) -> bool {
        let until = self.cancelled.as_ref().and_then(|cancelled| cancelled.value.get(&id));
        until.is_some_and(|&until| until >= now.micros())
    }

    pub(crate) fn add_tombstone(&mut self, now: ServerTime, id: RequestId, tombstone: Duration) {
        let empty = || WithTtl::lasting(HashMap::new());
        let cancelled = self.cancelled.get_or_insert_with(empty);
        cancelled.value.retain(|_, until| *until >= now.micros());
        cancelled.value.insert(id, now.micros().saturating_add(micros(tombstone)));
        cancelled.set_ttl(now, tombstone);
    }

    fn waiters(&self) -> impl Iterator<Item = (&(u64, RequestId), &QueueEntry)> {
        self.queue.iter().flat_map(|queue| &queue.value)
    }
}
