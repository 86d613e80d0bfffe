//! The lock protocol of one process with one server, as a state machine without I/O, clock or
//! randomness.
//!
//! Inputs are method calls that carry the current time:
//! [`Protocol::acquire`], replies, notifications, ticks and connection
//! events. Results come out as [`Output`](request::Output)s: commands to send and events for the
//! owners of requests. The link drives it with a real connection; the simulation and the unit
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
//! This file has the inputs, the table of requests and the timers. `request` says what a request
//! is and what is reported of it, and `state` decides what becomes of it. `commands` has what is
//! sent, when, and which request its reply goes to; `connection` what concerns all requests.
//! `deadlock` probes for cycles on one server, and `cycle_watch` looks for them in a cluster,
//! apart from the rest. `replicas` decides what replicas have confirmed, `node` has what differs
//! on a node of a cluster, and `timing` has all durations.

pub(crate) mod commands;
pub(crate) mod connection;
pub(crate) mod cycle_watch;
pub(crate) mod deadlock;
pub(crate) mod listing;
pub(crate) mod node;
pub(crate) mod replicas;
pub(crate) mod request;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timing;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::commands::{Backlog, InFlightCommand};
use crate::protocol::connection::{EndedRequest, MaxLease, Primary, ReplyTimeout};
use crate::protocol::deadlock::Probes;
use crate::protocol::node::NodeState;
use crate::protocol::replicas::Confirmations;
use crate::protocol::request::{CommandId, Failure, Output, ReleaseOutcome, RequestParams};
use crate::protocol::state::{Context, Next, OnServer, Reachability, RequestState};
use crate::protocol::timing::{Timers, Timing, earliest};
use crate::types::fence::{Fence, HighestFence};
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::time::Timestamp;
use crate::wire::reply::LockState;

/// The protocol state of one process with one server.
#[derive(Debug)]
pub struct Protocol {
    pub(crate) timing: Timing,
    pub(crate) inbox: Arc<str>,
    pub(crate) requests: RequestMap<Box<RequestState>>,
    pub(crate) timers: Timers,
    pub(crate) in_flight: BTreeMap<CommandId, InFlightCommand>,
    pub(crate) next_call: CommandId,
    pub(crate) backlog: Backlog,
    /// Entries of waiters in the renewals that are under way.
    pub(crate) refreshes_in_flight: usize,
    pub(crate) reply_timeout: ReplyTimeout,
    pub(crate) server: Reachability,
    pub(crate) primary: Primary,
    /// Of a single server.
    pub(crate) min_fence: HighestFence,
    /// Of this process.
    pub(crate) longest_ttl: Duration,
    pub(crate) max_lease: MaxLease,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) probes: Probes,
    /// Where replicas have to confirm all holds.
    pub(crate) confirmations: Option<Box<Confirmations>>,
    /// Where the server is a node of a cluster.
    pub(crate) node: Option<Box<NodeState>>,
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
            timers: Timers::default(),
            in_flight: BTreeMap::new(),
            next_call: 0,
            backlog: Backlog::default(),
            refreshes_in_flight: 0,
            reply_timeout: ReplyTimeout::new(now),
            server: Reachability {
                down_since: Some(now),
                why: Failure::Unavailable("no connection yet".to_owned()),
                attempt_failed: false,
            },
            primary: Primary::new(now),
            min_fence: HighestFence::default(),
            longest_ttl,
            max_lease: MaxLease::new(longest_ttl),
            outputs: VecDeque::new(),
            probes: Probes::default(),
            confirmations: None,
            node: None,
        }
    }

    /// The same, beside others of this process with that server. A server that has lost its data
    /// may go on from a lower token on whichever connection is used first.
    pub(crate) fn beside(self, min_fence: HighestFence) -> Self {
        Self { min_fence, ..self }
    }

    /// The same, for requests whose holds count only once replicas have them.
    #[must_use]
    pub fn confirming(self, now: Timestamp) -> Self {
        Self { confirmations: Some(Box::new(Confirmations::new(now))), ..self }
    }

    /// Whether replicas have to confirm all holds.
    #[must_use]
    pub const fn confirms(&self) -> bool {
        self.confirmations.is_some()
    }

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_tick(&self) -> Option<Timestamp> {
        earliest([
            self.timers.first(),
            self.reply_due_at(),
            self.next_probe(),
            self.next_announcement(),
            self.next_repeat(),
            self.asked_due_at(),
        ])
    }

    /// The state of a lock as its owner sees it: a hold ends for its owner before its key expires.
    #[must_use]
    pub fn owner_view(&self, found: LockState) -> LockState {
        let holder = found.holder.as_ref().filter(|holder| !holder.is_kept());
        let ttl = holder.map(|holder| holder.owner.ttl);
        let left =
            found.left.map(|left| ttl.map_or(left, |ttl| self.timing.owner_time_left(left, ttl)));
        LockState { left, ..found }
    }

    /// Whether there is no hold, no waiting request and no pending release.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// The highest fencing token that this process has seen from a single server.
    #[must_use]
    pub fn min_fence(&self) -> Fence {
        self.min_fence.get()
    }

    /// A new request.
    pub fn acquire(&mut self, now: Timestamp, params: RequestParams) {
        self.insert(now, params, None);
    }

    /// A new request that takes over the queue position of `old`, which is released.
    pub fn replace(&mut self, now: Timestamp, old: RequestId, params: RequestParams) {
        let ticket = self.requests.get(&old).and_then(|old| old.ticket);
        self.insert(now, params, ticket);
        self.release(now, old);
    }

    fn insert(&mut self, now: Timestamp, params: RequestParams, ticket: Option<u64>) {
        let id = params.id;
        self.track(now, params, ticket);
        self.update(now, id, RequestState::start);
    }

    /// Adds a request to the table.
    pub(crate) fn track(&mut self, now: Timestamp, params: RequestParams, ticket: Option<u64>) {
        self.note_ttl(now, params.ttl);
        self.reply_timeout.begin(params.ttl);
        let id = params.id;
        if let (Some(confirmations), Some(confirm)) = (&mut self.confirmations, params.confirm) {
            confirmations.begin(id, confirm);
        }
        let slot = self.slot_of(&params.key);
        let request = RequestState::new(self.floor(slot), slot, params, ticket);
        self.requests.insert(id, Box::new(request));
    }

    fn note_ttl(&mut self, now: Timestamp, ttl: Duration) {
        let lease = self.timing.server_ttl(ttl);
        self.longest_ttl = self.longest_ttl.max(lease);
        self.ensure_max_lease(now, lease);
    }

    /// The hold was handed to another caller of this process at `now`: `max_hold` counts from then.
    pub fn record_handoff(&mut self, now: Timestamp, id: RequestId) {
        self.update(now, id, RequestState::record_handoff);
        self.hear_of_others(now, id);
    }

    /// A nested call needs a longer ttl from the next renewal on; it never gets shorter. A hold
    /// without automatic renewal is renewed this once.
    pub fn raise_ttl(&mut self, now: Timestamp, id: RequestId, ttl: Duration) {
        let raised = self.update(now, id, |request, cx| request.raise_ttl(cx, ttl));
        if let Some(Some(shorter)) = raised {
            self.reply_timeout.end(shorter);
            self.reply_timeout.begin(ttl);
            self.note_ttl(now, ttl);
        }
    }

    /// Renews the hold now, for at least `ttl`. Returns until when the hold will be valid if this
    /// renewal succeeds: one that is in flight already was sent too early to count. `None` if the
    /// lock is not held.
    pub fn renew_now(&mut self, now: Timestamp, id: RequestId, ttl: Duration) -> Option<Timestamp> {
        self.raise_ttl(now, id, ttl);
        // Explicitly requested, so it applies without automatic renewal too.
        self.update(now, id, |request, cx| request.renew_now(cx))?
    }

    /// A section runs under this hold: its key stays taken until then, also after a release.
    pub fn keep_until(&mut self, now: Timestamp, id: RequestId, until: Timestamp) {
        self.update(now, id, |request, _| request.keep_until(until));
    }

    /// Sets when to check that a caller took this hold; `None`: it was taken.
    pub fn check_claimed_at(&mut self, now: Timestamp, id: RequestId, at: Option<Timestamp>) {
        self.update(now, id, |request, _| request.check_claimed_at(at));
    }

    /// Releases the hold, or withdraws the request.
    pub fn release(&mut self, now: Timestamp, id: RequestId) {
        self.update(now, id, RequestState::release);
    }

    /// Releases and withdraws everything.
    pub fn release_all(&mut self, now: Timestamp) {
        self.probes.clear();
        for id in self.ids() {
            self.release(now, id);
        }
    }

    /// The requests that are being released or cancelled.
    pub fn releasing(&self) -> impl Iterator<Item = RequestId> {
        self.requests.iter().filter(|(_, request)| request.is_releasing()).map(|(&id, _)| id)
    }

    /// Why this request is still waiting. Local waiters behind it report the same reason.
    #[must_use]
    pub fn blocked_by(&self, id: RequestId) -> Failure {
        let request = self.requests.get(&id);
        request.map_or(Failure::NoReply, |request| request.blocked_by(&self.server))
    }

    /// Since when there is no connection, and why.
    #[must_use]
    pub fn outage(&self) -> Option<(Timestamp, &Failure)> {
        Some((self.server.down_since?, &self.server.why))
    }

    /// Why the server is unreachable, if an attempt to connect has failed since the last
    /// connection.
    #[must_use]
    pub fn unreachable(&self) -> Option<&Failure> {
        self.server.failed_attempt()
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
        self.repeat_due(now);
        self.asked_due(now);
        while let Some(id) = self.timers.first_due_by(now) {
            self.request_due(now, id);
            if self.timers.first_due_by(now) == Some(id) {
                // A renewal is due: send it together with all others that are due.
                self.renew_due(now);
            }
        }
    }

    fn request_due(&mut self, now: Timestamp, id: RequestId) {
        let unconfirmed = self.confirmations.as_ref().and_then(|it| it.why_not_granted(now, id));
        // One of a group that was granted has its own reason to fail.
        let is_granted = unconfirmed.is_some();
        if let Some(why) = unconfirmed {
            self.update(now, id, |request, _| request.not_granted(why));
        }
        let timed_out = self
            .update(now, id, |request, cx| request.tries_once() && request.timed_out(cx).is_some());
        if is_granted || timed_out != Some(true) || !self.fail_group(now, id) {
            self.update(now, id, RequestState::due);
        }
    }

    /// Changes a request, does what follows from that, and updates its timer. No other function
    /// changes one.
    pub(crate) fn update<T>(
        &mut self,
        now: Timestamp,
        id: RequestId,
        change: impl FnOnce(&mut RequestState, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let mut cx = Context {
            now,
            timing: &self.timing,
            server: &self.server,
            mark: self.primary.mark,
            in_doubt: self.primary.in_doubt,
            confirms: self.confirmations.is_some(),
            refresh_every: Timing::refresh_every(self.requests.len()),
            outputs: &mut self.outputs,
            next: Next::Nothing,
        };
        let request = self.requests.get_mut(&id)?;
        let result = change(request, &mut cx);
        let due = request.next_due(&cx);
        self.timers.set(id, &mut request.due, due);
        match cx.next {
            Next::Nothing => {}
            Next::Acquire => self.acquire_in_turn(now, id),
            Next::Release { was_held } => self.release_in_turn(now, id, was_held),
            Next::Remove(outcome) => self.remove(now, id, outcome, false),
            Next::GiveUp => self.remove(now, id, ReleaseOutcome::Unknown, true),
        }
        Some(result)
    }

    /// `is_given_up`: no server has confirmed its end. The next one is told of it if an acquire may
    /// still arrive.
    fn remove(
        &mut self,
        now: Timestamp,
        id: RequestId,
        outcome: ReleaseOutcome,
        is_given_up: bool,
    ) {
        if let Some(mut request) = self.requests.remove(&id) {
            self.timers.set(id, &mut request.due, None);
            self.reply_timeout.end(request.ttl);
            if let Some(confirmations) = &mut self.confirmations {
                confirmations.end(id);
            }
            if request.on_server > OnServer::Nothing {
                let RequestState { key, keep_until, on_server, .. } = *request;
                let missed = is_given_up && on_server == OnServer::MayArriveLate;
                let ended = EndedRequest { at: now, key, id, keep_until, on_server, missed };
                self.primary.note_ended(ended);
            }
            self.outputs.push_back(Output::Finished(id, outcome));
        }
    }

    pub(crate) fn ids(&self) -> Vec<RequestId> {
        self.requests.keys().copied().collect()
    }
}
