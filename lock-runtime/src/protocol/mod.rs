//! The lock protocol of one process with one server, as a state machine without I/O, clock or
//! randomness.
//!
//! Inputs are method calls that carry the current time:
//! [`Protocol::acquire`], replies, notifications, ticks and connection
//! events. Results come out as [`Output`](request::Output)s: commands to send and events for the
//! owners of requests. The I/O thread drives it with a real connection; the simulation and the unit
//! tests drive it with a simulated one.
//!
//! # A request
//!
//! `Pending` -> `Acquiring` -> (`Queued` | `BackingOff`) -> `Held` -> `Releasing` -> removed, or
//! `Held` -> `Lost` -> `Releasing`.
//!
//! - **Acquire.** One command takes the lock or queues the request. Repeating it with the same
//!   request id changes nothing on the server, so it is sent again after a lost connection.
//! - **Queued.** The server notifies the process when it grants the lock. A queued request never
//!   relies on that: it refreshes its lease in the queue, and acquires again when the holder's TTL
//!   runs out.
//! - **Validity.** A hold is valid for its ttl minus the clock margin, counted from the *send time*
//!   of the command that wrote the TTL. A pushed grant has no send time; it counts from the last
//!   command that the server answered with "queued", because the grant is later than that.
//! - **Renewal.** After a third of the ttl, many holds in one command. A late or failed renewal
//!   never extends a hold.
//! - **Release.** A hold is released if none of its acquires can still arrive, else it is
//!   cancelled. If an acquire may arrive from a dead connection the cancel leaves a tombstone that
//!   refuses it.
//!
//! # Files
//!
//! This file has the inputs, the table of requests and the timers; `request` what a request is and
//! what is reported of it, `commands` what is sent and how many at a time, `replies` what replies
//! and notifications change. `connection` is about the connection as a whole, `multi` acquires
//! several keys in one command, `deadlock` probes for cycles, and `timing` has all durations.

pub(crate) mod commands;
pub(crate) mod connection;
pub(crate) mod deadlock;
pub(crate) mod multi;
pub(crate) mod replies;
pub(crate) mod request;
#[cfg(test)]
mod tests;
pub(crate) mod timing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::commands::{Backlog, InFlightCommand};
use crate::protocol::connection::{MaxLease, ReplyTimeout};
use crate::protocol::deadlock::Probes;
use crate::protocol::request::{
    CommandId, Failure, GroupOutput, Loss, Output, Phase, Releasing, RequestParams, RequestState,
};
use crate::protocol::timing::{Timing, warn_again_at};
use crate::types::fence::Fence;
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::time::Timestamp;
use crate::wire::reply::{BusyReply, LockState};

/// The protocol state of one process with one server.
#[derive(Debug)]
pub struct Protocol {
    pub(crate) timing: Timing,
    pub(crate) inbox: Arc<str>,
    pub(crate) requests: RequestMap<RequestState>,
    pub(crate) timers: BTreeSet<(Timestamp, RequestId)>,
    pub(crate) in_flight: BTreeMap<CommandId, InFlightCommand>,
    pub(crate) next_call: CommandId,
    pub(crate) backlog: Backlog,
    /// Entries of waiters in the renewals that are under way.
    pub(crate) refreshes_in_flight: usize,
    pub(crate) reply_timeout: ReplyTimeout,
    /// Since when there is no connection; `None` while there is one.
    pub(crate) down_since: Option<Timestamp>,
    /// Why the latest attempt to connect failed.
    pub(crate) down_because: String,
    /// Failure of requests that cannot wait for the next attempt to connect. Set while there is no
    /// connection and the latest attempt failed.
    pub(crate) unreachable: Option<Failure>,
    pub(crate) min_fence: Fence,
    /// Of this process.
    pub(crate) longest_ttl: Duration,
    pub(crate) max_lease: MaxLease,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) probes: Probes,
    pub(crate) signals: VecDeque<GroupOutput>,
}

impl Protocol {
    /// `inbox`: the channel on which this process receives grants. `longest_ttl`: of requests that
    /// set none.
    #[must_use]
    pub fn new(now: Timestamp, timing: Timing, inbox: String, longest_ttl: Duration) -> Self {
        let longest_ttl = timing.server_ttl(longest_ttl);
        Self {
            timing,
            inbox: inbox.into(),
            requests: RequestMap::default(),
            timers: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            next_call: 0,
            backlog: Backlog::default(),
            refreshes_in_flight: 0,
            reply_timeout: ReplyTimeout::new(now),
            down_since: Some(now),
            down_because: "no connection yet".to_owned(),
            unreachable: None,
            min_fence: Fence::ZERO,
            longest_ttl,
            max_lease: MaxLease::new(longest_ttl),
            outputs: VecDeque::new(),
            probes: Probes::default(),
            signals: VecDeque::new(),
        }
    }

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next output about several requests.
    pub fn poll_signal(&mut self) -> Option<GroupOutput> {
        self.signals.pop_front()
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_tick(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|&(at, _)| at);
        let stalled = self.reply_due_at();
        let others =
            crate::protocol::request::earliest(self.next_probe(), self.next_announcement());
        crate::protocol::request::earliest(
            crate::protocol::request::earliest(timer, stalled),
            others,
        )
    }

    /// The state of a lock as its owner sees it: a hold ends for its owner before its key expires.
    #[must_use]
    pub fn owner_view(&self, found: LockState) -> LockState {
        let ttl = found.holder.as_ref().map(|holder| holder.owner.ttl);
        let left =
            found.left.map(|left| ttl.map_or(left, |ttl| self.timing.owner_time_left(left, ttl)));
        LockState { left, ..found }
    }

    /// Whether there is no hold, no waiting request and no pending release.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// The highest fencing token seen.
    #[must_use]
    pub const fn min_fence(&self) -> Fence {
        self.min_fence
    }

    /// A new request.
    pub fn acquire(&mut self, now: Timestamp, params: RequestParams) {
        self.insert(now, params, None);
    }

    /// A new request that takes over the queue position of `old`, which is released.
    pub fn replace(&mut self, now: Timestamp, old: RequestId, params: RequestParams) {
        let ticket = self.requests.get(&old).and_then(RequestState::ticket);
        self.insert(now, params, ticket);
        self.release(now, old);
    }

    fn insert(&mut self, now: Timestamp, params: RequestParams, ticket: Option<u64>) {
        let id = params.id;
        let waits = params.queue && !self.timing.outage_timeout.is_zero();
        let too_late = params.deadline.is_some_and(|deadline| deadline <= now);
        self.track(now, RequestState::new(self.min_fence, params, ticket));
        match self.unreachable.clone().filter(|_| !waits) {
            Some(failure) => self.fail(now, id, failure),
            // The next tick reports the timeout. Nothing was sent, so nothing has to be undone.
            None if too_late => {}
            None => self.acquire_in_turn(now, id),
        }
        self.rearm(id);
    }

    /// Why the server is unreachable, if an attempt to connect has failed since the last
    /// connection.
    #[must_use]
    pub const fn unreachable(&self) -> Option<&Failure> {
        self.unreachable.as_ref()
    }

    /// Adds a request to the table.
    pub(crate) fn track(&mut self, now: Timestamp, request: RequestState) {
        self.note_ttl(now, request.params.ttl);
        self.reply_timeout.begin(request.params.ttl);
        self.requests.insert(request.params.id, request);
    }

    fn note_ttl(&mut self, now: Timestamp, ttl: Duration) {
        let lease = self.timing.server_ttl(ttl);
        self.longest_ttl = self.longest_ttl.max(lease);
        self.ensure_max_lease(now, lease);
    }

    /// The hold was handed to another caller of this process at `now`: `max_hold` counts from then.
    pub fn record_handoff(&mut self, now: Timestamp, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let ends_at = request.params.max_hold.map(|span| now.plus(span));
        if let Phase::Held(held) = &mut request.phase {
            held.ends_at = ends_at;
            self.outputs.push_back(Output::Extended(id, held.end()));
        }
        self.rearm(id);
    }

    /// A nested call needs a longer ttl from the next renewal on; it never gets shorter. A hold
    /// without automatic renewal is renewed this once.
    pub fn raise_ttl(&mut self, now: Timestamp, id: RequestId, ttl: Duration) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if ttl <= request.params.ttl {
            return;
        }
        let shorter = std::mem::replace(&mut request.params.ttl, ttl);
        self.reply_timeout.end(shorter);
        self.reply_timeout.begin(ttl);
        self.note_ttl(now, ttl);
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if let Phase::Held(held) = &mut request.phase {
            held.renew_at = Some(now);
        }
        self.rearm(id);
    }

    /// Renews the hold now, for at least `ttl`. Returns until when the hold will be valid if this
    /// renewal succeeds: one that is in flight already was sent too early to count. `None` if the
    /// lock is not held.
    pub fn renew_now(&mut self, now: Timestamp, id: RequestId, ttl: Duration) -> Option<Timestamp> {
        self.raise_ttl(now, id, ttl);
        let request = self.requests.get_mut(&id)?;
        let end = self.timing.valid_until(now, request.params.ttl);
        let Phase::Held(held) = &mut request.phase else { return None };
        // Explicitly requested, so it applies without automatic renewal too.
        held.renew_at = Some(now);
        let end = held.ends_at.map_or(end, |last| last.min(end));
        self.rearm(id);
        Some(end)
    }

    /// Releases the hold, or withdraws the request.
    pub fn release(&mut self, now: Timestamp, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        match request.phase {
            _ if !request.may_be_on_server => return self.remove(id, Some(false)),
            Phase::Lost { clean: true } if !request.may_arrive_late => {
                return self.remove(id, Some(false));
            }
            Phase::Releasing(_) => return,
            _ => {}
        }
        let lease = self.timing.server_ttl(request.params.ttl).max(request.lease);
        let was_held = matches!(request.phase, Phase::Held(_) | Phase::Lost { .. });
        request.phase = Phase::Releasing(Releasing::new(now, now.plus(lease)));
        if self.down_since.is_none() {
            self.release_in_turn(now, id, was_held);
        }
        self.rearm(id);
    }

    /// Releases and withdraws everything.
    pub fn release_all(&mut self, now: Timestamp) {
        self.probes.clear();
        let ids: Vec<_> = self.requests.keys().copied().collect();
        for id in ids {
            self.release(now, id);
        }
    }

    /// The requests that are being released or cancelled.
    pub fn releasing(&self) -> impl Iterator<Item = RequestId> {
        let is_ending = |request: &RequestState| matches!(request.phase, Phase::Releasing(_));
        self.requests.iter().filter(move |(_, request)| is_ending(request)).map(|(&id, _)| id)
    }

    pub(crate) fn remove(&mut self, id: RequestId, held: Option<bool>) {
        if let Some(request) = self.requests.remove(&id) {
            if let Some(due) = request.due {
                self.timers.remove(&(due, id));
            }
            self.reply_timeout.end(request.params.ttl);
            self.outputs.push_back(Output::Finished(id, held));
        }
    }

    /// Reports the failure and undoes what the server may have done.
    pub(crate) fn fail(&mut self, now: Timestamp, id: RequestId, failure: Failure) {
        self.outputs.push_back(Output::Failed(id, failure));
        self.release(now, id);
    }

    /// Updates the timer of a request. Call it after every change of its state.
    pub(crate) fn rearm(&mut self, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let due = request.next_due(self.down_since, self.timing.outage_timeout);
        if due == request.due {
            return;
        }
        if let Some(old) = std::mem::replace(&mut request.due, due) {
            self.timers.remove(&(old, id));
        }
        if let Some(due) = due {
            self.timers.insert((due, id));
        }
    }

    fn rearm_all(&mut self) {
        let ids: Vec<_> = self.requests.keys().copied().collect();
        for id in ids {
            self.rearm(id);
        }
    }

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
