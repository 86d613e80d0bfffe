//! Timers: what is due when.

use std::sync::Arc;

use crate::protocol::request::{Failure, Loss, Phase, RequestState};
use crate::protocol::state::{Output, Protocol};
use crate::protocol::timing::warn_again_at;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::reply::BusyReply;

impl Protocol {
    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Timestamp) {
        if self.reply_due_at().is_some_and(|at| at <= now) {
            self.outputs.push_back(Output::Reconnect);
            let reply_timeout = self.reply_timeout.limit(&self.timing);
            self.disconnected(now, format!("no reply within {reply_timeout:?}"));
        }
        self.probe_due(now);
        self.announcement_due(now);
        while let Some(&(due, id)) = self.timers.first() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            if let Some(request) = self.requests.get_mut(&id) {
                request.due = None;
            }
            self.request_due(now, id);
            self.rearm(id);
            if self
                .requests
                .get(&id)
                .is_some_and(|request| request.due.is_some_and(|due| due <= now))
            {
                // A renewal is due: send it together with all others that are due.
                self.renew_due(now);
            }
        }
    }

    fn request_due(&mut self, now: Timestamp, id: RequestId) {
        let Some(request) = self.requests.get(&id) else {
            return;
        };
        if request.is_wanted() {
            return self.waiter_due(now, id);
        }
        match &request.phase {
            Phase::Held(held) if held.end() <= now => {
                let max_hold = held.ends_at.is_some_and(|end| end <= now);
                let loss = match &held.refused {
                    _ if max_hold => Loss::MaxHold,
                    Some(why) => Loss::Refused(Arc::clone(why)),
                    None => Loss::Expired,
                };
                self.lost(id, loss);
            }
            Phase::Held(held) if held.check_claimed_at.is_some_and(|at| at <= now) => {
                self.check_claimed_at(id, None);
                self.outputs.push_back(Output::CheckClaimed(id));
            }
            Phase::Releasing(releasing) if releasing.give_up_at <= now => self.remove(id, None),
            Phase::Releasing(releasing) if releasing.retry_at.is_some_and(|at| at <= now) => {
                self.retry_release(now, id);
            }
            Phase::Releasing(releasing) => {
                let due = releasing.unconfirmed_at(self.down_since, self.timing.outage_timeout);
                if due.is_some_and(|at| at <= now) {
                    self.unconfirmed(id);
                }
            }
            _ => {}
        }
    }

    fn waiter_due(&mut self, now: Timestamp, id: RequestId) {
        let Some(request) = self.requests.get(&id) else {
            return;
        };
        if let Some(failure) = self.timed_out(now, request) {
            let queues = request.params.queue;
            if queues || !self.fail_group(now, id) {
                self.fail(now, id, failure);
            }
            return;
        }
        if request.warn_at <= now {
            self.warn_slow_wait(now, id);
        }
        let Some(request) = self.requests.get(&id) else {
            return;
        };
        let acquire_in_turn = match &request.phase {
            Phase::BackingOff { until } => *until <= now,
            Phase::Queued(queued) => {
                let is_over = queued.recheck_at.is_some_and(|at| at <= now);
                !queued.call_in_flight && (request.warning || is_over && !self.is_crowded())
            }
            _ => false,
        };
        if acquire_in_turn && !request.in_backlog {
            self.acquire_in_turn(now, id);
        }
    }

    /// Whether a wait is over, and how it ended.
    fn timed_out(&self, now: Timestamp, request: &RequestState) -> Option<Failure> {
        let too_late = request.params.deadline.is_some_and(|deadline| deadline <= now);
        let down_since = self.down_since.filter(|_| !self.timing.outage_timeout.is_zero());
        let given_up = down_since.is_some_and(|since| {
            since.max(request.params.since).plus(self.timing.outage_timeout) <= now
        });
        if given_up {
            let because = || Failure::Unavailable(self.down_because.clone());
            return Some(self.unreachable.clone().unwrap_or_else(because));
        }
        too_late.then(|| self.reason(request))
    }

    fn reason(&self, request: &RequestState) -> Failure {
        match (&self.unreachable, &request.busy) {
            (Some(failure), _) => failure.clone(),
            (None, _) if let Some(refusal) = &request.refusal => refusal.failure(),
            // Still the latest known state, also while reconnecting.
            (None, Some(busy)) => Failure::Busy(busy.clone()),
            (None, None) if self.down_since.is_some() => {
                Failure::Unavailable(self.down_because.clone())
            }
            (None, None) if request.may_be_on_server => Failure::NoReply,
            (None, None) => Failure::Busy(BusyReply::by_others()),
        }
    }

    /// Why this request is still waiting. Local waiters behind it report the same reason.
    #[must_use]
    pub fn blocked_by(&self, id: RequestId) -> Failure {
        self.requests.get(&id).map_or(Failure::NoReply, |request| self.reason(request))
    }

    /// Reports a slow wait: at once without a connection, else together with the holder that the
    /// next reply names.
    fn warn_slow_wait(&mut self, now: Timestamp, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        request.warn_at = warn_again_at(request.params.since, now);
        request.warning = true;
        if self.down_since.is_some() {
            self.report_wait(now, id);
        }
    }

    pub(crate) fn report_wait(&mut self, now: Timestamp, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        request.warning = false;
        let waited = now.since(request.params.since);
        self.outputs.push_back(Output::StillWaiting { id, waited, busy: request.busy.clone() });
    }

    pub(crate) fn lost(&mut self, id: RequestId, loss: Loss) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        request.phase =
            Phase::Lost { clean: loss == Loss::NotOnServer && request.acquires_in_flight == 0 };
        self.outputs.push_back(Output::Lost(id, loss));
        self.rearm(id);
    }

    /// Sets when to check that a caller took this hold; `None`: it was taken.
    pub fn check_claimed_at(&mut self, id: RequestId, at: Option<Timestamp>) {
        if let Some(RequestState { phase: Phase::Held(held), .. }) = self.requests.get_mut(&id) {
            held.check_claimed_at = at;
        }
        self.rearm(id);
    }

    fn unconfirmed(&mut self, id: RequestId) {
        if let Some(RequestState { phase: Phase::Releasing(releasing), .. }) =
            self.requests.get_mut(&id)
        {
            releasing.unconfirmed = true;
            self.outputs.push_back(Output::ReleaseUnconfirmed(id));
        }
    }

    fn retry_release(&mut self, now: Timestamp, id: RequestId) {
        if let Some(RequestState { phase: Phase::Releasing(releasing), .. }) =
            self.requests.get_mut(&id)
        {
            releasing.retry_at = None;
        }
        if self.down_since.is_none() {
            self.release_in_turn(now, id, false);
        }
    }
}
