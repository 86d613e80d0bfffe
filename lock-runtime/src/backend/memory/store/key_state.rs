//! All keys of one lock, and one command on them: `acquire.lua`, `release.lua`, `cancel.lua` and
//! what they share in `grant.lua`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::store::fence_counter::{
    FenceCounter, NoTokens, ServerTime, WaitKind, WithTtl, count, micros,
};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Enqueue, LostHold, RequestRef};
use crate::wire::keyspace::{SHORT_HOLD, claim};
use crate::wire::reply::{
    AcquireReply, BlockedBy, BusyReply, Grant, Notification, ReclaimReply, RenewalReply, WaiterInfo,
};

/// The state a script works on. The record was cleared of what has expired.
pub(crate) struct KeyOp<'a, 'p> {
    pub(crate) now: ServerTime,
    pub(crate) counter: &'a mut FenceCounter,
    pub(crate) record: &'a mut KeyState,
    /// The server is a node of a cluster.
    pub(crate) is_node: bool,
    pub(crate) request: &'a RequestRef,
    /// The highest token of the hold that this step has ended.
    pub(crate) ended: Option<Fence>,
    pub(crate) publish: &'a mut Publish<'p>,
    /// What may still be removed from the queue, in dead waiters.
    pub(crate) work: u32,
    /// Inboxes without a subscriber, as far as this script knows.
    pub(crate) unreachable: HashSet<Arc<str>>,
}

/// Publishes a notification to an inbox, or with `None` only asks. Returns whether the inbox has a
/// subscriber as far as the server knows; one of a replica is not counted and is sent the
/// notification all the same.
pub type Publish<'a> = dyn FnMut(&str, Option<Notification>) -> bool + 'a;

impl KeyOp<'_, '_> {
    /// `None` is the error UNOPENED.
    pub(crate) fn acquire(&mut self, acquire: &Acquire) -> Option<AcquireReply> {
        debug_assert!(acquire.ttl.as_millis() > 0, "the script refuses a ttl of zero");
        let id = self.request.id;
        if self.record.is_cancelled(self.now, id) {
            return Some(AcquireReply::Cancelled);
        }
        if self.record.held_by(id)
            && let Some(grant) = self.record.extend_hold(self.now, acquire.ttl)
        {
            return Some(AcquireReply::Granted(grant));
        }
        let place = self.record.ticket_of(id);
        let no_tokens = match self.take_if_free(acquire) {
            Ok(Some(grant)) => return Some(AcquireReply::Granted(grant)),
            Ok(None) => None,
            Err(_) if self.counter.is_unopened() => return None,
            Err(no_tokens) => Some(no_tokens),
        };
        let (ahead, ticket) = match &acquire.enqueue {
            Some(enqueue) => self.enqueue(acquire, enqueue, place),
            None => (count(self.record.waiters().count()), place),
        };
        let (blocked_by, left) = self.blocked_by(no_tokens);
        Some(AcquireReply::Busy(BusyReply { blocked_by, left, ahead, ticket }))
    }

    pub(crate) fn release(&mut self, keep: Duration) -> bool {
        let held = self.record.held_by(self.request.id);
        if held && !keep.is_zero() {
            self.record.keep_hold(self.now, keep);
            self.announce(keep);
        } else if held {
            self.end_hold();
        }
        held
    }

    pub(crate) fn cancel(&mut self, fence: Fence, tombstone: Duration, keep: Duration) -> bool {
        let id = self.request.id;
        if tombstone.as_millis() > 0 {
            self.record.add_tombstone(self.now, id, tombstone);
        }
        self.record.leave(id);
        let held = self.record.held_with(id, fence);
        self.release(keep);
        held
    }

    pub(crate) fn force_release(&mut self, fence: Fence, tombstone: Duration) -> bool {
        let Some(StoredHold::Ours { holder, fences, inbox, .. }) =
            self.record.hold.as_ref().map(|hold| &hold.value)
        else {
            return false;
        };
        if !(fences.first..=fences.last()).contains(&fence) {
            return false;
        }
        if !holder.is_kept() {
            let released = Notification::ForceReleased(holder.id, fences.first);
            let (id, inbox) = (holder.id, Arc::clone(inbox));
            let left = self.record.hold_left(self.now).unwrap_or_default();
            self.record.add_tombstone(self.now, id, left.max(tombstone));
            (self.publish)(&inbox, Some(released));
        }
        self.end_hold();
        true
    }

    pub(crate) fn reclaim(&mut self, acquire: &Acquire, lost: &LostHold) -> ReclaimReply {
        let (id, ttl, first) = (self.request.id, acquire.ttl, lost.first);
        if self.record.held_with(id, first) {
            self.record.extend_hold(self.now, ttl);
            return ReclaimReply::Held;
        }
        if self.record.is_cancelled(self.now, id) || !self.counter.may_reclaim(lost, self.is_node) {
            return ReclaimReply::Refused;
        }
        if self.record.hold.is_some() {
            let is_older = self.record.holder().is_some_and(|holder| holder.fence < first);
            return if is_older { ReclaimReply::OlderHold } else { ReclaimReply::Refused };
        }
        let fences = FenceRange::new(first, acquire.fence_count);
        self.counter.learn(fences.last());
        self.record.leave(id);
        let contended = self.record.waiters().next().is_some();
        let owner = acquire.owner.clone();
        let holder = HolderInfo { id, fence: first, owner, held_unix_ms: None };
        let hold = StoredHold::Ours { holder, fences, inbox: acquire.inbox.clone(), contended };
        self.record.put_hold(self.now, hold, ttl);
        ReclaimReply::Held
    }

    /// Grants a free lock to the first waiter, perhaps to this request.
    fn take_if_free(&mut self, acquire: &Acquire) -> Result<Option<Grant>, NoTokens> {
        if self.record.hold.is_some() || self.grant_next()? {
            return Ok(None);
        }
        self.grant_here(acquire).map(Some)
    }

    fn grant_here(&mut self, acquire: &Acquire) -> Result<Grant, NoTokens> {
        let id = self.request.id;
        self.record.leave(id);
        let fences = self.next_fences(acquire.fence_count)?;
        let contended = self.record.waiters().next().is_some();
        let holder = self.holder(id, fences, acquire.owner.clone());
        let hold = StoredHold::Ours { holder, fences, inbox: acquire.inbox.clone(), contended };
        self.record.put_hold(self.now, hold, acquire.ttl);
        if contended {
            self.announce(acquire.ttl);
        }
        Ok(Grant { fences, contended })
    }

    fn enqueue(
        &mut self,
        acquire: &Acquire,
        to: &Enqueue,
        place: Option<u64>,
    ) -> (u64, Option<u64>) {
        let id = self.request.id;
        let drawn = place.or(to.ticket.filter(|&ticket| ticket > 0));
        let ticket = drawn.unwrap_or_else(|| self.counter.ticket(self.now));
        let entry = QueueEntry {
            deadline_us: self.now.micros().saturating_add(micros(to.lease)),
            claim: claim(acquire.ttl),
            fence_count: acquire.fence_count,
            inbox: acquire.inbox.clone(),
            owner: acquire.owner.clone(),
        };
        let queue = self.record.queue.get_or_insert_with(|| WithTtl::lasting(WaitQueue::default()));
        queue.value.cancelled.remove(&id);
        queue.value.add(self.now, (ticket, id), entry, to.lease);
        queue.extend_ttl(self.now, to.lease * 2);
        if let Some((holder, inbox)) = self.record.flag_contended() {
            (self.publish)(inbox, Some(Notification::Contended(holder)));
        }
        let before = self.record.waiters().take_while(|((other, _), _)| *other < ticket);
        (count(before.count()), Some(ticket))
    }

    fn blocked_by(&self, no_tokens: Option<NoTokens>) -> (BlockedBy, Option<Duration>) {
        if let Some(NoTokens { until_us, kind }) = no_tokens {
            let left = until_us.saturating_sub(self.now.micros()).div_ceil(1_000);
            let blocked_by = match kind {
                WaitKind::Failover => BlockedBy::Failover,
                WaitKind::Loss => BlockedBy::DataLoss,
            };
            return (blocked_by, Some(Duration::from_millis(left)));
        }
        let left = self.record.hold_left(self.now);
        match &self.record.hold {
            Some(hold) if matches!(hold.value, StoredHold::Foreign) && left.is_none() => {
                (BlockedBy::KeyConflict, left)
            }
            None => (BlockedBy::Holder(None), Some(Duration::ZERO)),
            _ => (BlockedBy::Holder(self.record.holder().cloned().map(Box::new)), left),
        }
    }

    fn end_hold(&mut self) {
        let ended = self.record.hold.take().map(|hold| hold.value);
        if let Some(StoredHold::Ours { contended: true, fences, .. }) = ended {
            self.ended = Some(fences.last());
            // Without tokens the waiters stay queued, and ask for themselves.
            if self.grant_next().is_err() {
                self.announce(Duration::ZERO);
            }
        }
    }

    /// Grants the lock to the first live waiter whose process can be notified. Returns false if the
    /// request itself may have it, because no live waiter comes first.
    fn grant_next(&mut self) -> Result<bool, NoTokens> {
        loop {
            let (id, fence_count, inbox) = match self.first_waiter() {
                FirstWaiter::Waiter(id, fence_count, inbox) if id != self.request.id => {
                    (id, fence_count, inbox)
                }
                FirstWaiter::Waiter(..) | FirstWaiter::Nobody => return Ok(false),
                FirstWaiter::Unknown => return Ok(true),
            };
            if !(self.publish)(&inbox, None) {
                self.record.leave(id);
                self.work = self.work.saturating_sub(UNHEARD);
                self.unreachable.insert(inbox);
                continue;
            }
            let fences = self.next_fences(fence_count)?;
            let QueueEntry { owner, claim, .. } =
                self.record.leave(id).expect("the first waiter is in the queue");
            (self.publish)(&inbox, Some(Notification::Granted(id, fences)));
            let holder = self.holder(id, fences, owner);
            let hold = StoredHold::Ours { holder, fences, inbox, contended: true };
            self.record.put_hold(self.now, hold, claim);
            self.announce(claim);
            return Ok(true);
        }
    }

    /// Notifies the first waiter behind such a short hold of when it ends.
    fn announce(&mut self, lasts: Duration) {
        if lasts.as_millis() < SHORT_HOLD.as_millis()
            && let FirstWaiter::Waiter(next, _, inbox) = self.first_waiter()
            && next != self.request.id
        {
            (self.publish)(&inbox, Some(Notification::FirstInQueue(next, lasts)));
        }
    }

    /// The first waiter whose lease is live and whose process can be notified, or that is asking.
    /// Dead ones before it are removed.
    fn first_waiter(&mut self) -> FirstWaiter {
        while self.work > 0 {
            let Some(((_, id), entry)) = self.record.waiters().next() else {
                return FirstWaiter::Nobody;
            };
            let id = *id;
            let may_hear = id == self.request.id || !self.unreachable.contains(&entry.inbox);
            if entry.deadline_us >= self.now.micros() && may_hear {
                return FirstWaiter::Waiter(id, entry.fence_count, entry.inbox.clone());
            }
            self.record.leave(id);
            self.work -= 1;
        }
        FirstWaiter::Unknown
    }

    fn holder(&self, id: RequestId, fences: FenceRange, owner: OwnerInfo) -> HolderInfo {
        let held_unix_ms = Some(self.now.micros() / 1_000);
        HolderInfo { id, fence: fences.first, owner, held_unix_ms }
    }

    fn next_fences(&mut self, wanted: u32) -> Result<FenceRange, NoTokens> {
        let RequestRef { min_fence, data_loss_grace, .. } = self.request;
        match self.ended {
            Some(ended) => {
                let none = NoTokens { until_us: u64::MAX, kind: WaitKind::Loss };
                self.counter.next_sound(self.now, wanted, ended).ok_or(none)
            }
            None => self.counter.next(self.now, wanted, *min_fence, *data_loss_grace),
        }
    }
}

/// The beginning of a queue, cleared of dead waiters.
enum FirstWaiter {
    /// This request, how many tokens it wants, and the inbox of its process.
    Waiter(RequestId, u32, Arc<str>),
    /// The queue is empty.
    Nobody,
    /// The work was done before one was found.
    Unknown,
}

/// How much one script removes from a queue, in dead waiters.
pub(crate) const WORK: u32 = 200;
/// How much of that a waiter costs if its absence shows only when a grant is sent to its process.
const UNHEARD: u32 = 20;
/// As many entries of a queue does an inspection look at.
const LOOKED_AT: usize = 100;

/// One lock: its hold, and its queue with the tombstones.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyState {
    pub(crate) hold: Option<WithTtl<StoredHold>>,
    pub(crate) queue: Option<WithTtl<WaitQueue>>,
}

/// What is under the name of the lock itself.
#[derive(Clone, Debug)]
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
    /// The lock of another kind of client if it expires, else no lock.
    #[cfg_attr(
        not(any(test, distlock_verification)),
        expect(dead_code, reason = "only tests put one into the in-memory server")
    )]
    Foreign,
}

#[derive(Clone, Debug)]
pub(crate) struct QueueEntry {
    /// Zero once the entries have expired: the waiter has only its place.
    deadline_us: u64,
    claim: Duration,
    fence_count: u32,
    inbox: Arc<str>,
    owner: OwnerInfo,
}

/// The requests that wait, and those that are refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitQueue {
    /// By their tickets.
    waiters: BTreeMap<(u64, RequestId), QueueEntry>,
    /// The TTL of the entries: a tombstone prolongs only that of the queue.
    entries: WithTtl<()>,
    /// Until when each is refused, in microseconds.
    cancelled: HashMap<RequestId, u64>,
}

impl WaitQueue {
    /// Adds a waiter. Entries that are the first ones have no TTL from before.
    fn add(
        &mut self,
        now: ServerTime,
        place: (u64, RequestId),
        entry: QueueEntry,
        lease: Duration,
    ) {
        if self.waiters.values().all(|entry| entry.deadline_us == 0) {
            self.entries = WithTtl::lasting(());
        }
        self.waiters.insert(place, entry);
        self.entries.extend_ttl(now, lease * 2);
    }

    fn expire_entries(&mut self, now: ServerTime) {
        if self.entries.expired(now) {
            self.entries = WithTtl::lasting(());
            for entry in self.waiters.values_mut() {
                entry.deadline_us = 0;
            }
        }
    }
}

impl KeyState {
    pub(crate) fn expire(&mut self, now: ServerTime) {
        self.hold.take_if(|hold| hold.expired(now));
        self.queue.take_if(|queue| queue.expired(now));
        if let Some(queue) = &mut self.queue {
            queue.value.expire_entries(now);
        }
    }

    /// Whether there is no hold, no waiter and no tombstone.
    pub(crate) fn is_empty(&self, now: ServerTime) -> bool {
        self.hold.as_ref().is_none_or(|hold| hold.expired(now))
            && self.queue.as_ref().is_none_or(|queue| queue.expired(now))
    }

    pub(crate) fn holder(&self) -> Option<&HolderInfo> {
        match &self.hold.as_ref()?.value {
            StoredHold::Ours { holder, .. } => Some(holder),
            StoredHold::Foreign => None,
        }
    }

    fn held_by(&self, id: RequestId) -> bool {
        self.holder().is_some_and(|holder| holder.id == id)
    }

    /// Whether the request has this very hold, not one that it was granted later.
    pub(crate) fn held_with(&self, id: RequestId, first: Fence) -> bool {
        self.holder().is_some_and(|holder| (holder.id, holder.fence) == (id, first))
    }

    pub(crate) fn hold_left(&self, now: ServerTime) -> Option<Duration> {
        self.hold.as_ref()?.left(now)
    }

    pub(crate) fn put_hold(&mut self, now: ServerTime, hold: StoredHold, ttl: Duration) {
        self.hold.insert(WithTtl::lasting(hold)).set_ttl(now, ttl);
    }

    /// The hold was released, and its key stays taken for so long: it is no request's any more.
    fn keep_hold(&mut self, now: ServerTime, keep: Duration) {
        if let Some(hold) = &mut self.hold
            && let StoredHold::Ours { holder, .. } = &mut hold.value
        {
            holder.id = RequestId::NONE;
            hold.set_ttl(now, keep);
        }
    }

    /// A repeated request for what it holds, or a renewal: the TTL gets no shorter. Returns the
    /// grant.
    pub(crate) fn extend_hold(&mut self, now: ServerTime, ttl: Duration) -> Option<Grant> {
        let hold = self.hold.as_mut()?;
        let StoredHold::Ours { fences, contended, .. } = hold.value else { return None };
        hold.extend_ttl(now, ttl);
        Some(Grant { fences, contended })
    }

    /// Sets the flag that other requests wait. Returns the holder and its inbox if it was not set.
    fn flag_contended(&mut self) -> Option<(RequestId, &str)> {
        match &mut self.hold.as_mut()?.value {
            StoredHold::Ours { holder, inbox, contended, .. } if !*contended => {
                *contended = true;
                Some((holder.id, inbox))
            }
            _ => None,
        }
    }

    fn waiters(&self) -> impl Iterator<Item = (&(u64, RequestId), &QueueEntry)> {
        self.queue.iter().flat_map(|queue| &queue.value.waiters)
    }

    fn ticket_of(&self, id: RequestId) -> Option<u64> {
        self.waiters().find(|((_, waiter), _)| *waiter == id).map(|((ticket, _), _)| *ticket)
    }

    /// Takes a waiter out of the queue; an empty queue is a key that is not there.
    fn leave(&mut self, id: RequestId) -> Option<QueueEntry> {
        let place = (self.ticket_of(id)?, id);
        let entry = self.queue.as_mut()?.value.waiters.remove(&place);
        self.queue.take_if(|WithTtl { value: queue, .. }| {
            queue.waiters.is_empty() && queue.cancelled.is_empty()
        });
        entry
    }

    /// How many wait, and the first live ones, as far as an inspection looks.
    pub(crate) fn seen_waiters(&self, now: ServerTime) -> (u64, Vec<WaiterInfo>) {
        let (live, dead): (Vec<_>, Vec<_>) = self
            .waiters()
            .take(LOOKED_AT)
            .partition(|(_, entry)| entry.deadline_us >= now.micros());
        let waiting = self.waiters().count() - dead.len();
        let waiter = |((_, id), entry): (&(u64, RequestId), &QueueEntry)| WaiterInfo {
            id: *id,
            owner: entry.owner.clone(),
        };
        (count(waiting), live.into_iter().map(waiter).collect())
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
        let entry = queue.value.waiters.get_mut(&place).filter(|entry| entry.deadline_us > 0)?;
        entry.deadline_us = now.micros().saturating_add(micros(lease));
        queue.value.entries.extend_ttl(now, lease * 2);
        queue.extend_ttl(now, lease * 2);
        Some(RenewalReply::Waiting(self.hold_left(now)))
    }

    fn is_cancelled(&self, now: ServerTime, id: RequestId) -> bool {
        let until = self.queue.as_ref().and_then(|queue| queue.value.cancelled.get(&id));
        until.is_some_and(|&until| until >= now.micros())
    }

    fn add_tombstone(&mut self, now: ServerTime, id: RequestId, tombstone: Duration) {
        let queue = self.queue.get_or_insert_with(|| WithTtl::lasting(WaitQueue::default()));
        let cancelled = &mut queue.value.cancelled;
        cancelled.retain(|_, until| *until >= now.micros());
        cancelled.insert(id, now.micros().saturating_add(micros(tombstone)));
        queue.extend_ttl(now, tombstone);
    }
}
