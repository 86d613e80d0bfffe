//! What the machine makes of replies and pushes.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::claim::{Claim, Ending, Failure, Held, Loss, Phase, Queued, Unable};
use crate::protocol::machine::{CallError, CallId, Machine, Output, Purpose, Written};
use crate::protocol::timing::{CONFIRM_AFTER, CONFIRM_FIRST, RETRY, Timing, claim_time};
use crate::types::fence::FenceBlock;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::reply::{AcquireReply, Busy, Grant, Notice, Obstacle, RenewalReply, Reply};

/// After so many grants in a row that were over when they arrived a request gives up.
const MOST_LATE: u32 = 3;

impl Machine {
    /// The reply to a call, or what came instead. A reply to a call of an earlier connection is ignored.
    pub fn reply(&mut self, now: Timestamp, id: CallId, reply: Result<Reply, CallError>) {
        let Some(sent) = self.calls.remove(&id) else {
            return;
        };
        self.silence.answered(now, sent.at);
        self.answered(&sent.purpose);
        match (sent.purpose, reply) {
            (Purpose::Acquire(nonce, ttl), Ok(Reply::Acquire(reply))) => {
                self.acquire_reply(now, Written { sent: sent.at, ttl }, nonce, reply);
            }
            (Purpose::AcquireAll(nonces), Ok(Reply::AcquiredAll(fences))) => {
                self.acquired_all(now, sent.at, &nonces, fences);
            }
            (Purpose::End(nonce), Ok(Reply::Ended(held))) => self.ended(nonce, held),
            (Purpose::Renew { renewals, .. }, Ok(Reply::Renewed(replies))) => {
                for ((nonce, ttl), reply) in renewals.into_iter().zip(replies) {
                    self.renewal_reply(now, Written { sent: sent.at, ttl }, nonce, reply);
                }
            }
            (Purpose::Probe(id), Ok(Reply::Probed(probed))) => self.probed(now, id, probed),
            (Purpose::Raise, Ok(Reply::Raised)) => {}
            (purpose, Ok(_)) => {
                self.failed_call(now, &purpose, &CallError::Garbled("mixed up".into()));
            }
            (purpose, Err(error)) => self.failed_call(now, &purpose, &error),
        }
        if !self.backlog.is_empty() {
            self.send_backlog(now);
        }
    }

    /// The server has undone a request.
    fn ended(&mut self, nonce: Nonce, held: bool) {
        let doubtful = matches!(
            self.claims.get(&nonce).map(|claim| &claim.phase),
            Some(Phase::Ending(Ending { doubtful: true, .. }))
        );
        self.forget(nonce, (held || !doubtful).then_some(held));
    }

    /// What the server told without being asked.
    pub fn notice(&mut self, now: Timestamp, notice: Notice) {
        self.silence.heard(now);
        match notice {
            Notice::Granted(nonce, fences) => self.pushed(now, nonce, fences),
            // Also before the reply that it overtook.
            Notice::Asked(nonce) => self.waited_for(nonce),
            Notice::Bound(bound) => self.learn_bound(bound),
            Notice::First(nonce, left) => self.is_first(now, nonce, left),
        }
    }

    /// A waiter has become the first, behind a hold that may be over before it would look.
    fn is_first(&mut self, now: Timestamp, nonce: Nonce, left: Duration) {
        if let Some(Claim { phase: Phase::Queued(queued), .. }) = self.claims.get_mut(&nonce) {
            let over = Timing::ask_at(now, left, nonce);
            queued.ask_at = Some(queued.ask_at.map_or(over, |at| at.min(over)));
            self.rearm(nonce);
        }
    }

    fn waited_for(&mut self, nonce: Nonce) {
        if let Some(claim) = self.claims.get_mut(&nonce) {
            claim.waited_for = true;
            self.outputs.push_back(Output::WaitedFor(nonce));
        }
    }

    /// A grant that was pushed when the holder before let go.
    fn pushed(&mut self, now: Timestamp, nonce: Nonce, fences: FenceBlock) {
        self.floor = self.floor.max(fences.last());
        if self.is_stale(now, nonce, fences) {
            return;
        }
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        let (Phase::Queued(_) | Phase::Asking, Some(vouched)) = (&claim.phase, claim.vouched)
        else {
            // A grant that nobody wants is undone by the cancel that is on its way.
            return;
        };
        let ttl = claim.request.ttl;
        let own = self.timing.valid_until(now, ttl);
        let valid_until = self.timing.claim_until(vouched, ttl).min(own);
        if valid_until.since(now) < CONFIRM_FIRST.min(ttl / 2) && valid_until < own {
            self.ask(now, nonce);
        } else {
            // Also without renewals: this one turns the claim into the full ttl.
            let confirm_at = now.plus(CONFIRM_AFTER.min(ttl / 3));
            let grant = Grant { fences, waited_for: true };
            self.hold(now, nonce, grant, valid_until, Some(confirm_at));
        }
        self.rearm(nonce);
    }

    /// A token that is not above those seen before the request: the server lost data and did not notice. Such a grant
    /// is given back.
    fn is_stale(&mut self, now: Timestamp, nonce: Nonce, fences: FenceBlock) -> bool {
        let fence = fences.first();
        let Some(claim) = self.claims.get(&nonce) else { return false };
        let stale = claim.is_wanted() && fence <= claim.floor;
        if stale {
            let why = format!(
                "it issued fencing token {fence}, not above {} seen before: it lost data",
                claim.floor
            );
            self.fail(now, nonce, Failure::Refused(why));
        }
        stale
    }

    fn acquire_reply(
        &mut self,
        now: Timestamp,
        written: Written,
        nonce: Nonce,
        reply: AcquireReply,
    ) {
        match reply {
            AcquireReply::Granted(grant) => self.granted_at(now, written, nonce, grant),
            AcquireReply::Busy(busy) => self.busy(now, written.sent, nonce, busy),
            AcquireReply::Cancelled => {
                if self.claims.get(&nonce).is_some_and(Claim::is_wanted) {
                    let why = "the request was cancelled on the server".to_owned();
                    self.fail(now, nonce, Failure::Refused(why));
                }
            }
        }
        self.rearm(nonce);
    }

    /// The server granted by reply.
    pub(crate) fn granted_at(
        &mut self,
        now: Timestamp,
        written: Written,
        nonce: Nonce,
        grant: Grant,
    ) {
        self.floor = self.floor.max(grant.fences.last());
        if self.is_stale(now, nonce, grant.fences) {
            return;
        }
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        let valid_until = self.timing.valid_until(written.sent, written.ttl);
        if let Phase::Held(_) = claim.phase {
            return self.extend(nonce, written);
        }
        if !claim.is_wanted() {
            return;
        }
        if valid_until <= now {
            // The reply took longer than the lease: never shown, asked again with the same nonce. One slow reply may be
            // followed by a quick one; where all are slow the server would keep the lock from everybody.
            claim.late += 1;
            if claim.late < MOST_LATE {
                claim.phase = Phase::Pausing { until: now };
            } else {
                let (ttl, round_trip) = (claim.request.ttl, now.since(written.sent));
                self.fail(now, nonce, Failure::TooLate { ttl, round_trip });
            }
            return;
        }
        let renew_at = claim.renew_at(written);
        self.hold(now, nonce, grant, valid_until, renew_at);
    }

    fn hold(
        &mut self,
        now: Timestamp,
        nonce: Nonce,
        grant: Grant,
        valid_until: Timestamp,
        renew_at: Option<Timestamp>,
    ) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        let ends_at = claim.request.max_hold.map(|span| now.plus(span));
        let look_at = Some(now.plus(claim_time(claim.request.ttl)));
        let held = Held { valid_until, ends_at, renew_at, renewing: false, look_at, refused: None };
        let valid_until = held.end();
        claim.phase = Phase::Held(held);
        claim.waited_for |= grant.waited_for;
        self.outputs.push_back(Output::Granted { nonce, grant, valid_until });
    }

    /// The server confirmed a call that wrote a ttl.
    fn extend(&mut self, nonce: Nonce, written: Written) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        let renew_at = claim.renew_at(written);
        let Phase::Held(held) = &mut claim.phase else {
            return;
        };
        held.renewing = false;
        held.refused = None;
        let valid_until = self.timing.valid_until(written.sent, written.ttl);
        held.valid_until = held.valid_until.max(valid_until);
        held.renew_at = renew_at;
        self.outputs.push_back(Output::Extended(nonce, held.end()));
    }

    fn busy(&mut self, now: Timestamp, sent: Timestamp, nonce: Nonce, busy: Busy) {
        let requests = self.claims.len();
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        if !claim.is_wanted() {
            // It was pushed before this reply was read, and granted before or after the server said so.
            claim.asks += 1;
            return;
        }
        // A hold may be released at any time, and a foreign key deleted; a loss of data is waited out to its end.
        let nothing_before = match busy {
            Busy { obstacle: Obstacle::DataLoss, left: Some(left), .. } => Some(now.plus(left)),
            _ => None,
        };
        let in_vain = nothing_before
            .zip(claim.request.deadline)
            .is_some_and(|(until, deadline)| deadline < until);
        if !claim.request.queue || in_vain {
            return self.fail(now, nonce, Failure::Busy(busy));
        }
        let every = Timing::refresh_every(requests);
        claim.phase = Phase::Queued(Queued {
            refresh_at: Timing::refresh_at(now, every, nonce),
            ask_at: busy.left.map(|left| Timing::ask_at(now, left, nonce)),
            calling: false,
        });
        claim.late = 0;
        claim.vouched = Some(sent);
        claim.busy = Some(busy);
        claim.unable = None;
        if claim.warning {
            self.tell_wait(now, nonce);
        }
        let told = nothing_before.map(|until| Output::NothingBefore(nonce, until));
        self.outputs.extend(told);
    }

    fn renewal_reply(
        &mut self,
        now: Timestamp,
        written: Written,
        nonce: Nonce,
        reply: RenewalReply,
    ) {
        let every = Timing::refresh_every(self.claims.len());
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        match (&mut claim.phase, reply) {
            (Phase::Held(_), RenewalReply::Renewed) => self.extend(nonce, written),
            (Phase::Held(_), RenewalReply::RenewedAndWaitedFor) => {
                self.extend(nonce, written);
                self.waited_for(nonce);
            }
            (Phase::Held(_), RenewalReply::Gone) => self.lose(nonce, Loss::Gone),
            (Phase::Queued(queued), RenewalReply::Waiting(left)) => {
                queued.calling = false;
                claim.vouched = Some(written.sent);
                queued.refresh_at = Timing::refresh_at(now, every, nonce);
                queued.ask_at = left.map(|left| Timing::ask_at(now, left, nonce));
                if let Some(busy) = &mut claim.busy {
                    busy.left = left;
                }
            }
            (Phase::Queued(queued), RenewalReply::Ask) => {
                queued.calling = false;
                self.ask(now, nonce);
            }
            // A waiter that was granted meanwhile, or a hold that its owner gave up.
            _ => {}
        }
        self.rearm(nonce);
    }

    fn failed_call(&mut self, now: Timestamp, purpose: &Purpose, error: &CallError) {
        let at_once = matches!(error, CallError::Unloaded | CallError::Alone);
        let again = if at_once { now } else { now.plus(RETRY) };
        match (purpose, error) {
            (_, CallError::Broken) => self.unanswered(now, purpose),
            (Purpose::Acquire(nonce, _), _) => self.acquire_failed(now, again, *nonce, error),
            (Purpose::AcquireAll(nonces), CallError::Garbled(_)) => {
                self.unanswered_all(now, nonces);
            }
            (Purpose::AcquireAll(nonces), _) => self.refused_all(now, nonces),
            (Purpose::End(nonce), _) => self.end_failed(again, *nonce, error),
            (Purpose::Renew { renewals, .. }, _) => {
                if let CallError::Refused(why) | CallError::Hindered(why) = error {
                    self.renewals_refused(renewals, why);
                }
                for &(nonce, _) in renewals {
                    self.renew_again(again, nonce);
                }
            }
            (Purpose::Probe(id), _) => self.probe_failed(now, *id),
            (Purpose::Raise, _) => self.announce_again(now, error),
        }
    }

    fn end_failed(&mut self, again: Timestamp, nonce: Nonce, error: &CallError) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        if let Phase::Ending(ending) = &mut claim.phase {
            ending.retry_at = Some(again);
            // A script may be refused a part of its work, and have done the rest.
            ending.doubtful |= matches!(error, CallError::Refused(_) | CallError::Garbled(_));
            if let CallError::Refused(why) = error
                && !std::mem::replace(&mut ending.refused, true)
            {
                let (key, why) = (Arc::clone(&claim.request.key), why.as_str().into());
                self.outputs.push_back(Output::EndRefused { nonce, key, why });
            }
        }
        self.rearm(nonce);
    }

    /// Reports holds whose renewal the server has refused for the first time since it last took one.
    fn renewals_refused(&mut self, renewals: &[(Nonce, Duration)], why: &str) {
        let why: Arc<str> = why.into();
        let mut news = Vec::new();
        for &(nonce, _) in renewals {
            if let Some(Claim { phase: Phase::Held(held), .. }) = self.claims.get_mut(&nonce)
                && held.refused.replace(Arc::clone(&why)).is_none()
            {
                news.push(nonce);
            }
        }
        if !news.is_empty() {
            self.outputs.push_back(Output::RenewalsRefused(news, why));
        }
    }

    fn acquire_failed(
        &mut self,
        now: Timestamp,
        again: Timestamp,
        nonce: Nonce,
        error: &CallError,
    ) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        if !claim.is_wanted() {
            return;
        }
        match error {
            CallError::Unloaded | CallError::Alone => {
                claim.request.expects_free &= *error != CallError::Alone;
                claim.asked = claim.busy.is_some() || claim.stray;
                claim.phase = Phase::Pausing { until: again };
            }
            CallError::NotNow(why) | CallError::Hindered(why) | CallError::Elsewhere(why) => {
                let since = claim.unable.as_ref().map_or(now, |unable| unable.since);
                let hindered = matches!(error, CallError::Hindered(_));
                let unable = Unable { since, why: why.clone(), hindered };
                let failure = unable.failure();
                claim.unable = Some(unable);
                let given_up = since.plus(self.timing.outage) <= now;
                if given_up || !claim.request.queue {
                    self.fail(now, nonce, failure);
                } else {
                    claim.asked = claim.busy.is_some() || claim.stray;
                    claim.phase = Phase::Pausing { until: again };
                }
            }
            CallError::Refused(why) => {
                // A definite no leaves nothing behind of a request that never queued.
                claim.asked = claim.busy.is_some() || claim.stray;
                self.fail(now, nonce, Failure::Refused(why.clone()));
            }
            CallError::Garbled(why) => self.fail(now, nonce, Failure::Refused(why.clone())),
            CallError::Broken => {}
        }
        self.rearm(nonce);
    }

    fn renew_again(&mut self, at: Timestamp, nonce: Nonce) {
        match self.claims.get_mut(&nonce).map(|claim| &mut claim.phase) {
            Some(Phase::Held(held)) => {
                held.renewing = false;
                held.renew_at = held.renew_at.map(|_| at);
            }
            Some(Phase::Queued(queued)) => {
                queued.calling = false;
                queued.refresh_at = at;
            }
            _ => {}
        }
        self.rearm(nonce);
    }

    /// A call is not under way any more.
    pub(crate) fn answered(&mut self, purpose: &Purpose) {
        if let Purpose::Renew { refreshes, .. } = purpose {
            self.refreshing = self.refreshing.saturating_sub(*refreshes);
        }
        if let Purpose::Acquire(nonce, _) = purpose
            && let Some(claim) = self.claims.get_mut(nonce)
        {
            claim.asks = claim.asks.saturating_sub(1);
        }
    }

    /// A call of a connection that died: it may have been done, or be done yet.
    pub(crate) fn unanswered(&mut self, now: Timestamp, purpose: &Purpose) {
        match purpose {
            Purpose::Acquire(nonce, _) => {
                let Some(claim) = self.claims.get_mut(nonce) else {
                    return;
                };
                claim.stray = true;
                match &mut claim.phase {
                    Phase::Queued(queued) => queued.calling = false,
                    phase @ Phase::Asking => *phase = Phase::Unsent,
                    _ => {}
                }
            }
            Purpose::AcquireAll(nonces) => self.unanswered_all(now, nonces),
            // The next connection does it again.
            Purpose::Raise => {}
            Purpose::End(nonce) => {
                if let Some(Claim { phase: Phase::Ending(ending), .. }) = self.claims.get_mut(nonce)
                {
                    ending.doubtful = true;
                }
            }
            Purpose::Renew { renewals, .. } => {
                for &(nonce, _) in renewals {
                    self.renew_again(now, nonce);
                }
            }
            Purpose::Probe(id) => self.probe_failed(now, *id),
        }
    }
}
