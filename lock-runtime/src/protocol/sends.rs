//! What the machine sends.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::claim::{Held, Phase, Queued};
use crate::protocol::machine::{CallId, Machine, Output, Purpose, Sent};
use crate::protocol::timing::{TOMBSTONE, Timing};
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::{Acquire, Call, Enqueue, Give, Renewal};

/// As many entries as one renewal takes: keeps the server's other clients waiting for well under a millisecond.
const RENEWAL_BATCH: usize = 100;
/// As many waiters as are heard of at a time: a crowd of them must not keep the server from other requests.
const MOST_REFRESHES: usize = 500;
/// When a waiter is looked at again for which there was no room.
const MAKE_ROOM: Duration = Duration::from_millis(20);

impl Machine {
    pub(crate) fn send(&mut self, at: Timestamp, purpose: Purpose, call: Call) {
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

    /// Sends the acquire of a claim that is still wanted, when its turn comes. Without a connection the next one does.
    pub(crate) fn ask(&mut self, now: Timestamp, nonce: Nonce) {
        if self.down_since.is_some() {
            return;
        }
        let Some(claim) = self.claims.get(&nonce) else {
            return;
        };
        let is_new = !claim.is_known();
        if self.is_full(is_new) || !self.backlog.is_next(is_new) {
            self.line_up(nonce, is_new);
        } else {
            self.ask_now(now, nonce);
        }
    }

    pub(crate) fn ask_now(&mut self, now: Timestamp, nonce: Nonce) {
        let lease = Timing::waiter_lease(Timing::refresh_every(self.claims.len()));
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
        let enqueue = claim.request.queue.then_some(Enqueue { ticket, lease });
        if enqueue.is_some() {
            claim.lease = claim.lease.max(lease);
        }
        if let Some(acquire) = self.acquire(nonce, enqueue) {
            self.send(now, Purpose::Acquire(nonce, ttl), Call::Acquire(acquire));
        }
    }

    pub(crate) fn acquire(&self, nonce: Nonce, enqueue: Option<Enqueue>) -> Option<Acquire> {
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
    pub(crate) fn send_end(&mut self, now: Timestamp, nonce: Nonce, was_held: bool) {
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
    pub(crate) fn resume(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        match &mut claim.phase {
            Phase::Unsent | Phase::Pausing { .. } | Phase::Queued(_) => self.ask(now, nonce),
            Phase::Ending(_) => self.end_in_turn(now, nonce, false),
            Phase::Asking | Phase::Held(_) | Phase::Lost { .. } => {}
        }
    }

    /// Renews all holds and waiters' leases that are due, and in the same calls those that soon will be.
    pub(crate) fn renew_due(&mut self, now: Timestamp) {
        let horizon = now.plus(Timing::ride_along(self.longest_ttl));
        let candidates: Vec<Nonce> =
            self.claims_due(horizon).filter(|&nonce| self.renewal_due(now, nonce)).collect();
        let refreshes = candidates.iter().filter(|nonce| self.waits(nonce)).count();
        let room = MOST_REFRESHES.saturating_sub(self.refreshing);
        let (candidates, late) = if refreshes <= room {
            (candidates, Vec::new())
        } else {
            self.make_room(candidates, room)
        };
        let every = Timing::refresh_every(self.claims.len());
        for batch in candidates.chunks(RENEWAL_BATCH) {
            let refreshes = batch.iter().filter(|nonce| self.waits(nonce)).count();
            self.refreshing += refreshes;
            let begun = batch.iter().filter_map(|&nonce| self.begin_renewal(nonce, every));
            let (renewals, entries) = begun.unzip();
            self.send(now, Purpose::Renew { renewals, refreshes }, Call::Renew(entries));
        }
        for &nonce in &late {
            self.postpone(now.plus(MAKE_ROOM), nonce);
        }
        for nonce in candidates.into_iter().chain(late) {
            self.rearm(nonce);
        }
    }

    /// All holds, and of the waiters the first for which there is room; then the others.
    fn make_room(&self, candidates: Vec<Nonce>, mut room: usize) -> (Vec<Nonce>, Vec<Nonce>) {
        candidates.into_iter().partition(|nonce| {
            if !self.waits(nonce) {
                return true;
            }
            let fits = room > 0;
            room = room.saturating_sub(1);
            fits
        })
    }

    fn postpone(&mut self, at: Timestamp, nonce: Nonce) {
        if let Some(Phase::Queued(queued)) =
            self.claims.get_mut(&nonce).map(|claim| &mut claim.phase)
        {
            queued.refresh_at = queued.refresh_at.max(at);
            queued.ask_at = queued.ask_at.map(|ask_at| ask_at.max(at));
        }
    }

    fn waits(&self, nonce: &Nonce) -> bool {
        self.claims.get(nonce).is_some_and(|claim| matches!(claim.phase, Phase::Queued(_)))
    }

    /// Verifies all holds, on a new connection.
    pub(crate) fn renew_all(&mut self, now: Timestamp) {
        let mut held = Vec::new();
        for (&nonce, claim) in &mut self.claims {
            if let Phase::Held(Held { renew_at: Some(at), .. }) = &mut claim.phase {
                *at = now;
                held.push(nonce);
            }
        }
        for nonce in held {
            self.rearm(nonce);
        }
        self.renew_due(now);
    }

    /// Whether there are so many requests that a waiter is heard of less often than otherwise. When its obstacle may be gone
    /// it is then heard of, in one call with others, in place of being asked for.
    pub(crate) fn is_crowded(&self) -> bool {
        Timing::refresh_every(self.claims.len()) > Timing::refresh_every(0)
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
            Phase::Queued(Queued { calling, refresh_at, ask_at }) => {
                let is_over = ask_at.is_some_and(|at| at <= now) && self.is_crowded();
                let refresh = *refresh_at <= now.plus(Timing::ride_along(claim.lease));
                !calling && !claim.lined_up && (refresh || is_over)
            }
            _ => false,
        }
    }

    fn begin_renewal(
        &mut self,
        nonce: Nonce,
        every: Duration,
    ) -> Option<((Nonce, Duration), Renewal)> {
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
                let lease = Timing::waiter_lease(every);
                claim.lease = claim.lease.max(lease);
                Some(((nonce, lease), Renewal::Waiter { key, nonce, lease }))
            }
            _ => None,
        }
    }
}
