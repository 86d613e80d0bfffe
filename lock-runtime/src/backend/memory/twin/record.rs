//! All keys of one lock, each with its expiry.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::twin::expiry::{Expiring, Stamp, count, micros};
use crate::types::fence::FenceBlock;
use crate::types::owner_info::{Holder, OwnerInfo};
use crate::types::request_id::Nonce;
use crate::wire::reply::RenewalReply;

/// What is under the name of the lock itself.
#[derive(Debug)]
pub(crate) enum Hold {
    Ours {
        holder: Holder,
        /// Its fencing tokens.
        fences: FenceBlock,
        /// Where its process is told that others wait.
        inbox: Arc<str>,
        /// Somebody may be queued: the flag `w`.
        waited_for: bool,
    },
    #[cfg_attr(
        not(any(test, distlock_sim)),
        expect(dead_code, reason = "only tests put one into the twin")
    )]
    Foreign,
    /// A text that expires: the lock of another kind of client.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests put one into the twin"))]
    OfOthers,
}

/// How much one script removes from a queue, in dead waiters.
const WORK: u32 = 200;
/// How much of that a waiter costs if its absence shows only when a grant is sent to its process.
const UNHEARD: u32 = 20;
/// As many entries of a queue does an inspection look at.
const LOOKED_AT: usize = 100;

/// What a script may still remove from a queue, and what it has found out.
#[derive(Debug)]
pub(crate) struct Work {
    left: u32,
    /// Inboxes that nobody listens to.
    unheard: HashSet<Arc<str>>,
}

impl Work {
    pub(crate) fn new() -> Self {
        Self { left: WORK, unheard: HashSet::new() }
    }

    /// A grant that was sent there reached no process.
    pub(crate) fn unheard(&mut self, inbox: Arc<str>) {
        self.left = self.left.saturating_sub(UNHEARD);
        self.unheard.insert(inbox);
    }
}

/// The beginning of a queue, cleared of dead waiters.
pub(crate) enum First {
    /// This request, and how many tokens it wants.
    Waiter(Nonce, u32),
    /// The queue is empty.
    Nobody,
    /// The work was done before one was found.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) deadline_us: u64,
    pub(crate) claim: Duration,
    pub(crate) block: u32,
    pub(crate) inbox: Arc<str>,
    pub(crate) who: OwnerInfo,
}

type Waiters = BTreeMap<(u64, Nonce), Entry>;

/// One lock: its hold, its queue, its tombstones.
#[derive(Debug, Default)]
pub(crate) struct Record {
    hold: Option<Expiring<Hold>>,
    queue: Option<Expiring<Waiters>>,
    /// Until when each is refused, in microseconds.
    cancelled: Option<Expiring<HashMap<Nonce, u64>>>,
}

impl Record {
    pub(crate) fn expire(&mut self, now: Stamp) {
        self.hold.take_if(|hold| hold.expired(now));
        self.queue.take_if(|queue| queue.expired(now));
        self.cancelled.take_if(|cancelled| cancelled.expired(now));
    }

    pub(crate) fn is_empty(&self, now: Stamp) -> bool {
        self.hold.as_ref().is_none_or(|hold| hold.expired(now))
            && self.queue.as_ref().is_none_or(|queue| queue.expired(now))
            && self.cancelled.as_ref().is_none_or(|cancelled| cancelled.expired(now))
    }

    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref().map(|hold| &hold.value)
    }

    pub(crate) fn holder(&self) -> Option<&Holder> {
        match self.hold()? {
            Hold::Ours { holder, .. } => Some(holder),
            Hold::Foreign | Hold::OfOthers => None,
        }
    }

    pub(crate) fn held_by(&self, nonce: Nonce) -> bool {
        self.holder().is_some_and(|holder| holder.nonce == nonce)
    }

    pub(crate) fn hold_left(&self, now: Stamp) -> Option<Duration> {
        self.hold.as_ref()?.left(now)
    }

    pub(crate) fn put_hold(&mut self, now: Stamp, hold: Hold, ttl: Duration) {
        self.hold.insert(Expiring::lasting(hold)).prolong(now, ttl);
    }

    #[cfg(any(test, distlock_sim))]
    pub(crate) fn put_foreign(&mut self) {
        self.hold = Some(Expiring::lasting(Hold::Foreign));
    }

    #[cfg(test)]
    pub(crate) fn put_lock_of_others(&mut self, now: Stamp, ttl: Duration) {
        self.put_hold(now, Hold::OfOthers, ttl);
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

    /// Notes that somebody waits; the holder and its inbox, if that is new.
    pub(crate) fn flag_waited_for(&mut self) -> Option<(Nonce, &str)> {
        match &mut self.hold.as_mut()?.value {
            Hold::Ours { holder, inbox, waited_for, .. } if !*waited_for => {
                *waited_for = true;
                Some((holder.nonce, inbox))
            }
            _ => None,
        }
    }

    /// A request that asks again for what it holds: its TTL gets no shorter.
    pub(crate) fn reassure_hold(&mut self, now: Stamp, ttl: Duration) {
        if let Some(hold) = &mut self.hold {
            hold.lengthen(now, ttl);
        }
    }

    pub(crate) fn renew_hold(&mut self, now: Stamp, nonce: Nonce, ttl: Duration) -> RenewalReply {
        let renewable = self.held_by(nonce) && ttl.as_millis() > 0;
        match &mut self.hold {
            Some(hold) if renewable => {
                hold.lengthen(now, ttl);
                match hold.value {
                    Hold::Ours { waited_for: true, .. } => RenewalReply::RenewedAndWaitedFor,
                    _ => RenewalReply::Renewed,
                }
            }
            _ => RenewalReply::Gone,
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
    pub(crate) fn rank(&self, nonce: Nonce) -> u64 {
        let before = self.waiters().take_while(|((_, waiter), _)| *waiter != nonce);
        count(before.count())
    }

    pub(crate) fn ticket_of(&self, nonce: Nonce) -> Option<u64> {
        self.waiters().find(|((_, waiter), _)| *waiter == nonce).map(|((ticket, _), _)| *ticket)
    }

    pub(crate) fn inbox_of(&self, nonce: Nonce) -> Option<Arc<str>> {
        let of = |((_, waiter), _): &(&(u64, Nonce), &Entry)| *waiter == nonce;
        self.waiters().find(of).map(|(_, entry)| entry.inbox.clone())
    }

    pub(crate) fn enqueue(&mut self, now: Stamp, place: (u64, Nonce), entry: Entry, ttl: Duration) {
        let empty = || Expiring::lasting(Waiters::new());
        let queue = self.queue.get_or_insert_with(empty);
        queue.value.insert(place, entry);
        queue.lengthen(now, ttl);
    }

    /// Takes a waiter out of the queue; a queue without waiters is a key that is not there.
    pub(crate) fn leave(&mut self, nonce: Nonce) -> Option<Entry> {
        let place = (self.ticket_of(nonce)?, nonce);
        let waiters = &mut self.queue.as_mut()?.value;
        let entry = waiters.remove(&place);
        self.queue.take_if(|queue| queue.value.is_empty());
        entry
    }

    /// The first waiter whose lease is live and whose inbox may be heard, or that is `asking`; dead ones before it are removed.
    pub(crate) fn first_waiter(&mut self, now: Stamp, asking: Nonce, work: &mut Work) -> First {
        while work.left > 0 {
            let Some(((_, nonce), entry)) = self.waiters().next() else { return First::Nobody };
            let (nonce, block) = (*nonce, entry.block);
            let may_hear = nonce == asking || !work.unheard.contains(&entry.inbox);
            if entry.deadline_us >= now.micros() && may_hear {
                return First::Waiter(nonce, block);
            }
            self.leave(nonce);
            work.left -= 1;
        }
        First::Unknown
    }

    /// How many wait, and the first live ones, as far as an inspection looks.
    pub(crate) fn seen_waiters(&self, now: Stamp) -> (u64, Vec<(Nonce, &OwnerInfo)>) {
        let looked_at = self.waiters().take(LOOKED_AT);
        let live = looked_at.filter(|(_, entry)| entry.deadline_us >= now.micros());
        let live: Vec<_> = live.map(|((_, nonce), entry)| (*nonce, &entry.who)).collect();
        let dead = count(self.waiters().take(LOOKED_AT).count() - live.len());
        (self.queue_len() - dead, live)
    }

    /// Prolongs a waiter's lease while another hold is there to wait for.
    pub(crate) fn renew_waiter(
        &mut self,
        now: Stamp,
        nonce: Nonce,
        lease: Duration,
    ) -> Option<RenewalReply> {
        self.holder().filter(|holder| holder.nonce != nonce)?;
        let place = (self.ticket_of(nonce)?, nonce);
        let queue = self.queue.as_mut()?;
        queue.value.get_mut(&place)?.deadline_us = now.micros().saturating_add(micros(lease));
        queue.lengthen(now, lease * 2);
        Some(RenewalReply::Waiting(self.hold_left(now)))
    }

    /// Whether nobody holds it, nobody queues and nothing was cancelled. It was cleared of what has expired.
    pub(crate) fn is_untouched(&self) -> bool {
        self.hold.is_none() && self.queue.is_none() && self.cancelled.is_none()
    }

    pub(crate) fn is_cancelled(&self, now: Stamp, nonce: Nonce) -> bool {
        let until = self.cancelled.as_ref().and_then(|cancelled| cancelled.value.get(&nonce));
        until.is_some_and(|&until| until >= now.micros())
    }

    pub(crate) fn bury(&mut self, now: Stamp, nonce: Nonce, tombstone: Duration) {
        let empty = || Expiring::lasting(HashMap::new());
        let cancelled = self.cancelled.get_or_insert_with(empty);
        cancelled.value.retain(|_, until| *until >= now.micros());
        cancelled.value.insert(nonce, now.micros().saturating_add(micros(tombstone)));
        cancelled.prolong(now, tombstone);
    }

    fn waiters(&self) -> impl Iterator<Item = (&(u64, Nonce), &Entry)> {
        self.queue.iter().flat_map(|queue| &queue.value)
    }
}
