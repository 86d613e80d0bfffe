//! Several requests that are granted together or not at all, in one call.

use crate::protocol::claim::{Claim, Phase, Request};
use crate::protocol::machine::{Machine, Purpose, Written};
use crate::protocol::signal::Signal;
use crate::types::fence::FenceBlock;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::{Acquire, Call, LARGEST_BLOCK};
use crate::wire::reply::Grant;

/// What is left on the server of a group that was not granted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing, it said so.
    Nothing,
    /// Perhaps holds, of an acquire that came before whatever follows on this connection.
    Holds,
    /// Perhaps holds, and the acquire may still arrive from a dead connection.
    Stray,
}

impl Machine {
    /// New requests for keys that differ, to be granted together at once. Otherwise none is, which is told by one
    /// [`Signal::NotAtOnce`] with the first nonce.
    pub fn request_all(&mut self, now: Timestamp, requests: Vec<Request>) {
        let nonces: Vec<_> = requests.iter().map(|request| request.nonce).collect();
        let Some(&first) = nonces.first() else { return };
        let too_many = u32::try_from(nonces.len()).map_or(true, |count| count > LARGEST_BLOCK);
        if self.down_since.is_some() || too_many {
            return self.signals.push_back(Signal::NotAtOnce(first));
        }
        for request in requests {
            let mut claim = Claim::new(self.floor, request, None);
            claim.phase = Phase::Asking;
            claim.asked = true;
            self.admit(now, claim);
        }
        let asks = nonces.iter().filter_map(|&nonce| self.ask_for_one(nonce)).collect();
        self.send(now, Purpose::AcquireAll(nonces.clone()), Call::AcquireAll(asks));
        for nonce in nonces {
            self.rearm(nonce);
        }
    }

    fn ask_for_one(&self, nonce: Nonce) -> Option<Acquire> {
        let acquire = self.acquire(nonce, None)?;
        Some(Acquire { block: 1, ..acquire })
    }

    pub(crate) fn acquired_all(
        &mut self,
        now: Timestamp,
        sent: Timestamp,
        nonces: &[Nonce],
        fences: Option<FenceBlock>,
    ) {
        let Some(mut fences) = fences else {
            return self.not_at_once(now, nonces, Left::Nothing);
        };
        self.floor = self.floor.max(fences.last());
        if !nonces.iter().all(|&nonce| self.is_sound(now, sent, nonce, fences)) {
            return self.not_at_once(now, nonces, Left::Holds);
        }
        for &nonce in nonces {
            let Some(fence) = fences.take() else { return };
            let grant = Grant { fences: FenceBlock::new(fence, 1), waited_for: false };
            let Some(claim) = self.claims.get(&nonce) else { continue };
            let written = Written { sent, ttl: claim.request.ttl };
            self.granted_at(now, written, nonce, grant);
            self.rearm(nonce);
        }
    }

    /// Whether this grant may be shown: a token above those seen before, and a hold that is not over already. One that
    /// nobody wants is no matter; its end is on its way.
    fn is_sound(&self, now: Timestamp, sent: Timestamp, nonce: Nonce, fences: FenceBlock) -> bool {
        self.claims.get(&nonce).filter(|claim| claim.is_wanted()).is_none_or(|claim| {
            let valid_until = self.timing.valid_until(sent, claim.request.ttl);
            fences.first() > claim.floor && valid_until > now
        })
    }

    /// The server said that it did nothing.
    pub(crate) fn refused_all(&mut self, now: Timestamp, nonces: &[Nonce]) {
        self.not_at_once(now, nonces, Left::Nothing);
    }

    /// Nobody knows what the server did or may yet do.
    pub(crate) fn unanswered_all(&mut self, now: Timestamp, nonces: &[Nonce]) {
        self.not_at_once(now, nonces, Left::Stray);
    }

    /// Ends the whole group of a request whose deadline came before the reply; whether it is one of a group.
    pub(crate) fn give_up_group(&mut self, now: Timestamp, nonce: Nonce) -> bool {
        let group = self.calls.values().find_map(|sent| match &sent.purpose {
            Purpose::AcquireAll(nonces) if nonces.contains(&nonce) => Some(nonces.clone()),
            _ => None,
        });
        // A claim that was granted is no part of it any more, as its call is over.
        if let Some(nonces) = &group {
            self.not_at_once(now, nonces, Left::Holds);
        }
        group.is_some()
    }

    /// Says so, if anybody still wants to know, and undoes what is left. A request that its caller ended is being
    /// undone already.
    fn not_at_once(&mut self, now: Timestamp, nonces: &[Nonce], left: Left) {
        let mut wanted = false;
        for &nonce in nonces {
            let Some(claim) = self.claims.get_mut(&nonce) else {
                continue;
            };
            claim.stray |= left == Left::Stray;
            if claim.is_wanted() {
                wanted = true;
                claim.asked = left != Left::Nothing;
                self.end(now, nonce);
            }
        }
        if let Some(&first) = nonces.first().filter(|_| wanted) {
            self.signals.push_back(Signal::NotAtOnce(first));
        }
    }
}
