//! Replies and notifications: how they change the state of requests.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::commands::{CommandError, CommandKind};
use crate::protocol::request::{
    CommandId, Failure, Held, Loss, Output, Phase, Queued, Releasing, RequestState, ServerRefusal,
};
use crate::protocol::timing::{CONFIRM_DELAY, MIN_CLAIM_LEFT, RETRY, Timing, TtlWrite, claim_ttl};
use crate::types::fence::FenceRange;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::reply::{
    AcquireReply, BlockedBy, BusyReply, Grant, Notification, RenewalReply, Reply,
};

/// A request fails after this many grants in a row that had expired when they arrived.
const MAX_SLOW_REPLIES: u32 = 3;

impl Protocol {
    /// The reply to a command, or its error. Replies to commands of an earlier connection are
    /// ignored.
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
                self.probe_reply(now, id, probe_reply);
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

    /// The server executed a release.
    fn ended(&mut self, id: RequestId, held: bool) {
        let maybe_done = matches!(
            self.requests.get(&id).map(|request| &request.phase),
            Some(Phase::Releasing(Releasing { maybe_done: true, .. }))
        );
        self.remove(id, (held || !maybe_done).then_some(held));
    }

    /// A notification from the server.
    pub fn notification(&mut self, now: Timestamp, notice: Notification) {
        self.reply_timeout.heard(now);
        match notice {
            Notification::Granted(id, fences) => self.granted_by_push(now, id, fences),
            // May overtake the reply that grants the lock.
            Notification::Contended(id) => self.contended(id),
            Notification::MaxLease(max_lease) => self.learn_max_lease(max_lease),
            Notification::FirstInQueue(id, left) => self.first_in_queue(now, id, left),
        }
    }

    /// A waiter is now first in the queue, behind a hold that may end before its next refresh.
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

    /// A grant that arrived as a notification.
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
            // The request was withdrawn: the cancel that is in flight undoes this grant.
            return;
        };
        let ttl = request.params.ttl;
        let own = self.timing.valid_until(now, ttl);
        let valid_until = self.timing.claim_until(queued_as_of, ttl).min(own);
        if valid_until.since(now) < MIN_CLAIM_LEFT.min(ttl / 2) && valid_until < own {
            self.acquire_in_turn(now, id);
        } else {
            // Also without automatic renewal: this one replaces the short claim by the full ttl.
            let confirm_at = now.plus(CONFIRM_DELAY.min(ttl / 3));
            let grant = Grant { fences, contended: true };
            self.hold(now, id, grant, valid_until, Some(confirm_at));
        }
        self.rearm(id);
    }

    /// A token at or below one seen earlier: the server lost data without noticing. The grant is
    /// returned.
    fn is_stale(&mut self, now: Timestamp, id: RequestId, fences: FenceRange) -> bool {
        let fence = fences.first;
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
            // The reply took longer than the ttl, so the hold was over when it arrived. Acquire
            // again with the same request id: the next reply may be faster. If all replies are
            // slow, give up; the server would otherwise keep the lock from everyone.
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

    /// The server confirmed a command that wrote a ttl.
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
            // The request was granted by a notification that overtook this reply.
            request.acquires_in_flight += 1;
            return;
        }
        // A hold can be released any time and a conflicting key deleted, but the data-loss grace
        // period runs to its end.
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
            // A waiter that was granted the lock meanwhile, or a hold that was released.
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
            // The script may have been refused one of its commands after it executed others.
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

    /// Reports holds whose renewal is refused for the first time since the last success.
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
                // A refusal leaves nothing behind of a request that was never queued.
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

    /// A command is not in flight any more.
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

    /// A command of a lost connection: it was executed, or not, or will be.
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
