//! What is sent to the server, and when.
//!
//! An overloaded server would receive every command too late, so only so many are in flight and the
//! others wait in the backlog. Renewals never wait: they are few, as each is for many holds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::request::{CommandId, Held, Output, Phase, Queued, RequestState};
use crate::protocol::timing::{TOMBSTONE, Timing};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Acquire, Command, Enqueue, Renewal, RequestRef};

/// Requests that are sent again use at most this fraction of the window, so that new requests find
/// room.
const KNOWN_PART: usize = 8;
/// Entries per renewal: bounds how long the script blocks the server to well under a millisecond.
const RENEWAL_BATCH: usize = 100;
/// Waiters refreshed at a time: many of them must not delay other requests.
const MAX_REFRESHES: usize = 500;
/// When a waiter for which there was no room is tried again.
const REFRESH_RETRY: Duration = Duration::from_millis(20);

/// Why a command has no reply of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// Refused. Nothing was done, and a retry fails too.
    Refused(String),
    /// The server does not know the script, which is being loaded again. Nothing was done.
    ScriptMissing,
    /// Cannot be part of a batch: send it alone. Nothing was done.
    NotBatchable,
    /// Temporarily impossible. Nothing was done.
    TryAgain(String),
    /// Refused until the server is repaired or recovers. Nothing was done.
    Unhealthy(String),
    /// The server is not the primary any more. Another one may answer at its address. Nothing was
    /// done.
    NotPrimary(String),
    /// An invalid reply: anything may have been done.
    InvalidReply(String),
    /// The connection was lost: anything may have been done.
    ConnectionLost,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct InFlightCommand {
    pub(crate) at: Timestamp,
    pub(crate) kind: CommandKind,
}

#[derive(Debug)]
pub(crate) enum CommandKind {
    /// The ttl that it writes; a nested call may have raised the ttl since.
    Acquire(RequestId, Duration),
    AcquireAll(Vec<RequestId>),
    Release(RequestId),
    Renew {
        /// With the ttl that it writes for each.
        renewals: Vec<(RequestId, Duration)>,
        /// How many of them are waiters.
        refreshes: usize,
    },
    Probe(RequestId),
    RaiseMaxLease,
}

/// Requests that wait to be sent, each kind in its order.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Releases, and whether they release a hold: those come first.
    ends: VecDeque<(RequestId, bool)>,
    /// Requests that are not queued on the server yet.
    new: VecDeque<RequestId>,
    /// Requests that are sent again after a lost connection, many at a time.
    known: VecDeque<RequestId>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.new.is_empty() && self.known.is_empty()
    }

    /// Whether no request of this kind waits already.
    pub(crate) fn is_next(&self, is_new: bool) -> bool {
        if is_new { self.new.is_empty() } else { self.known.is_empty() }
    }

    /// Forgets all of it; the requests among it.
    pub(crate) fn clear(&mut self) -> Vec<RequestId> {
        let Self { ends, new, known } = std::mem::take(self);
        ends.into_iter().map(|(id, _)| id).chain(new).chain(known).collect()
    }
}

impl Protocol {
    pub(crate) fn send(&mut self, at: Timestamp, kind: CommandKind, call: Command) {
        let id: CommandId = self.next_call;
        self.next_call += 1;
        self.in_flight.insert(id, InFlightCommand { at, kind });
        self.outputs.push_back(Output::Send(id, call));
    }

    fn request_ref(&self, id: RequestId) -> Option<RequestRef> {
        let request = self.requests.get(&id)?;
        Some(RequestRef {
            key: Arc::clone(&request.params.key),
            id,
            min_fence: self.min_fence,
            data_loss_grace: self.data_loss_grace(),
        })
    }

    /// Sends the acquire of a waiting request, or adds it to the backlog. Without a connection the
    /// next one sends it.
    pub(crate) fn acquire_in_turn(&mut self, now: Timestamp, id: RequestId) {
        if self.down_since.is_some() {
            return;
        }
        let Some(request) = self.requests.get(&id) else {
            return;
        };
        let is_new = !request.is_known();
        if self.is_full(is_new) || !self.backlog.is_next(is_new) {
            self.add_to_backlog(id, is_new);
        } else {
            self.send_acquire(now, id);
        }
    }

    pub(crate) fn send_acquire(&mut self, now: Timestamp, id: RequestId) {
        let lease = Timing::waiter_lease(Timing::refresh_every(self.requests.len()));
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        match &mut request.phase {
            Phase::Queued(queued) => queued.call_in_flight = true,
            phase => *phase = Phase::Acquiring,
        }
        request.queued_as_of.get_or_insert(now);
        request.may_be_on_server = true;
        request.acquires_in_flight += 1;
        let (ticket, ttl) = (request.ticket(), request.params.ttl);
        let enqueue = request.params.queue.then_some(Enqueue { ticket, lease });
        if enqueue.is_some() {
            request.lease = request.lease.max(lease);
        }
        if let Some(acquire) = self.acquire_command(id, enqueue) {
            self.send(now, CommandKind::Acquire(id, ttl), Command::Acquire(acquire));
        }
    }

    pub(crate) fn acquire_command(
        &self,
        id: RequestId,
        enqueue: Option<Enqueue>,
    ) -> Option<Acquire> {
        let request_ref = self.request_ref(id)?;
        let request = self.requests.get(&id)?;
        Some(Acquire {
            request: request_ref,
            ttl: self.timing.server_ttl(request.params.ttl),
            owner: request.params.owner.clone(),
            inbox: Arc::clone(&self.inbox),
            fence_count: request.params.fence_count,
            likely_free: request.params.likely_free,
            enqueue,
        })
    }

    /// Releases or cancels. A hold is released if none of its acquires can arrive later. Everything
    /// else is cancelled, with a tombstone if an acquire may arrive from a dead connection. An
    /// acquire that is in flight on this connection arrives before the cancel, and may find that
    /// the pushed hold has expired.
    pub(crate) fn send_release(&mut self, now: Timestamp, id: RequestId, was_held: bool) {
        let Some(request_ref) = self.request_ref(id) else { return };
        let Some(request) = self.requests.get(&id) else { return };
        let is_hold_alone = was_held && request.acquires_in_flight == 0;
        let call = match (request.may_arrive_late, is_hold_alone) {
            (true, _) => Command::Cancel { request: request_ref, tombstone: TOMBSTONE },
            (false, false) => Command::Cancel { request: request_ref, tombstone: Duration::ZERO },
            (false, true) => {
                Command::Release { request: request_ref, contended: request.contended }
            }
        };
        self.send(now, CommandKind::Release(id), call);
    }

    /// Whether as many calls are under way as may be.
    pub(crate) fn is_full(&self, is_new: bool) -> bool {
        let part = if is_new { 1 } else { KNOWN_PART };
        self.in_flight.len() >= (self.timing.max_in_flight / part).max(1)
    }

    /// Adds a request to the backlog.
    pub(crate) fn add_to_backlog(&mut self, id: RequestId, is_new: bool) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if request.in_backlog {
            return;
        }
        request.in_backlog = true;
        if let Phase::BackingOff { .. } = request.phase {
            request.phase = Phase::Pending;
        }
        let waiting = if is_new { &mut self.backlog.new } else { &mut self.backlog.known };
        waiting.push_back(id);
    }

    /// Sends a release, or adds it to the backlog.
    pub(crate) fn release_in_turn(&mut self, now: Timestamp, id: RequestId, was_held: bool) {
        if self.is_full(true) {
            self.backlog.ends.push_back((id, was_held));
        } else {
            self.send_release(now, id, was_held);
        }
    }

    /// Sends as much of what waits as may be under way.
    pub(crate) fn send_backlog(&mut self, now: Timestamp) {
        if self.down_since.is_some() {
            return;
        }
        while !self.is_full(true) {
            if let Some((id, was_held)) = self.backlog.ends.pop_front() {
                self.send_release(now, id, was_held);
            } else if let Some(id) = self.backlog.new.pop_front() {
                self.send_from_backlog(now, id);
            } else {
                break;
            }
        }
        while !self.is_full(false)
            && let Some(id) = self.backlog.known.pop_front()
        {
            self.send_from_backlog(now, id);
        }
    }

    fn send_from_backlog(&mut self, now: Timestamp, id: RequestId) {
        // A request that was withdrawn is gone or being released.
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.in_backlog = false;
        if request.is_wanted() && !request.is_called() {
            self.send_acquire(now, id);
        }
        self.rearm(id);
    }

    /// Continues a request on a new connection.
    pub(crate) fn resume(&mut self, now: Timestamp, id: RequestId) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        match &mut request.phase {
            Phase::Pending | Phase::BackingOff { .. } | Phase::Queued(_) => {
                self.acquire_in_turn(now, id);
            }
            Phase::Releasing(_) => self.release_in_turn(now, id, false),
            Phase::Acquiring | Phase::Held(_) | Phase::Lost { .. } => {}
        }
    }

    /// Renews all holds and refreshes all waiters that are due, and those that soon will be, in
    /// batches.
    pub(crate) fn renew_due(&mut self, now: Timestamp) {
        let horizon = now.plus(Timing::renewal_batch_window(self.longest_ttl));
        let candidates: Vec<RequestId> =
            self.requests_due(horizon).filter(|&id| self.renewal_due(now, id)).collect();
        let refreshes = candidates.iter().filter(|id| self.waits(id)).count();
        let room = MAX_REFRESHES.saturating_sub(self.refreshes_in_flight);
        let (candidates, slow_replies) = if refreshes <= room {
            (candidates, Vec::new())
        } else {
            self.split_by_room(candidates, room)
        };
        let every = Timing::refresh_every(self.requests.len());
        for batch in candidates.chunks(RENEWAL_BATCH) {
            let refreshes = batch.iter().filter(|id| self.waits(id)).count();
            self.refreshes_in_flight += refreshes;
            let begun = batch.iter().filter_map(|&id| self.begin_renewal(id, every));
            let (renewals, entries) = begun.unzip();
            self.send(now, CommandKind::Renew { renewals, refreshes }, Command::Renew(entries));
        }
        for &id in &slow_replies {
            self.postpone(now.plus(REFRESH_RETRY), id);
        }
        for id in candidates.into_iter().chain(slow_replies) {
            self.rearm(id);
        }
    }

    /// All holds and as many waiters as there is room for; then the other waiters.
    fn split_by_room(
        &self,
        candidates: Vec<RequestId>,
        mut room: usize,
    ) -> (Vec<RequestId>, Vec<RequestId>) {
        candidates.into_iter().partition(|id| {
            if !self.waits(id) {
                return true;
            }
            let fits = room > 0;
            room = room.saturating_sub(1);
            fits
        })
    }

    fn postpone(&mut self, at: Timestamp, id: RequestId) {
        if let Some(Phase::Queued(queued)) =
            self.requests.get_mut(&id).map(|request| &mut request.phase)
        {
            queued.refresh_at = queued.refresh_at.max(at);
            queued.recheck_at = queued.recheck_at.map(|recheck_at| recheck_at.max(at));
        }
    }

    fn waits(&self, id: &RequestId) -> bool {
        self.requests.get(id).is_some_and(|request| matches!(request.phase, Phase::Queued(_)))
    }

    /// Renews all holds on a new connection.
    pub(crate) fn renew_all(&mut self, now: Timestamp) {
        let mut held = Vec::new();
        for (&id, request) in &mut self.requests {
            if let Phase::Held(Held { renew_at: Some(at), .. }) = &mut request.phase {
                *at = now;
                held.push(id);
            }
        }
        for id in held {
            self.rearm(id);
        }
        self.renew_due(now);
    }

    /// Whether this process has so many requests that waiters are refreshed less often. A waiter
    /// whose holder's TTL ran out is then refreshed in a batch instead of sending its own acquire.
    pub(crate) fn is_crowded(&self) -> bool {
        Timing::refresh_every(self.requests.len()) > Timing::refresh_every(0)
    }

    fn requests_due(&self, horizon: Timestamp) -> impl Iterator<Item = RequestId> {
        self.timers.iter().take_while(move |&&(due, _)| due <= horizon).map(|&(_, id)| id)
    }

    fn renewal_due(&self, now: Timestamp, id: RequestId) -> bool {
        let Some(request) = self.requests.get(&id) else {
            return false;
        };
        match &request.phase {
            Phase::Held(held) => {
                let horizon = now.plus(Timing::renewal_batch_window(request.params.ttl));
                !held.renewing && held.renew_at.is_some_and(|at| at <= horizon)
            }
            Phase::Queued(Queued { call_in_flight, refresh_at, recheck_at }) => {
                let is_over = recheck_at.is_some_and(|at| at <= now) && self.is_crowded();
                let refresh = *refresh_at <= now.plus(Timing::renewal_batch_window(request.lease));
                !call_in_flight && !request.in_backlog && (refresh || is_over)
            }
            _ => false,
        }
    }

    fn begin_renewal(
        &mut self,
        id: RequestId,
        every: Duration,
    ) -> Option<((RequestId, Duration), Renewal)> {
        let request = self.requests.get_mut(&id)?;
        let key = Arc::clone(&request.params.key);
        match &mut request.phase {
            Phase::Held(held) => {
                held.renewing = true;
                let ttl = request.params.ttl;
                let written = self.timing.server_ttl(ttl);
                Some(((id, ttl), Renewal::Hold { key, id, ttl: written }))
            }
            Phase::Queued(queued) => {
                queued.call_in_flight = true;
                let lease = Timing::waiter_lease(every);
                request.lease = request.lease.max(lease);
                Some(((id, lease), Renewal::Waiter { key, id, lease }))
            }
            _ => None,
        }
    }
}

impl RequestState {
    /// Whether a command is in flight whose reply decides what happens next.
    fn is_called(&self) -> bool {
        match &self.phase {
            Phase::Acquiring => true,
            Phase::Queued(queued) => queued.call_in_flight,
            _ => false,
        }
    }
}
