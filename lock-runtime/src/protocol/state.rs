//! Inputs, outputs and the table of requests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::backlog::Backlog;
use crate::protocol::deadlock::Probes;
use crate::protocol::in_flight::{CommandId, InFlightCommand};
use crate::protocol::max_lease::MaxLease;
use crate::protocol::reply_timeout::ReplyTimeout;
use crate::protocol::request::{Failure, Loss, Phase, Releasing, RequestParams, RequestState};
use crate::protocol::signal::GroupOutput;
use crate::protocol::timing::Timing;
use crate::types::fence::Fence;
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::time::Timestamp;
use crate::wire::command::Command;
use crate::wire::reply::{BusyReply, Grant, LockState};

/// A command to send, or an event for the owner of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this call and report its reply under the number.
    Send(CommandId, Command),
    /// The lock was granted.
    Granted {
        /// Whose request it was.
        id: RequestId,
        /// What it was given.
        grant: Grant,
        /// Until when, unless it is extended.
        valid_until: Timestamp,
    },
    /// Other processes wait for this hold.
    Contended(RequestId),
    /// The server grants this key to no request before then.
    NoGrantBefore(RequestId, Timestamp),
    /// The request ended without a hold.
    Failed(RequestId, Failure),
    /// A renewal moved the end of a hold.
    Extended(RequestId, Timestamp),
    /// A hold ended before it was released.
    Lost(RequestId, Loss),
    /// The request is gone from the server. `Some`: whether it held the lock until then, if the
    /// server said.
    Finished(RequestId, Option<bool>),
    /// The server refuses to renew these holds. They are lost if it keeps refusing.
    RenewalsRefused(Vec<RequestId>, Arc<str>),
    /// The server refused a release, which will be retried.
    ReleaseRefused {
        /// Whose.
        id: RequestId,
        /// For which key.
        key: Arc<str>,
        /// What the server said.
        why: Arc<str>,
    },
    /// A release is not confirmed, and the server has been unreachable for the outage timeout.
    ReleaseUnconfirmed(RequestId),
    /// Check that a caller took this hold; release it if not.
    CheckClaimed(RequestId),
    /// A request is waiting for a long time.
    StillWaiting {
        /// Whose.
        id: RequestId,
        /// How long.
        waited: Duration,
        /// What the server said last.
        busy: Option<BusyReply>,
    },
    /// The connection does not answer: drop it and connect again.
    Reconnect,
}

/// Why an attempt to connect failed, by what the next one can achieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectErrorKind {
    /// The server may be reached any moment.
    Unreachable,
    /// The server was reached but cannot grant locks at present.
    Unsuitable,
    /// Retrying fails until the configuration is fixed.
    Permanent,
}

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

    /// A connection is established and its inbox subscribed. `max_lease`: the longest lease that
    /// its server knows of.
    pub fn connected(&mut self, now: Timestamp, max_lease: Duration) {
        self.down_since = None;
        self.unreachable = None;
        self.reply_timeout.heard(now);
        self.max_lease_of_server(now, max_lease);
        self.renew_all(now);
        let mut order: Vec<_> =
            self.requests.iter().map(|(&id, request)| (request.params.since, id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            self.resume(now, id);
            self.rearm(id);
        }
    }

    /// The connection is gone. Commands in flight may or may not have been executed.
    pub fn disconnected(&mut self, now: Timestamp, because: String) {
        if self.down_since.is_some() {
            return;
        }
        self.down_since = Some(now);
        self.down_because = because;
        self.refreshes_in_flight = 0;
        for id in self.backlog.clear() {
            if let Some(request) = self.requests.get_mut(&id) {
                request.in_backlog = false;
            }
        }
        for (_, sent) in std::mem::take(&mut self.in_flight) {
            self.settled(&sent.kind);
            self.no_reply(now, &sent.kind);
        }
        self.rearm_all();
    }

    /// An attempt to connect failed. Requests that try once, or whose outage timeout is zero, fail
    /// now. All requests do if the error is permanent.
    pub fn connect_failed(&mut self, now: Timestamp, because: String, kind: ConnectErrorKind) {
        let hopeless = kind == ConnectErrorKind::Permanent;
        let failure = match kind {
            ConnectErrorKind::Unreachable => Failure::Unavailable,
            ConnectErrorKind::Unsuitable | ConnectErrorKind::Permanent => Failure::Refused,
        };
        let failure = failure(because.clone());
        let tries_once =
            |request: &RequestState| !request.params.queue || self.timing.outage_timeout.is_zero();
        let is_over =
            |request: &RequestState| request.is_wanted() && (hopeless || tries_once(request));
        let over = self.requests.iter().filter(|(_, request)| is_over(request));
        let over: Vec<_> = over.map(|(&id, _)| id).collect();
        for id in over {
            self.fail(now, id, failure.clone());
        }
        self.down_because = because;
        self.unreachable = Some(failure);
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
}
