//! What is sent to the server and when, and what its replies and notifications change.
//!
//! An overloaded server would receive every command too late, so only so many are in flight and the
//! others wait in the backlog. Renewals never wait: they are few, as each is for many holds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::replicas::{NextWait, Unconfirmed, has_hold, is_renewed};
use crate::protocol::request::{CommandError, CommandId, Output, RequestParams};
use crate::protocol::state::{BegunAcquire, Context, OnServer, RequestState};
use crate::protocol::timing::{Timing, TtlWrite};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Acquire, Command, LostHold, Renewal, RequestRef};
use crate::wire::keyspace::MAX_FENCE_RANGE;
use crate::wire::reply::{AcquireReply, Grant, Notification, Reply};
use crate::wire::slot::Slot;

/// Requests that are sent again use at most this fraction of the window, so that new requests find
/// room.
const KNOWN_PART: usize = 8;
/// Entries per renewal: bounds how long the script blocks the server to well under a millisecond.
const RENEWAL_BATCH: usize = 100;
/// Waiters refreshed at a time: many of them must not delay other requests.
const MAX_REFRESHES: usize = 500;

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
    /// As for an acquire.
    Reclaim(RequestId, Duration),
    Probe(RequestId),
    RaiseMaxLease,
    CountReplicas,
    /// For so many replicas.
    Wait(u32),
    Subscribe(Slot),
    Open(Slot),
    NoteTokens(Slot),
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
    pub(crate) fn remove(&mut self, is_gone: impl Fn(RequestId) -> bool) {
        self.ends.retain(|&(id, _)| !is_gone(id));
        self.new.retain(|&id| !is_gone(id));
        self.known.retain(|&id| !is_gone(id));
    }
}

impl Protocol {
    pub(crate) fn send(&mut self, at: Timestamp, kind: CommandKind, call: Command) {
        let id: CommandId = self.next_call;
        self.next_call += 1;
        self.in_flight.insert(id, InFlightCommand { at, kind });
        if self.confirmations.is_some() {
            self.note_unconfirmed(&call);
        }
        self.outputs.push_back(Output::Send(id, call));
    }

    /// What is sent has to be confirmed, if it makes or renews holds.
    fn note_unconfirmed(&mut self, call: &Command) {
        let Some(confirmations) = &mut self.confirmations else { return };
        let mut sent = |id| {
            let request = self.requests.get(&id);
            confirmations.sent(id, request.and_then(|request| request.deadline()));
        };
        match call {
            Command::Acquire(acquire) | Command::Reclaim(acquire, _) => sent(acquire.request.id),
            Command::AcquireAll(acquires) => {
                for acquire in acquires {
                    sent(acquire.request.id);
                }
            }
            Command::Renew(entries) => entries.iter().for_each(|entry| {
                if let Renewal::Hold { id, .. } = entry {
                    sent(*id);
                }
            }),
            _ => {}
        }
    }

    /// Whether [`Self::confirm_sent`] has something to do.
    #[must_use]
    pub fn has_unconfirmed(&self) -> bool {
        self.confirmations.as_ref().is_some_and(|confirmations| confirmations.wants_wait())
    }

    /// Has the replicas confirm what was sent, unless they are still asked about what was sent
    /// before. Call it when all outputs are taken. Returns whether there are new ones.
    pub fn confirm_sent(&mut self, now: Timestamp) -> bool {
        let Some(confirmations) = &mut self.confirmations else { return false };
        let Some(plan) = confirmations.next_wait(now, self.reply_timeout.shortest_ttl()) else {
            return false;
        };
        let NextWait { counts, replicas, limit } = plan;
        if counts {
            self.send(now, CommandKind::CountReplicas, Command::CountReplicas);
        }
        self.send(now, CommandKind::Wait(replicas), Command::Wait { replicas, limit });
        true
    }

    pub(crate) fn request_ref(
        &self,
        key: Arc<str>,
        id: RequestId,
        slot: Option<Slot>,
    ) -> RequestRef {
        let (min_fence, mut data_loss_grace) = (self.floor(slot), self.data_loss_grace());
        if slot.is_some() && min_fence == Fence::ZERO {
            // As far as this process knows the slot is new.
            data_loss_grace.max_lease = Duration::ZERO;
        }
        RequestRef { key, id, min_fence, data_loss_grace }
    }

    /// Sends the acquire of a waiting request when it is its turn. Without a connection the next
    /// one sends it.
    pub(crate) fn acquire_in_turn(&mut self, now: Timestamp, id: RequestId) {
        if self.server.down_since.is_some() {
            return;
        }
        let entered = self.update(now, id, |request, _| request.enter_backlog());
        let Some(Some(is_new)) = entered else { return };
        let waiting = if is_new { &mut self.backlog.new } else { &mut self.backlog.known };
        waiting.push_back(id);
        self.send_backlog(now);
    }

    /// Sends a release when it is its turn. Without a connection the next one sends it.
    pub(crate) fn release_in_turn(&mut self, now: Timestamp, id: RequestId, was_held: bool) {
        if self.server.down_since.is_none() {
            self.backlog.ends.push_back((id, was_held));
            self.send_backlog(now);
        }
    }

    /// Whether a release waits to be sent.
    pub(crate) fn has_unsent_release(&self) -> bool {
        let is_down = self.server.down_since.is_some();
        !self.backlog.ends.is_empty() || is_down && self.releasing().next().is_some()
    }

    /// Sends as much of what waits as may be under way.
    pub(crate) fn send_backlog(&mut self, now: Timestamp) {
        while self.has_room(1) {
            if let Some((id, was_held)) = self.backlog.ends.pop_front() {
                self.send_release(now, id, was_held);
            } else if let Some(id) = self.backlog.new.pop_front() {
                self.send_acquire(now, id);
            } else {
                break;
            }
        }
        while self.has_room(KNOWN_PART)
            && let Some(id) = self.backlog.known.pop_front()
        {
            self.send_acquire(now, id);
        }
    }

    /// Whether this part of the window has room for a command.
    fn has_room(&self, part: usize) -> bool {
        self.in_flight.len() < (self.timing.max_in_flight / part).max(1)
    }

    fn send_acquire(&mut self, now: Timestamp, id: RequestId) {
        if let Some((ttl, acquire)) = self.begin_acquire(now, id) {
            self.send(now, CommandKind::Acquire(id, ttl), Command::Acquire(acquire));
        }
    }

    /// The acquire of a request that is still wanted, and the ttl of its hold.
    pub(crate) fn begin_acquire(
        &mut self,
        now: Timestamp,
        id: RequestId,
    ) -> Option<(Duration, Acquire)> {
        let is_heard = self.is_heard(id);
        let begun = self.update(now, id, |request, cx| request.begin_acquire(cx, is_heard))??;
        let BegunAcquire { key, slot, ttl, owner, fence_count, likely_free, enqueue } = begun;
        if enqueue.is_some() && !is_heard {
            self.subscribe(now, id);
        }
        let acquire = Acquire {
            request: self.request_ref(key, id, slot),
            ttl: self.timing.server_ttl(ttl),
            owner,
            inbox: Arc::clone(&self.inbox),
            fence_count,
            likely_free,
            enqueue,
        };
        Some((ttl, acquire))
    }

    /// Releases or cancels. A hold is released if none of its acquires can arrive later: then its
    /// request cannot have been granted the lock again, and a release need not compare tokens.
    /// Everything else is cancelled, with a tombstone if an acquire may arrive from a dead
    /// connection. An acquire that is in flight on this connection arrives before the cancel, and
    /// may find that the pushed hold has expired.
    fn send_release(&mut self, now: Timestamp, id: RequestId, was_held: bool) {
        let Some(request) = self.requests.get(&id) else { return };
        let request_ref = self.request_ref(Arc::clone(&request.key), id, request.slot);
        let keep = request.keep(now, &self.timing);
        let is_hold_alone = was_held && request.acquires_in_flight == 0;
        let call = if is_hold_alone && request.on_server == OnServer::Perhaps {
            Command::Release { request: request_ref, contended: request.contended, keep }
        } else {
            let tombstone = request.on_server.tombstone();
            let fence = request.released_fence();
            Command::Cancel { request: request_ref, fence, tombstone, keep }
        };
        self.send(now, CommandKind::Release(id), call);
    }

    /// Renews all holds and refreshes all waiters that are due, and those that soon will be, in
    /// batches.
    pub(crate) fn renew_due(&mut self, now: Timestamp) {
        let horizon = now.plus(Timing::renewal_batch_window(self.longest_ttl));
        let candidates: Vec<RequestId> = self.timers.due_by(horizon).collect();
        let mut candidates = candidates.into_iter();
        loop {
            let begun = candidates.by_ref().filter_map(|id| self.begin_renewal(now, id));
            let (renewals, entries): (Vec<_>, Vec<_>) = begun.take(RENEWAL_BATCH).unzip();
            if entries.is_empty() {
                return;
            }
            if self.node.is_some() {
                self.renew_by_slot(now, renewals.into_iter().zip(entries));
            } else {
                self.send_renewal(now, renewals, entries);
            }
        }
    }

    pub(crate) fn send_renewal(
        &mut self,
        now: Timestamp,
        renewals: Vec<(RequestId, Duration)>,
        entries: Vec<Renewal>,
    ) {
        let is_refresh = |entry: &&Renewal| matches!(entry, Renewal::Waiter { .. });
        let refreshes = entries.iter().filter(is_refresh).count();
        self.send(now, CommandKind::Renew { renewals, refreshes }, Command::Renew(entries));
    }

    fn begin_renewal(
        &mut self,
        now: Timestamp,
        id: RequestId,
    ) -> Option<((RequestId, Duration), Renewal)> {
        let has_room = self.refreshes_in_flight < MAX_REFRESHES;
        let (span, entry) =
            self.update(now, id, |request, cx| request.begin_renewal(cx, has_room))??;
        if let Renewal::Waiter { .. } = entry {
            self.refreshes_in_flight += 1;
        }
        Some(((id, span), entry))
    }

    /// The answer to [`Output::PutBack`]: the owner of the section that runs under the hold; `None`
    /// if none does. The hold is lost then.
    pub fn put_back(&mut self, now: Timestamp, id: RequestId, owner: Option<OwnerInfo>) {
        let slot = self.requests.get(&id).and_then(|request| request.slot);
        let begun = self.update(now, id, |request, cx| request.begin_put_back(cx, owner.is_some()));
        let (Some((fences, masters)), Some(owner)) = (begun.flatten(), owner) else {
            return slot.map_or((), |slot| self.note_tokens(now, slot));
        };
        let Some(request) = self.requests.get(&id) else { return };
        let key = Arc::clone(&request.key);
        let ttl = request.ttl_to_reclaim(now);
        let lease = self.timing.server_ttl(ttl);
        if let Some(slot) = slot
            && !self.grace_left(now).is_zero()
        {
            // Nobody is granted anything meanwhile. Without that it can be put back as long as
            // nobody has opened the slot.
            self.open_tokens(now, slot);
        }
        let known = Acquire {
            request: self.request_ref(key, id, slot),
            ttl: lease,
            owner,
            inbox: Arc::clone(&self.inbox),
            fence_count: fences.size,
            likely_free: false,
            enqueue: None,
        };
        let reclaim = Command::Reclaim(known, LostHold { first: fences.first, masters });
        self.send(now, CommandKind::Reclaim(id, ttl), reclaim);
    }

    /// Acquires several different keys in one command. If any of them is not free, none is
    /// acquired, and one [`Output::NotTogether`] reports it.
    pub fn acquire_all(&mut self, now: Timestamp, requests: Vec<RequestParams>) {
        let ids: Vec<_> = requests.iter().map(|params| params.id).collect();
        if ids.is_empty() {
            return;
        }
        let too_many = u32::try_from(ids.len()).map_or(true, |count| count > MAX_FENCE_RANGE);
        if self.server.down_since.is_some() || too_many {
            return self.outputs.push_back(Output::NotTogether(ids));
        }
        for params in requests {
            self.track(now, RequestParams { queue: false, fence_count: 1, ..params }, None);
        }
        let begun = ids.iter().filter_map(|&id| self.begin_acquire(now, id));
        let acquires = begun.map(|(_, acquire)| acquire).collect();
        self.send(now, CommandKind::AcquireAll(ids), Command::AcquireAll(acquires));
    }

    /// The reply to a command, or its error. Replies to commands of an earlier connection are
    /// ignored.
    pub fn reply(&mut self, now: Timestamp, id: CommandId, reply: Result<Reply, CommandError>) {
        let sent = self.in_flight.get(&id).map(|sent| sent.at);
        let is_doubtful = |sent| self.is_grant_doubtful(now, sent);
        match reply {
            Ok(reply) if reply.is_grant() && sent.is_some_and(is_doubtful) => {
                self.ask_primary_again(now);
            }
            Ok(reply) if self.confirmations.is_some() && has_hold(&reply) => {
                self.hold_back(now, id, reply);
            }
            reply => self.answered(now, id, reply, None),
        }
    }

    /// Holds back a reply until replicas have confirmed it.
    fn hold_back(&mut self, now: Timestamp, id: CommandId, reply: Reply) {
        self.reply_timeout.heard(now);
        if let (Some(confirmations), Some(sent)) =
            (&mut self.confirmations, self.in_flight.get(&id))
        {
            let acquired: &[RequestId] = match &sent.kind {
                CommandKind::Acquire(id, _) => std::slice::from_ref(id),
                CommandKind::AcquireAll(ids) => ids,
                _ => &[],
            };
            confirmations.hold_back(id, acquired, sent.at, reply);
        }
    }

    /// What is missing if so many replicas have acknowledged something about this request; `None`
    /// if nobody asked them.
    fn unconfirmed(
        &self,
        now: Timestamp,
        id: RequestId,
        acknowledged: Option<u32>,
    ) -> Option<Unconfirmed> {
        self.confirmations.as_ref()?.unconfirmed(now, id, acknowledged?)
    }

    /// A reply that counts. `acknowledged`: by so many replicas, if they were asked.
    fn answered(
        &mut self,
        now: Timestamp,
        id: CommandId,
        reply: Result<Reply, CommandError>,
        acknowledged: Option<u32>,
    ) {
        let Some(sent) = self.in_flight.remove(&id) else {
            return self.asked_reply(now, id, reply);
        };
        self.reply_timeout.settled(now, sent.at);
        self.apply_reply(now, id, sent, reply, acknowledged);
        self.send_backlog(now);
    }

    /// What the reply to a command changes.
    pub(crate) fn apply_reply(
        &mut self,
        now: Timestamp,
        id: CommandId,
        sent: InFlightCommand,
        reply: Result<Reply, CommandError>,
        acknowledged: Option<u32>,
    ) {
        if let CommandKind::Renew { refreshes, .. } = sent.kind {
            self.refreshes_in_flight -= refreshes;
        }
        let written = |ttl| TtlWrite { sent: sent.at, ttl };
        match (sent.kind, reply) {
            (CommandKind::Acquire(id, ttl), Ok(Reply::Acquire(reply))) => {
                if let Some(unconfirmed) = self.unconfirmed(now, id, acknowledged) {
                    let update = |request: &mut RequestState, cx: &mut Context<'_>| {
                        request.acquire_unconfirmed(cx, sent.at, &unconfirmed);
                    };
                    self.update(now, id, update);
                    return;
                }
                self.settled(id);
                match &reply {
                    AcquireReply::Granted(grant) => self.raise_floor(id, grant.fences.last()),
                    AcquireReply::Busy(busy) => self.note_holder(id, busy),
                    AcquireReply::Cancelled => {}
                }
                self.update(now, id, |request, cx| request.acquire_reply(cx, written(ttl), reply));
            }
            (CommandKind::AcquireAll(ids), Ok(Reply::AcquiredAll(_)))
                if ids.iter().any(|&id| self.unconfirmed(now, id, acknowledged).is_some()) =>
            {
                // The server has granted all of them. Each is asked for again by itself.
                for id in ids {
                    if let Some(unconfirmed) = self.unconfirmed(now, id, acknowledged) {
                        self.update(now, id, |request, cx| {
                            request.acquire_unconfirmed(cx, sent.at, &unconfirmed);
                        });
                    }
                }
            }
            (CommandKind::AcquireAll(ids), Ok(Reply::AcquiredAll(fences))) => {
                for &id in &ids {
                    self.settled(id);
                }
                self.acquired_all(now, sent.at, &ids, fences);
            }
            (CommandKind::Release(id), Ok(Reply::Released(held))) => {
                let is_known = self.update(now, id, |request, cx| request.release_reply(cx, held));
                if is_known.is_none() {
                    self.primary.end_confirmed(id);
                }
            }
            (CommandKind::Renew { renewals, .. }, Ok(Reply::Renewed(replies))) => {
                for ((id, ttl), reply) in renewals.into_iter().zip(replies) {
                    let unconfirmed = self.unconfirmed(now, id, acknowledged);
                    if let Some(unconfirmed) = unconfirmed.filter(|_| is_renewed(&reply)) {
                        let error = CommandError::Unhealthy(unconfirmed.refusal());
                        self.renewal_failed(now, [id], &error);
                        continue;
                    }
                    self.update(now, id, |request, cx| {
                        request.renewal_reply(cx, written(ttl), reply);
                    });
                }
            }
            (CommandKind::Reclaim(id, ttl), Ok(Reply::Reclaimed(reply))) => {
                if let Some(unconfirmed) = self.unconfirmed(now, id, acknowledged) {
                    let error = CommandError::Unhealthy(unconfirmed.refusal());
                    self.update(now, id, |request, cx| request.reclaim_failed(cx, &error));
                    return;
                }
                self.update(now, id, |request, cx| request.reclaim_reply(cx, written(ttl), reply));
            }
            (CommandKind::Probe(id), Ok(Reply::Probed(probe_reply))) => {
                self.probe_reply(now, id, probe_reply);
            }
            (CommandKind::RaiseMaxLease, Ok(Reply::MaxLeaseRaised))
            | (CommandKind::Subscribe(_), Ok(Reply::Subscribed))
            | (CommandKind::Open(_) | CommandKind::NoteTokens(_), Ok(Reply::Opened)) => {}
            (CommandKind::CountReplicas, Ok(Reply::OnlineReplicas(online))) => {
                self.set_online_replicas(now, online);
            }
            (CommandKind::Wait(replicas), Ok(Reply::Acknowledged(acknowledged))) => {
                self.waited(now, id, replicas, acknowledged);
            }
            (kind, Ok(_)) => {
                self.failed(now, &kind, &CommandError::InvalidReply("mixed up".into()));
            }
            (kind, Err(error)) => self.not_done(now, &kind, error),
        }
    }

    /// The replies to what was sent before this WAIT count now.
    fn waited(&mut self, now: Timestamp, wait: CommandId, replicas: u32, acknowledged: u32) {
        let Some(confirmations) = &mut self.confirmations else { return };
        for (id, reply) in confirmations.waited(wait, replicas, acknowledged) {
            self.answered(now, id, Ok(reply), Some(acknowledged));
        }
    }

    /// The grant of this request was confirmed, or there is none.
    fn settled(&mut self, id: RequestId) {
        if let Some(confirmations) = &mut self.confirmations {
            confirmations.settled(id);
        }
    }

    /// Holds or waiters were not renewed.
    fn renewal_failed(
        &mut self,
        now: Timestamp,
        ids: impl IntoIterator<Item = RequestId>,
        error: &CommandError,
    ) {
        let mut news: Vec<_> = ids.into_iter().collect();
        news.retain(|&id| {
            self.update(now, id, |request, cx| request.renewal_failed(cx, error)) == Some(true)
        });
        if let Some(why) = error.refusal().filter(|_| !news.is_empty()) {
            self.outputs.push_back(Output::RenewalsRefused(news, why.into()));
        }
    }

    /// A command has no reply of its kind. A command of a lost connection was executed, or not, or
    /// will be.
    pub(crate) fn failed(&mut self, now: Timestamp, kind: &CommandKind, error: &CommandError) {
        match kind {
            CommandKind::Acquire(id, _) => {
                self.update(now, *id, |request, cx| request.acquire_failed(cx, error));
            }
            CommandKind::AcquireAll(ids) => {
                let left = match error {
                    CommandError::InvalidReply(_) | CommandError::ConnectionLost => {
                        OnServer::MayArriveLate
                    }
                    _ => OnServer::Nothing,
                };
                self.not_together(now, ids, left);
            }
            CommandKind::Release(id) => {
                let is_known =
                    self.update(now, *id, |request, cx| request.release_failed(cx, error));
                if is_known.is_none() {
                    self.primary.end_failed(now, *id, error);
                }
            }
            CommandKind::Renew { renewals, .. } => {
                self.renewal_failed(now, renewals.iter().map(|&(id, _)| id), error);
            }
            CommandKind::Reclaim(id, _) => {
                self.update(now, *id, |request, cx| request.reclaim_failed(cx, error));
            }
            CommandKind::Probe(id) => self.probe_failed(now, *id),
            CommandKind::Subscribe(slot) => self.subscribe_failed(now, *slot, error),
            // What was sent behind it fails for the same reason.
            CommandKind::Open(_) | CommandKind::NoteTokens(_) => {}
            CommandKind::RaiseMaxLease => self.announcement_failed(now, error),
            // Without an answer nothing can be confirmed on this connection.
            CommandKind::Wait(_) | CommandKind::CountReplicas => {
                if *error != CommandError::ConnectionLost {
                    self.outputs.push_back(Output::Reconnect);
                    self.disconnected(now, error.why());
                }
            }
        }
    }

    /// A notification from the server.
    pub fn notification(&mut self, now: Timestamp, notice: Notification) {
        self.reply_timeout.heard(now);
        match notice {
            Notification::Granted(id, _)
                if self.requests.get(&id).is_some_and(|request| request.is_wanted())
                    && self
                        .oldest_in_flight()
                        .is_some_and(|at| self.is_grant_doubtful(now, at)) =>
            {
                self.ask_primary_again(now);
            }
            Notification::Granted(id, fences) => {
                self.raise_floor(id, fences.last());
                self.update(now, id, |request, cx| request.granted_by_push(cx, fences));
            }
            // May overtake the reply that grants the lock.
            Notification::Contended(id) => {
                self.update(now, id, RequestState::contended);
            }
            Notification::ForceReleased(id, fence) => {
                self.update(now, id, |request, cx| request.force_released(cx, fence));
            }
            Notification::MaxLease(max_lease) => self.learn_max_lease(max_lease),
            Notification::FirstInQueue(id, left) => {
                self.update(now, id, |request, cx| request.first_in_queue(cx, left));
            }
            Notification::Unsubscribed(slot) => self.unsubscribed(now, slot),
        }
    }

    pub(crate) fn acquired_all(
        &mut self,
        now: Timestamp,
        sent: Timestamp,
        ids: &[RequestId],
        fences: Option<FenceRange>,
    ) {
        let Some(mut fences) = fences else {
            return self.not_together(now, ids, OnServer::Nothing);
        };
        if let Some(&first) = ids.first() {
            self.raise_floor(first, fences.last());
        }
        // What has to be confirmed is asked for one by one.
        let accepted = !self.primary.in_doubt
            && ids.iter().all(|&id| {
                self.update(now, id, |request, cx| request.accepts(cx, sent, fences)) != Some(false)
            });
        if !accepted {
            return self.not_together(now, ids, OnServer::Perhaps);
        }
        for &id in ids {
            let Some(fence) = fences.take() else { return };
            let grant = Grant { fences: FenceRange::new(fence, 1), contended: false };
            self.update(now, id, |request, cx| {
                let written = TtlWrite { sent, ttl: request.ttl };
                request.granted_by_reply(cx, written, grant);
            });
        }
    }

    /// Fails all requests of the group if one of them timed out before the reply. Returns whether
    /// the request belongs to a group.
    pub(crate) fn fail_group(&mut self, now: Timestamp, id: RequestId) -> bool {
        let group = self.in_flight.values().find_map(|sent| match &sent.kind {
            CommandKind::AcquireAll(ids) if ids.contains(&id) => Some(ids.clone()),
            _ => None,
        });
        // A request that was granted is not part of it any more: its command is done.
        if let Some(ids) = &group {
            self.not_together(now, ids, OnServer::Perhaps);
        }
        group.is_some()
    }

    /// Reports the failure unless all requests were withdrawn, and undoes what is left on the
    /// server. A withdrawn request is being undone already.
    pub(crate) fn not_together(&mut self, now: Timestamp, ids: &[RequestId], left: OnServer) {
        let mut wanted = false;
        for &id in ids {
            self.update(now, id, |request, cx| {
                if request.is_wanted() {
                    wanted = true;
                    request.on_server = left;
                    request.release(cx);
                } else {
                    request.on_server = request.on_server.max(left);
                }
            });
        }
        if wanted {
            self.outputs.push_back(Output::NotTogether(ids.to_vec()));
        }
    }
}
