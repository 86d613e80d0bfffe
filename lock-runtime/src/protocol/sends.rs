//! What the machine sends.

use std::sync::Arc;
use std::time::Duration;

use super::claim::{Phase, Queued};
use super::machine::{CallId, Machine, Output, Purpose, Sent};
use super::timing::{TOMBSTONE, Timing};
use crate::time::Timestamp;
use crate::wire::{Acquire, Call, Enqueue, Give, Nonce, Renewal, WAITER_LEASE};

/// As many entries as one renewal takes: keeps the server's other clients waiting for well under a millisecond.
const RENEWAL_BATCH: usize = 100;

impl Machine {
    pub(super) fn send(&mut self, at: Timestamp, purpose: Purpose, call: Call) {
        let id: CallId = self.next_call;
        self.next_call += 1;
        self.calls.insert(id, Sent { at, purpose });
        self.outputs.push_back(Output::Send(id, call));
    }

    fn give(&self, nonce: Nonce) -> Option<Give> {
        let claim = self.claims.get(&nonce)?;
        Some(Give {
            key: Arc::clone(&claim.request.key),
            nonce,
            floor: self.floor,
            quarantine: self.quarantine(),
        })
    }

    /// Sends the acquire of a claim that somebody wants. Without a connection the next one does.
    pub(super) fn ask(&mut self, now: Timestamp, nonce: Nonce) {
        if self.down_since.is_some() {
            return;
        }
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        match &mut claim.phase {
            Phase::Queued(queued) => queued.calling = true,
            phase => *phase = Phase::Asking,
        }
        claim.vouched.get_or_insert(now);
        claim.asked = true;
        claim.asks += 1;
        let (ticket, ttl) = (claim.ticket(), claim.request.ttl);
        let enqueue = claim.request.queue.then_some(Enqueue { ticket });
        if let Some(acquire) = self.acquire(nonce, enqueue) {
            self.send(now, Purpose::Acquire(nonce, ttl), Call::Acquire(acquire));
        }
    }

    pub(super) fn acquire(&self, nonce: Nonce, enqueue: Option<Enqueue>) -> Option<Acquire> {
        let give = self.give(nonce)?;
        let claim = self.claims.get(&nonce)?;
        Some(Acquire {
            give,
            ttl: self.timing.server_ttl(claim.request.ttl),
            who: claim.request.who.clone(),
            inbox: Arc::clone(&self.inbox),
            block: claim.request.block,
            expects_free: claim.request.expects_free,
            enqueue,
        })
    }

    /// Sends what undoes a claim. A hold whose acquire cannot arrive a second time is released; everything
    /// else is cancelled, with a tombstone where an acquire may still be under way on a dead connection. One that is under
    /// way on this connection arrives first, and may find that the hold, which was pushed meanwhile, has run out.
    pub(super) fn send_end(&mut self, now: Timestamp, nonce: Nonce, was_held: bool) {
        let Some(give) = self.give(nonce) else { return };
        let Some(claim) = self.claims.get(&nonce) else { return };
        let is_hold_alone = was_held && claim.asks == 0;
        let call = match (claim.stray, is_hold_alone) {
            (true, _) => Call::Cancel { give, tombstone: TOMBSTONE },
            (false, false) => Call::Cancel { give, tombstone: Duration::ZERO },
            (false, true) if claim.waited_for => Call::Release(give),
            (false, true) => Call::Free(give),
        };
        self.send(now, Purpose::End(nonce), call);
    }

    /// Takes a claim up again on a new connection.
    pub(super) fn resume(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        match &mut claim.phase {
            Phase::Held(held) if held.renew_at.is_some() => held.renew_at = Some(now),
            Phase::Unsent | Phase::Pausing { .. } | Phase::Queued(_) => self.ask(now, nonce),
            Phase::Ending(_) => self.send_end(now, nonce, false),
            Phase::Asking | Phase::Held(_) | Phase::Lost { .. } => {}
        }
    }

    /// Renews all holds and waiters' leases that are due, and in the same calls those that soon will be.
    pub(super) fn renew_due(&mut self, now: Timestamp) {
        let horizon = now.plus(Timing::ride_along(self.longest_ttl));
        let candidates: Vec<Nonce> =
            self.claims_due(horizon).filter(|&nonce| self.renewal_due(now, nonce)).collect();
        for batch in candidates.chunks(RENEWAL_BATCH) {
            let begun = batch.iter().filter_map(|&nonce| self.begin_renewal(nonce));
            let (written, entries) = begun.unzip();
            self.send(now, Purpose::Renew(written), Call::Renew(entries));
        }
        for nonce in candidates {
            self.rearm(nonce);
        }
    }

    fn claims_due(&self, horizon: Timestamp) -> impl Iterator<Item = Nonce> {
        self.timers.iter().take_while(move |&&(due, _)| due <= horizon).map(|&(_, nonce)| nonce)
    }

    fn renewal_due(&self, now: Timestamp, nonce: Nonce) -> bool {
        let Some(claim) = self.claims.get(&nonce) else {
            return false;
        };
        match &claim.phase {
            Phase::Held(held) => {
                let horizon = now.plus(Timing::ride_along(claim.request.ttl));
                !held.renewing && held.renew_at.is_some_and(|at| at <= horizon)
            }
            Phase::Queued(Queued { calling, refresh_at, .. }) => {
                !calling && *refresh_at <= now.plus(Timing::ride_along(WAITER_LEASE))
            }
            _ => false,
        }
    }

    fn begin_renewal(&mut self, nonce: Nonce) -> Option<((Nonce, Duration), Renewal)> {
        let claim = self.claims.get_mut(&nonce)?;
        let key = Arc::clone(&claim.request.key);
        match &mut claim.phase {
            Phase::Held(held) => {
                held.renewing = true;
                let ttl = claim.request.ttl;
                let written = self.timing.server_ttl(ttl);
                Some(((nonce, ttl), Renewal::Hold { key, nonce, ttl: written }))
            }
            Phase::Queued(queued) => {
                queued.calling = true;
                Some(((nonce, WAITER_LEASE), Renewal::Waiter { key, nonce }))
            }
            _ => None,
        }
    }
}
