//! One call about one lock: `acquire.lua`, `release.lua`, `cancel.lua` and what they share in `common.lua`.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::twin::Publish;
use crate::backend::memory::twin::counter::Counter;
use crate::backend::memory::twin::expiry::{Stamp, micros};
use crate::backend::memory::twin::record::{Entry, First, Hold, Record, Work};
use crate::types::fence::FenceBlock;
use crate::types::owner_info::{Holder, OwnerInfo};
use crate::types::request_id::Nonce;
use crate::wire::call::{Acquire, Enqueue, Give, SHORT_HOLD, claim};
use crate::wire::reply::{AcquireReply, Busy, Grant, Notice, Obstacle};

/// The state a script works on. The record was cleared of what has expired.
pub(crate) struct Step<'a, 'p> {
    pub(crate) now: Stamp,
    pub(crate) counter: &'a mut Counter,
    pub(crate) record: &'a mut Record,
    pub(crate) give: &'a Give,
    pub(crate) publish: &'a mut Publish<'p>,
}

/// What came of giving a free lock away.
enum Given {
    /// A waiter has it.
    Away,
    /// Nobody comes before the request itself.
    Nobody,
    /// The work of one script is done; the next request goes on.
    Later,
    /// No token is issued until this instant, in microseconds.
    Quarantined(u64),
}

impl Step<'_, '_> {
    pub(crate) fn acquire(&mut self, ask: &Acquire) -> AcquireReply {
        debug_assert!(ask.ttl.as_millis() > 0, "the script refuses a ttl of zero");
        let nonce = self.give.nonce;
        if self.record.is_cancelled(self.now, nonce) {
            return AcquireReply::Cancelled;
        }
        if let Some(grant) = self.again(ask) {
            return AcquireReply::Granted(grant);
        }
        let place = self.record.ticket_of(nonce);
        let quarantined = match self.take_if_free(ask) {
            Ok(Some(grant)) => return AcquireReply::Granted(grant),
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

    pub(crate) fn release(&mut self) -> bool {
        let held = self.record.held_by(self.give.nonce);
        if held {
            self.end_hold();
        }
        held
    }

    pub(crate) fn cancel(&mut self, tombstone: Duration) -> bool {
        let nonce = self.give.nonce;
        self.record.leave(nonce);
        let held = self.release();
        if tombstone.as_millis() > 0 {
            self.record.bury(self.now, nonce, tombstone);
        }
        held
    }

    /// The same request again: the same grant, with at least its full TTL.
    fn again(&mut self, ask: &Acquire) -> Option<Grant> {
        let Some(Hold::Ours { holder, fences, waited_for, .. }) = self.record.hold() else {
            return None;
        };
        let grant = Grant { fences: *fences, waited_for: *waited_for };
        if holder.nonce != self.give.nonce {
            return None;
        }
        self.record.reassure_hold(self.now, ask.ttl);
        Some(grant)
    }

    /// Gives a free lock to whoever is first, perhaps to this request. The error is the end of a quarantine.
    fn take_if_free(&mut self, ask: &Acquire) -> Result<Option<Grant>, u64> {
        if self.record.hold().is_some() {
            return Ok(None);
        }
        match self.grant_next() {
            Given::Away | Given::Later => Ok(None),
            Given::Quarantined(until_us) => Err(until_us),
            Given::Nobody => self.grant_here(ask).map(Some),
        }
    }

    fn grant_here(&mut self, ask: &Acquire) -> Result<Grant, u64> {
        let nonce = self.give.nonce;
        self.record.leave(nonce);
        let fences = self.next_fences(ask.block)?;
        let waited_for = self.record.has_queue();
        let holder = self.holder(nonce, fences, ask.who.clone());
        let hold = Hold::Ours { holder, fences, inbox: ask.inbox.clone(), waited_for };
        self.record.put_hold(self.now, hold, ask.ttl);
        if waited_for {
            self.announce(ask.ttl, &mut Work::new());
        }
        Ok(Grant { fences, waited_for })
    }

    fn enqueue(&mut self, ask: &Acquire, to: &Enqueue, place: Option<u64>) -> (u64, Option<u64>) {
        let nonce = self.give.nonce;
        let drawn = place.or(to.ticket.filter(|&ticket| ticket > 0));
        let ticket = drawn.unwrap_or_else(|| self.counter.ticket(self.now));
        let entry = Entry {
            deadline_us: self.now.micros().saturating_add(micros(to.lease)),
            claim: claim(ask.ttl),
            block: ask.block,
            inbox: ask.inbox.clone(),
            who: ask.who.clone(),
        };
        self.record.enqueue(self.now, (ticket, nonce), entry, to.lease * 2);
        if let Some((holder, inbox)) = self.record.flag_waited_for() {
            (self.publish)(inbox, Notice::Asked(holder));
        }
        (self.record.rank(nonce), Some(ticket))
    }

    fn obstacle(&self, quarantined: Option<u64>) -> (Obstacle, Option<Duration>) {
        if let Some(until_us) = quarantined {
            let left = until_us.saturating_sub(self.now.micros()).div_ceil(1_000);
            return (Obstacle::DataLoss, Some(Duration::from_millis(left)));
        }
        let left = self.record.hold_left(self.now);
        match self.record.hold() {
            Some(Hold::Foreign) => (Obstacle::KeyConflict, left),
            None => (Obstacle::Holder(None), Some(Duration::ZERO)),
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
        let mut work = Work::new();
        loop {
            let (head, block) = match self.record.first_waiter(self.now, self.give.nonce, &mut work)
            {
                First::Waiter(head, block) if head != self.give.nonce => (head, block),
                First::Waiter(..) | First::Nobody => return Given::Nobody,
                First::Unknown => return Given::Later,
            };
            let fences = match self.next_fences(block) {
                Ok(fences) => fences,
                Err(until_us) => return Given::Quarantined(until_us),
            };
            match self.push_grant(head, fences) {
                Ok(claim) => {
                    self.announce(claim, &mut work);
                    return Given::Away;
                }
                Err(inbox) => work.unheard(inbox),
            }
            self.record.delete_hold();
        }
    }

    /// Has the first waiter behind a hold that lasts so short ask when it is over.
    fn announce(&mut self, lasts: Duration, work: &mut Work) {
        if lasts.as_millis() >= SHORT_HOLD.as_millis() {
            return;
        }
        if let First::Waiter(next, _) = self.record.first_waiter(self.now, self.give.nonce, work)
            && next != self.give.nonce
            && let Some(inbox) = self.record.inbox_of(next)
        {
            (self.publish)(&inbox, Notice::First(next, lasts));
        }
    }

    /// How long the grant waits to be taken up. The error is the inbox, which nobody listens to.
    fn push_grant(&mut self, nonce: Nonce, fences: FenceBlock) -> Result<Duration, Arc<str>> {
        let Entry { who, inbox, claim, .. } =
            self.record.leave(nonce).expect("the first waiter is in the queue");
        let holder = self.holder(nonce, fences, who);
        let told = (self.publish)(&inbox, Notice::Granted(nonce, fences));
        let hold = Hold::Ours { holder, fences, inbox: inbox.clone(), waited_for: true };
        self.record.put_hold(self.now, hold, claim);
        if told { Ok(claim) } else { Err(inbox) }
    }

    fn holder(&self, nonce: Nonce, fences: FenceBlock, who: OwnerInfo) -> Holder {
        let held_unix_ms = Some(self.now.micros() / 1_000);
        Holder { nonce, fence: fences.first(), who, held_unix_ms }
    }

    fn next_fences(&mut self, wanted: u32) -> Result<FenceBlock, u64> {
        self.counter.next(self.now, wanted, self.give.floor, self.give.quarantine)
    }
}
