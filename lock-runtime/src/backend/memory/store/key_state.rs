//! All keys of one lock, and one command on them: `acquire.lua`, `release.lua`, `cancel.lua` and
//! what they share in `grant.lua`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::store::fence_counter::{
    FenceCounter, ServerTime, WithTtl, count, micros,
};
use crate::types::fence::FenceRange;
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Enqueue, RequestRef};
use crate::wire::keyspace::{SHORT_HOLD, claim};
use crate::wire::reply::{AcquireReply, BlockedBy, BusyReply, Grant, Notification, RenewalReply};

/// The state a script works on. The record was cleared of what has expired.
pub(crate) struct KeyOp<'a, 'p> {
    pub(crate) now: ServerTime,
    pub(crate) counter: &'a mut FenceCounter,
    pub(crate) record: &'a mut KeyState,
    pub(crate) request: &'a RequestRef,
    pub(crate) publish: &'a mut Publish<'p>,
}

/// Publishes a notification to an inbox; returns whether it has a subscriber.
pub type Publish<'a> = dyn FnMut(&str, Notification) -> bool + 'a;

impl KeyOp<'_, '_> {
    pub(crate) fn acquire(&mut self, acquire: &Acquire) -> AcquireReply {
        debug_assert!(acquire.ttl.as_millis() > 0, "the script refuses a ttl of zero");
        let id = self.request.id;
        if self.record.is_cancelled(self.now, id) {
            return AcquireReply::Cancelled;
        }
        if let Some(grant) = self.again(acquire) {
            return AcquireReply::Granted(grant);
        }
        let place = self.record.ticket_of(id);
        let quarantined = match self.take_if_free(acquire) {
            Ok(Some(grant)) => return AcquireReply::Granted(grant),
            Ok(None) => None,
            Err(until_us) => Some(until_us),
        };
        let (ahead, ticket) = match &acquire.enqueue {
            Some(enqueue) => self.enqueue(acquire, enqueue, place),
            None => (self.record.queue_len(), place),
        };
        let (blocked_by, left) = self.blocked_by(quarantined);
        AcquireReply::Busy(BusyReply { blocked_by, left, ahead, ticket })
    }

    pub(crate) fn release(&mut self) -> bool {
        let held = self.record.held_by(self.request.id);
        if held {
            self.end_hold();
        }
        held
    }

    pub(crate) fn cancel(&mut self, tombstone: Duration) -> bool {
        let id = self.request.id;
        self.record.leave(id);
        let held = self.release();
        if tombstone.as_millis() > 0 {
            self.record.add_tombstone(self.now, id, tombstone);
        }
        held
    }

    /// A repeated request: the same grant, with at least its full TTL.
    fn again(&mut self, acquire: &Acquire) -> Option<Grant> {
        let Some(StoredHold::Ours { holder, fences, contended, .. }) = self.record.hold() else {
            return None;
        };
        let grant = Grant { fences: *fences, contended: *contended };
        if holder.id != self.request.id {
            return None;
        }
        self.record.extend_hold(self.now, acquire.ttl);
        Some(grant)
    }

    /// Grants a free lock to the first waiter, perhaps to this request. The error is the end of the
    /// data-loss grace period.
    fn take_if_free(&mut self, acquire: &Acquire) -> Result<Option<Grant>, u64> {
        if self.record.hold().is_some() {
            return Ok(None);
        }
        match self.grant_next() {
            GrantOutcome::Away | GrantOutcome::Later => Ok(None),
            GrantOutcome::Quarantined(until_us) => Err(until_us),
            GrantOutcome::Nobody => self.grant_here(acquire).map(Some),
        }
    }

    fn grant_here(&mut self, acquire: &Acquire) -> Result<Grant, u64> {
        let id = self.request.id;
        self.record.leave(id);
        let fences = self.next_fences(acquire.fence_count)?;
        let contended = self.record.has_queue();
        let holder = self.holder(id, fences, acquire.owner.clone());
        let hold = StoredHold::Ours { holder, fences, inbox: acquire.inbox.clone(), contended };
        self.record.put_hold(self.now, hold, acquire.ttl);
        if contended {
            self.announce(acquire.ttl, &mut RemovalBudget::new());
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
        self.record.enqueue(self.now, (ticket, id), entry, to.lease * 2);
        if let Some((holder, inbox)) = self.record.flag_contended() {
            (self.publish)(inbox, Notification::Contended(holder));
        }
        (self.record.rank(id), Some(ticket))
    }

    fn blocked_by(&self, quarantined: Option<u64>) -> (BlockedBy, Option<Duration>) {
        if let Some(until_us) = quarantined {
            let left = until_us.saturating_sub(self.now.micros()).div_ceil(1_000);
            return (BlockedBy::DataLoss, Some(Duration::from_millis(left)));
        }
        let left = self.record.hold_left(self.now);
        match self.record.hold() {
            Some(StoredHold::NotALock) => (BlockedBy::KeyConflict, left),
            None => (BlockedBy::Holder(None), Some(Duration::ZERO)),
            _ => (BlockedBy::Holder(self.record.holder().cloned().map(Box::new)), left),
        }
    }

    fn end_hold(&mut self) {
        let contended =
            matches!(self.record.hold(), Some(StoredHold::Ours { contended: true, .. }));
        self.record.delete_hold();
        if contended {
            self.grant_next();
        }
    }

    /// Grants the lock to the first live waiter whose process can be notified, unless the request
    /// itself comes first.
    fn grant_next(&mut self) -> GrantOutcome {
        let mut work = RemovalBudget::new();
        loop {
            let (head, fence_count) =
                match self.record.first_waiter(self.now, self.request.id, &mut work) {
                    FirstWaiter::Waiter(head, fence_count) if head != self.request.id => {
                        (head, fence_count)
                    }
                    FirstWaiter::Waiter(..) | FirstWaiter::Nobody => return GrantOutcome::Nobody,
                    FirstWaiter::Unknown => return GrantOutcome::Later,
                };
            let fences = match self.next_fences(fence_count) {
                Ok(fences) => fences,
                Err(until_us) => return GrantOutcome::Quarantined(until_us),
            };
            match self.push_grant(head, fences) {
                Ok(claim) => {
                    self.announce(claim, &mut work);
                    return GrantOutcome::Away;
                }
                Err(inbox) => work.unreachable(inbox),
            }
            self.record.delete_hold();
        }
    }

    /// Notifies the first waiter behind such a short hold of when it ends.
    fn announce(&mut self, lasts: Duration, work: &mut RemovalBudget) {
        if lasts.as_millis() >= SHORT_HOLD.as_millis() {
            return;
        }
        if let FirstWaiter::Waiter(next, _) =
            self.record.first_waiter(self.now, self.request.id, work)
            && next != self.request.id
            && let Some(inbox) = self.record.inbox_of(next)
        {
            (self.publish)(&inbox, Notification::FirstInQueue(next, lasts));
        }
    }

    /// The claim of the grant. The error is the inbox, which has no subscriber.
    fn push_grant(&mut self, id: RequestId, fences: FenceRange) -> Result<Duration, Arc<str>> {
        let QueueEntry { owner, inbox, claim, .. } =
            self.record.leave(id).expect("the first waiter is in the queue");
        let holder = self.holder(id, fences, owner);
        let delivered = (self.publish)(&inbox, Notification::Granted(id, fences));
        let hold = StoredHold::Ours { holder, fences, inbox: inbox.clone(), contended: true };
        self.record.put_hold(self.now, hold, claim);
        if delivered { Ok(claim) } else { Err(inbox) }
    }

    fn holder(&self, id: RequestId, fences: FenceRange, owner: OwnerInfo) -> HolderInfo {
        let held_unix_ms = Some(self.now.micros() / 1_000);
        HolderInfo { id, fence: fences.first, owner, held_unix_ms }
    }

    fn next_fences(&mut self, wanted: u32) -> Result<FenceRange, u64> {
        self.counter.next(self.now, wanted, self.request.min_fence, self.request.data_loss_grace)
    }
}

/// The outcome of granting a free lock.
enum GrantOutcome {
    /// A waiter has it.
    Away,
    /// No waiter comes before the request.
    Nobody,
    /// The work of one script is done; the next request goes on.
    Later,
    /// No token is issued until this instant, in microseconds.
    Quarantined(u64),
}

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

    #[cfg(any(test, distlock_verification))]
    pub(crate) fn put_not_a_lock(&mut self) {
        self.hold = Some(WithTtl::lasting(StoredHold::NotALock));
    }

    #[cfg(test)]
    pub(crate) fn put_other_client_lock(&mut self, now: ServerTime, ttl: Duration) {
        self.put_hold(now, StoredHold::OtherClientLock, ttl);
    }

    #[cfg(distlock_verification)]
    pub(crate) fn delete_queue(&mut self) {
        self.queue = None;
    }

    #[cfg(distlock_verification)]
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
        not(any(test, distlock_verification)),
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

type WaitQueue = BTreeMap<(u64, RequestId), QueueEntry>;

#[derive(Debug)]
pub(crate) struct QueueEntry {
    pub(crate) deadline_us: u64,
    pub(crate) claim: Duration,
    pub(crate) fence_count: u32,
    pub(crate) inbox: Arc<str>,
    pub(crate) owner: OwnerInfo,
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
