//! One call about one lock: `acquire.lua`, `release.lua`, `cancel.lua` and what they share in `common.lua`.

use std::time::Duration;

use super::Publish;
use super::counter::Counter;
use super::expiry::{Stamp, micros};
use super::record::{Entry, Hold, Record};
use crate::Fence;
use crate::wire::{
    Acquire, AcquireReply, Busy, Enqueue, Give, Holder, Nonce, Obstacle, WAITER_LEASE,
};

/// How long a pushed grant waits to be taken up.
const CLAIM: Duration = WAITER_LEASE;

/// The state a script works on. The record was cleared of what has expired.
pub(super) struct Step<'a, 'p> {
    pub(super) now: Stamp,
    pub(super) counter: &'a mut Counter,
    pub(super) record: &'a mut Record,
    pub(super) give: &'a Give,
    pub(super) publish: &'a mut Publish<'p>,
}

/// What came of giving a free lock away.
enum Given {
    /// A waiter has it.
    Away,
    /// Nobody comes before the request itself.
    Nobody,
    /// No token is issued until this instant, in microseconds.
    Quarantined(u64),
}

impl Step<'_, '_> {
    pub(super) fn acquire(&mut self, ask: &Acquire) -> AcquireReply {
        debug_assert!(ask.ttl.as_millis() > 0, "the script refuses a ttl of zero");
        let nonce = self.give.nonce;
        if self.record.is_cancelled(nonce) {
            return AcquireReply::Cancelled;
        }
        if let Some(fence) = self.again(ask) {
            return AcquireReply::Granted(fence);
        }
        let place = self.record.ticket_of(nonce);
        let quarantined = match self.take_if_free(ask) {
            Ok(Some(fence)) => return AcquireReply::Granted(fence),
            Ok(None) => None,
            Err(until_us) => Some(until_us),
        };
        let (ahead, ticket) = match &ask.enqueue {
            Some(enqueue) => self.enqueue(ask, enqueue, place),
            None => (self.record.queue_len(), place),
        };
        let (obstacle, left) = self.obstacle(quarantined);
        AcquireReply::Busy(Busy { obstacle, left, ahead, ticket })
    }

    pub(super) fn release(&mut self) -> bool {
        let held = self.record.held_by(self.give.nonce);
        if held {
            self.end_hold();
        }
        held
    }

    pub(super) fn cancel(&mut self, tombstone: Duration) -> bool {
        let nonce = self.give.nonce;
        self.record.leave(nonce);
        let held = self.release();
        if tombstone.as_millis() > 0 {
            self.record.bury(self.now, nonce, tombstone);
        }
        held
    }

    /// The same request again: the same grant, with at least its full TTL.
    fn again(&mut self, ask: &Acquire) -> Option<Fence> {
        let holder = self.record.holder().filter(|holder| holder.nonce == self.give.nonce)?;
        let fence = holder.fence;
        self.record.reassure_hold(self.now, ask.ttl);
        Some(fence)
    }

    /// Gives a free lock to whoever is first, perhaps to this request. The error is the end of a quarantine.
    fn take_if_free(&mut self, ask: &Acquire) -> Result<Option<Fence>, u64> {
        if self.record.hold().is_some() {
            return Ok(None);
        }
        match self.grant_next() {
            Given::Away => Ok(None),
            Given::Quarantined(until_us) => Err(until_us),
            Given::Nobody => self.grant_here(ask).map(Some),
        }
    }

    fn grant_here(&mut self, ask: &Acquire) -> Result<Fence, u64> {
        let nonce = self.give.nonce;
        self.record.leave(nonce);
        let fence = self.next_fence()?;
        let waited_for = self.record.has_queue();
        let holder = Holder { nonce, fence, who: ask.who.clone() };
        self.record.put_hold(self.now, holder, waited_for, ask.ttl);
        Ok(fence)
    }

    fn enqueue(&mut self, ask: &Acquire, to: &Enqueue, place: Option<u64>) -> (u64, Option<u64>) {
        let nonce = self.give.nonce;
        let drawn = place.or(to.ticket.filter(|&ticket| ticket > 0));
        let ticket = drawn.unwrap_or_else(|| self.counter.ticket(self.now));
        let entry = Entry {
            deadline_us: self.now.micros().saturating_add(micros(WAITER_LEASE)),
            claim: CLAIM,
            inbox: to.inbox.clone(),
            who: ask.who.clone(),
        };
        self.record.enqueue(self.now, (ticket, nonce), entry, WAITER_LEASE * 2);
        self.record.flag_waited_for();
        (self.record.rank(nonce), Some(ticket))
    }

    fn obstacle(&self, quarantined: Option<u64>) -> (Obstacle, Option<Duration>) {
        if let Some(until_us) = quarantined {
            let left = until_us.saturating_sub(self.now.micros()).div_ceil(1_000);
            return (Obstacle::DataLoss, Some(Duration::from_millis(left)));
        }
        let left = self.record.hold_left(self.now);
        match self.record.hold() {
            Some(Hold::Foreign) => (Obstacle::ForeignKey, left),
            _ => (Obstacle::Holder(self.record.holder().cloned().map(Box::new)), left),
        }
    }

    fn end_hold(&mut self) {
        let waited_for = matches!(self.record.hold(), Some(Hold::Ours { waited_for: true, .. }));
        self.record.delete_hold();
        if waited_for {
            self.grant_next();
        }
    }

    /// Gives the hold to the first live waiter that can be told, short of the request itself.
    fn grant_next(&mut self) -> Given {
        loop {
            let head = self.record.first_waiter(self.now).filter(|&head| head != self.give.nonce);
            let Some(head) = head else {
                return Given::Nobody;
            };
            let fence = match self.next_fence() {
                Ok(fence) => fence,
                Err(until_us) => return Given::Quarantined(until_us),
            };
            if self.push_grant(head, fence) {
                return Given::Away;
            }
            self.record.delete_hold();
        }
    }

    fn push_grant(&mut self, nonce: Nonce, fence: Fence) -> bool {
        let entry = self.record.leave(nonce).expect("the first waiter is in the queue");
        let holder = Holder { nonce, fence, who: entry.who };
        self.record.put_hold(self.now, holder, true, entry.claim);
        (self.publish)(&entry.inbox, nonce, fence)
    }

    fn next_fence(&mut self) -> Result<Fence, u64> {
        self.counter.next(self.now, self.give.floor, self.give.quarantine)
    }
}
