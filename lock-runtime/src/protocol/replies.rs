//! What the machine makes of replies and pushes.

use std::sync::Arc;
use std::time::Duration;

use super::in_flight::{CommandError, CommandId, CommandKind, TtlWrite};
use crate::protocol::request::{
    Failure, Held, Loss, Phase, Queued, Releasing, RequestState, ServerRefusal,
};
use crate::protocol::state::{Output, Protocol};
use crate::protocol::timing::{CONFIRM_DELAY, MIN_CLAIM_LEFT, RETRY, Timing, claim_ttl};
use crate::types::fence::FenceRange;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::reply::{
    AcquireReply, BlockedBy, BusyReply, Grant, Notification, RenewalReply, Reply,
};

/// After so many grants in a row that were over when they arrived a request gives up.
const MAX_SLOW_REPLIES: u32 = 3;

impl Protocol {
    /// The reply to a call, or what came instead. A reply to a call of an earlier connection is ignored.
    pub fn reply(&mut self, now: Timestamp, id: CommandId, reply: Result<Reply, CommandError>) {
        let Some(sent) = self.in_flight.remove(&id) else {
            return;
        };
        self.reply_timeout.settled(now, sent.at);
        self.settled(&sent.kind);
        match (sent.kind, reply) {
            (CommandKind::Acquire(id, ttl), Ok(Reply::Acquire(reply))) => {
                self.acquire_reply(now, TtlWrite { sent: sent.at, ttl }, id, reply);
            }
            (CommandKind::AcquireAll(ids), Ok(Reply::AcquiredAll(fences))) => {
                self.acquired_all(now, sent.at, &ids, fences);
            }
            (CommandKind::Release(id), Ok(Reply::Released(held))) => self.ended(id, held),
            (CommandKind::Renew { renewals, .. }, Ok(Reply::Renewed(replies))) => {
                for ((id, ttl), reply) in renewals.into_iter().zip(replies) {
                    self.renewal_reply(now, TtlWrite { sent: sent.at, ttl }, id, reply);
                }
            }
            (CommandKind::Probe(id), Ok(Reply::Probed(probe_reply))) => {
                self.probe_reply(now, id, probe_reply)
            }
            (CommandKind::RaiseMaxLease, Ok(Reply::MaxLeaseRaised)) => {}
            (kind, Ok(_)) => {
                self.failed_call(now, &kind, &CommandError::InvalidReply("mixed up".into()));
            }
            (kind, Err(error)) => self.failed_call(now, &kind, &error),
        }
        if !self.backlog.is_empty() {
            self.send_backlog(now);
        }
    }

    /// The server has undone a request.
    fn ended(&mut self, id: RequestId, held: bool) {
        let maybe_done = matches!(
            self.requests.get(&id).map(|request| &request.phase),
            Some(Phase::Releasing(Releasing { maybe_done: true, .. }))
        );
        self.remove(id, (held || !maybe_done).then_some(held));
    }

    /// What the server told without being asked.
    pub fn notification(&mut self, now: Timestamp, notice: Notification) {
        self.reply_timeout.heard(now);
        match notice {
            Notification::Granted(id, fences) => self.granted_by_push(now, id, fences),
            // Also before the reply that it overtook.
            Notification::Contended(id) => self.contended(id),
            Notification::MaxLease(max_lease) => self.learn_max_lease(max_lease),
            Notification::FirstInQueue(id, left) => self.first_in_queue(now, id, left),
        }
    }

    /// A waiter has become the first, behind a hold that may be over before it would look.
    fn first_in_queue(&mut self, now: Timestamp, id: RequestId, left: Duration) {
        if let Some(RequestState { phase: Phase::Queued(queued), .. }) = self.requests.get_mut(&id)
        {
            let over = Timing::recheck_at(now, left, id);
            queued.recheck_at = Some(queued.recheck_at.map_or(over, |at| at.min(over)));
            self.rearm(id);
        }
    }

    fn contended(&mut self, id: RequestId) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.contended = true;
            self.outputs.push_back(Output::Contended(id));
        }
    }

    /// A grant that was pushed when the holder before let go.
    fn granted_by_push(&mut self, now: Timestamp, id: RequestId, fences: FenceRange) {
        self.min_fence = self.min_fence.max(fences.last());
        if self.is_stale(now, id, fences) {
            return;
        }
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let (Phase::Queued(_) | Phase::Acquiring, Some(queued_as_of)) =
            (&request.phase, request.queued_as_of)
        else {
            // A grant that nobody wants is undone by the cancel that is on its way.
            return;
        };
        let ttl = request.params.ttl;
        let own = self.timing.valid_until(now, ttl);
        let valid_until = self.timing.claim_until(queued_as_of, ttl).min(own);
        if valid_until.since(now) < MIN_CLAIM_LEFT.min(ttl / 2) && valid_until < own {
            self.acquire_in_turn(now, id);
        } else {
            // Also without renewals: this one turns the claim into the full ttl.
            let confirm_at = now.plus(CONFIRM_DELAY.min(ttl / 3));
            let grant = Grant { fences, contended: true };
            self.hold(now, id, grant, valid_until, Some(confirm_at));
        }
        self.rearm(id);
    }

    /// A token that is not above those seen before the request: the server lost data and did not notice. Such a grant
    /// is given back.
    fn is_stale(&mut self, now: Timestamp, id: RequestId, fences: FenceRange) -> bool {
        let fence = fences.first();
        let Some(request) = self.requests.get(&id) else { return false };
        let stale = request.is_wanted() && fence <= request.min_fence;
        if stale {
            let why = format!(
                "it issued fencing token {fence}, not above {} seen before: it lost data",
                request.min_fence
            );
            self.fail(now, id, Failure::Refused(why));
        }
        stale
    }

    fn acquire_reply(
        &mut self,
        now: Timestamp,
        written: TtlWrite,
        id: RequestId,
        reply: AcquireReply,
    ) {
        match reply {
            AcquireReply::Granted(grant) => self.granted_by_reply(now, written, id, grant),
            AcquireReply::Busy(busy) => self.busy(now, written.sent, id, busy),
            AcquireReply::Cancelled => {
                if self.requests.get(&id).is_some_and(RequestState::is_wanted) {
                    let why = "the request was cancelled on the server".to_owned();
                    self.fail(now, id, Failure::Refused(why));
                }
            }
        }
        self.rearm(id);
    }

    /// The server granted by reply.
    pub(crate) fn granted_by_reply(
        &mut self,
        now: Timestamp,
        written: TtlWrite,
        id: RequestId,
        grant: Grant,
    ) {
        self.min_fence = self.min_fence.max(grant.fences.last());
        if self.is_stale(now, id, grant.fences) {
            return;
        }
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let valid_until = self.timing.valid_until(written.sent, written.ttl);
        if let Phase::Held(_) = request.phase {
            return self.extend(id, written);
        }
        if !request.is_wanted() {
            return;
        }
        if valid_until <= now {
            // The reply took longer than the lease: never shown, asked again with the same request id. One slow reply may be
            // followed by a quick one; where all are slow the server would keep the lock from everybody.
            request.slow_replies += 1;
            if request.slow_replies < MAX_SLOW_REPLIES {
                request.phase = Phase::BackingOff { until: now };
            } else {
                let (ttl, round_trip) = (request.params.ttl, now.since(written.sent));
                self.fail(now, id, Failure::RepliesTooSlow { ttl, round_trip });
            }
            return;
        }
        let renew_at = request.renew_at(written);
        self.hold(now, id, grant, valid_until, renew_at);
    }

    fn hold(
        &mut self,
        now: Timestamp,
        id: RequestId,
        grant: Grant,
        valid_until: Timestamp,
        renew_at: Option<Timestamp>,
    ) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let ends_at = request.params.max_hold.map(|span| now.plus(span));
        let check_claimed_at = Some(now.plus(claim_ttl(request.params.ttl)));
        let held = Held {
            valid_until,
            ends_at,
            renew_at,
            renewing: false,
            check_claimed_at,
            refused: None,
        };
        let valid_until = held.end();
        request.phase = Phase::Held(held);
        request.contended |= grant.contended;
        self.outputs.push_back(Output::Granted { id, grant, valid_until });
    }

    /// The server confirmed a call that wrote a ttl.
    fn extend(&mut self, id: RequestId, written: TtlWrite) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let renew_at = request.renew_at(written);
        let Phase::Held(held) = &mut request.phase else {
            return;
        };
        held.renewing = false;
        held.refused = None;
        let valid_until = self.timing.valid_until(written.sent, written.ttl);
        held.valid_until = held.valid_until.max(valid_until);
        held.renew_at = renew_at;
        self.outputs.push_back(Output::Extended(id, held.end()));
    }

    fn busy(&mut self, now: Timestamp, sent: Timestamp, id: RequestId, busy: BusyReply) {
        let requests = self.requests.len();
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if !request.is_wanted() {
            // It was pushed before this reply was read, and granted before or after the server said so.
            request.acquires_in_flight += 1;
            return;
        }
        // A hold may be released at any time, and a foreign key deleted; a loss of data is waited out to its end.
        let nothing_before = match busy {
            BusyReply { blocked_by: BlockedBy::DataLoss, left: Some(left), .. } => {
                Some(now.plus(left))
            }
            _ => None,
        };
        let in_vain = nothing_before
            .zip(request.params.deadline)
            .is_some_and(|(until, deadline)| deadline < until);
        if !request.params.queue || in_vain {
            return self.fail(now, id, Failure::Busy(busy));
        }
        let every = Timing::refresh_every(requests);
        request.phase = Phase::Queued(Queued {
            refresh_at: Timing::refresh_at(now, every, id),
            recheck_at: busy.left.map(|left| Timing::recheck_at(now, left, id)),
            call_in_flight: false,
        });
        request.slow_replies = 0;
        request.queued_as_of = Some(sent);
        request.busy = Some(busy);
        request.refusal = None;
        if request.warning {
            self.report_wait(now, id);
        }
        let announced = nothing_before.map(|until| Output::NoGrantBefore(id, until));
        self.outputs.extend(announced);
    }

    fn renewal_reply(
        &mut self,
        now: Timestamp,
        written: TtlWrite,
        id: RequestId,
        reply: RenewalReply,
    ) {
        let every = Timing::refresh_every(self.requests.len());
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        match (&mut request.phase, reply) {
            (Phase::Held(_), RenewalReply::Renewed) => self.extend(id, written),
            (Phase::Held(_), RenewalReply::RenewedContended) => {
                self.extend(id, written);
                self.contended(id);
            }
            (Phase::Held(_), RenewalReply::NotHeld) => self.lost(id, Loss::NotOnServer),
            (Phase::Queued(queued), RenewalReply::Waiting(left)) => {
                queued.call_in_flight = false;
                request.queued_as_of = Some(written.sent);
                queued.refresh_at = Timing::refresh_at(now, every, id);
                queued.recheck_at = left.map(|left| Timing::recheck_at(now, left, id));
                if let Some(busy) = &mut request.busy {
                    busy.left = left;
                }
            }
            (Phase::Queued(queued), RenewalReply::AcquireAgain) => {
                queued.call_in_flight = false;
                self.acquire_in_turn(now, id);
            }
            // A waiter that was granted meanwhile, or a hold that its owner gave up.
            _ => {}
        }
        self.rearm(id);
    }

    fn failed_call(&mut self, now: Timestamp, kind: &CommandKind, error: &CommandError) {
        let multi = matches!(error, CommandError::ScriptMissing | CommandError::NotBatchable);
        let again = if multi { now } else { now.plus(RETRY) };
        match (kind, error) {
            (_, CommandError::ConnectionLost) => self.no_reply(now, kind),
            (CommandKind::Acquire(id, _), _) => self.acquire_failed(now, again, *id, error),
            (CommandKind::AcquireAll(ids), CommandError::InvalidReply(_)) => {
                self.no_reply_to_all(now, ids);
            }
            (CommandKind::AcquireAll(ids), _) => self.all_refused(now, ids),
            (CommandKind::Release(id), _) => self.release_failed(again, *id, error),
            (CommandKind::Renew { renewals, .. }, _) => {
                if let CommandError::Refused(why) | CommandError::Unhealthy(why) = error {
                    self.renewals_refused(renewals, why);
                }
                for &(id, _) in renewals {
                    self.renew_again(again, id);
                }
            }
            (CommandKind::Probe(id), _) => self.probe_failed(now, *id),
            (CommandKind::RaiseMaxLease, _) => self.announcement_failed(now, error),
        }
    }

    fn release_failed(&mut self, again: Timestamp, id: RequestId, error: &CommandError) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if let Phase::Releasing(releasing) = &mut request.phase {
            releasing.retry_at = Some(again);
            // A script may be refused a part of its work, and have done the rest.
            releasing.maybe_done |=
                matches!(error, CommandError::Refused(_) | CommandError::InvalidReply(_));
            if let CommandError::Refused(why) = error
                && !std::mem::replace(&mut releasing.refused, true)
            {
                let (key, why) = (Arc::clone(&request.params.key), why.as_str().into());
                self.outputs.push_back(Output::ReleaseRefused { id, key, why });
            }
        }
        self.rearm(id);
    }

    /// Reports holds whose renewal the server has refused for the first time since it last took one.
    fn renewals_refused(&mut self, renewals: &[(RequestId, Duration)], why: &str) {
        let why: Arc<str> = why.into();
        let mut news = Vec::new();
        for &(id, _) in renewals {
            if let Some(RequestState { phase: Phase::Held(held), .. }) = self.requests.get_mut(&id)
                && held.refused.replace(Arc::clone(&why)).is_none()
            {
                news.push(id);
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
        id: RequestId,
        error: &CommandError,
    ) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if !request.is_wanted() {
            return;
        }
        match error {
            CommandError::ScriptMissing | CommandError::NotBatchable => {
                request.params.likely_free &= *error != CommandError::NotBatchable;
                request.may_be_on_server = request.busy.is_some() || request.may_arrive_late;
                request.phase = Phase::BackingOff { until: again };
            }
            CommandError::TryAgain(why)
            | CommandError::Unhealthy(why)
            | CommandError::NotPrimary(why) => {
                let since = request.refusal.as_ref().map_or(now, |refusal| refusal.since);
                let unhealthy = matches!(error, CommandError::Unhealthy(_));
                let refusal = ServerRefusal { since, why: why.clone(), unhealthy };
                let failure = refusal.failure();
                request.refusal = Some(refusal);
                let given_up = since.plus(self.timing.outage_timeout) <= now;
                if given_up || !request.params.queue {
                    self.fail(now, id, failure);
                } else {
                    request.may_be_on_server = request.busy.is_some() || request.may_arrive_late;
                    request.phase = Phase::BackingOff { until: again };
                }
            }
            CommandError::Refused(why) => {
                // A definite no leaves nothing behind of a request that never queued.
                request.may_be_on_server = request.busy.is_some() || request.may_arrive_late;
                self.fail(now, id, Failure::Refused(why.clone()));
            }
            CommandError::InvalidReply(why) => self.fail(now, id, Failure::Refused(why.clone())),
            CommandError::ConnectionLost => {}
        }
        self.rearm(id);
    }

    fn renew_again(&mut self, at: Timestamp, id: RequestId) {
        match self.requests.get_mut(&id).map(|request| &mut request.phase) {
            Some(Phase::Held(held)) => {
                held.renewing = false;
                held.renew_at = held.renew_at.map(|_| at);
            }
            Some(Phase::Queued(queued)) => {
                queued.call_in_flight = false;
                queued.refresh_at = at;
            }
            _ => {}
        }
        self.rearm(id);
    }

    /// A call is not under way any more.
    pub(crate) fn settled(&mut self, kind: &CommandKind) {
        if let CommandKind::Renew { refreshes, .. } = kind {
            self.refreshes_in_flight = self.refreshes_in_flight.saturating_sub(*refreshes);
        }
        if let CommandKind::Acquire(id, _) = kind
            && let Some(request) = self.requests.get_mut(id)
        {
            request.acquires_in_flight = request.acquires_in_flight.saturating_sub(1);
        }
    }

    /// A call of a connection that died: it may have been done, or be done yet.
    pub(crate) fn no_reply(&mut self, now: Timestamp, kind: &CommandKind) {
        match kind {
            CommandKind::Acquire(id, _) => {
                let Some(request) = self.requests.get_mut(id) else {
                    return;
                };
                request.may_arrive_late = true;
                match &mut request.phase {
                    Phase::Queued(queued) => queued.call_in_flight = false,
                    phase @ Phase::Acquiring => *phase = Phase::Pending,
                    _ => {}
                }
            }
            CommandKind::AcquireAll(ids) => self.no_reply_to_all(now, ids),
            // The next connection does it again.
            CommandKind::RaiseMaxLease => {}
            CommandKind::Release(id) => {
                if let Some(RequestState { phase: Phase::Releasing(releasing), .. }) =
                    self.requests.get_mut(id)
                {
                    releasing.maybe_done = true;
                }
            }
            CommandKind::Renew { renewals, .. } => {
                for &(id, _) in renewals {
                    self.renew_again(now, id);
                }
            }
            CommandKind::Probe(id) => self.probe_failed(now, *id),
        }
    }
}
