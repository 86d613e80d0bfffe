//! One command on one key: `acquire.lua`, `release.lua`, `cancel.lua` and what they share in
//! `common.lua`.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::store::fence_counter::FenceCounter;
use crate::backend::memory::store::key_state::{
    FirstWaiter, KeyState, QueueEntry, RemovalBudget, StoredHold,
};
use crate::backend::memory::store::with_ttl::{ServerTime, micros};
use crate::types::fence::FenceRange;
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::wire::command::{Acquire, Enqueue, RequestRef};
use crate::wire::limits::{SHORT_HOLD, claim};
use crate::wire::reply::{AcquireReply, BlockedBy, BusyReply, Grant, Notification};

/// The state a script works on. The record was cleared of what has expired.
pub(crate) struct KeyOp<'a, 'p> {
    pub(crate) now: ServerTime,
    pub(crate) counter: &'a mut FenceCounter,
    pub(crate) record: &'a mut KeyState,
    pub(crate) request: &'a RequestRef,
    pub(crate) publish: &'a mut Publish<'p>,
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
        HolderInfo { id, fence: fences.first(), owner, held_unix_ms }
    }

    fn next_fences(&mut self, wanted: u32) -> Result<FenceRange, u64> {
        self.counter.next(self.now, wanted, self.request.min_fence, self.request.data_loss_grace)
    }
}

/// Publishes a notification to an inbox; returns whether it has a subscriber.
pub type Publish<'a> = dyn FnMut(&str, Notification) -> bool + 'a;
