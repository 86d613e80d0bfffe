//! The connection to the server: established, failed or silent, and what its server knows.
//!
//! A silent connection counts as dead some time after the last reply or push, because a busy server
//! answers late and is not dead.
//!
//! The server stores the longest lease that any process may be granted: after a data loss nothing
//! is granted for that long.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::commands::{Backlog, CommandKind};
use crate::protocol::request::{CommandError, Failure, Output};
use crate::protocol::state::{OnServer, RequestState, time_to_keep};
use crate::protocol::timing::{
    AfterFailover, LATE, RETRY, SHORTEST_PAUSE, SLOWER, TRUSTED, Timing, earliest,
};
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::{Timestamp, millis};
use crate::wire::command::Command;
use crate::wire::keyspace::{DataLossGrace, Mark, lease_step_for};

/// Why an attempt to connect failed, by what the next one can achieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectErrorKind {
    /// The server cannot be reached, or grants no locks at present. The next attempt may succeed.
    Unreachable,
    /// Retrying fails until the configuration is fixed.
    Permanent,
}

impl ConnectErrorKind {
    /// What it means for those who wait.
    pub(crate) const fn failure(self, why: String) -> Failure {
        match self {
            Self::Unreachable => Failure::Unavailable(why),
            Self::Permanent => Failure::Refused(why),
        }
    }
}

/// How soon it is the longest lease is announced again to a server that refused it.
const RETRY_REFUSED: Duration = Duration::from_secs(1);
/// How long before an outage a release may have been lost for the server that comes after it.
const LOST_RELEASES: Duration = Duration::from_secs(5);
/// How long a repeated release that is refused for the moment is sent: while a slot is being moved,
/// say. A hold of a usual ttl is over by then.
const REPEATED_FOR: Duration = Duration::from_secs(30);
/// So many of them are remembered.
const MAX_ENDED: usize = 1_024;
/// So many primaries that were left are remembered.
const MAX_LEFT: usize = 8;
/// For a longer ttl, a third of it exceeds the manager's reply timeout anyway.
const SHORT: Duration = Duration::from_secs(10);

/// Response times, and the ttls that limit them.
#[derive(Debug)]
pub(crate) struct ReplyTimeout {
    /// When the last reply or push arrived.
    heard: Timestamp,
    /// The slowest recent round trip.
    slowest: Duration,
    /// The short ttls of all requests, and how many requests have each.
    ttls: BTreeMap<Duration, usize>,
}

impl ReplyTimeout {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { heard: now, slowest: Duration::ZERO, ttls: BTreeMap::new() }
    }

    /// A request with this ttl was added.
    pub(crate) fn begin(&mut self, ttl: Duration) {
        if ttl < SHORT {
            *self.ttls.entry(ttl).or_default() += 1;
        }
    }

    /// It was removed.
    pub(crate) fn end(&mut self, ttl: Duration) {
        if ttl < SHORT
            && let Some(count) = self.ttls.get_mut(&ttl)
        {
            *count -= 1;
            if *count == 0 {
                self.ttls.remove(&ttl);
            }
        }
    }

    /// A reply or push arrived.
    pub(crate) fn heard(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
    }

    /// A reply arrived to a command sent at `sent`.
    pub(crate) fn settled(&mut self, now: Timestamp, sent: Timestamp) {
        self.heard(now);
        self.slowest = now.since(sent).max(self.slowest / 16 * 15);
    }

    /// Whether a reply to a command of then comes late, also for a slow network.
    fn is_late(&self, now: Timestamp, sent: Timestamp) -> bool {
        now.since(sent) > LATE.max(self.slowest * SLOWER)
    }

    /// The shortest ttl, if it is short.
    pub(crate) fn shortest_ttl(&self) -> Option<Duration> {
        self.ttls.first_key_value().map(|(&ttl, _)| ttl)
    }

    /// How long the connection may be silent.
    pub(crate) fn limit(&self, timing: &Timing) -> Duration {
        timing.reply_timeout(self.shortest_ttl(), self.slowest)
    }
}

#[derive(Debug)]
pub(super) struct EndedRequest {
    pub(super) at: Timestamp,
    pub(super) key: Arc<str>,
    pub(super) id: RequestId,
    /// Until when its key stays taken.
    pub(super) keep_until: Option<Timestamp>,
    /// What the servers before may have of it.
    pub(super) on_server: OnServer,
    /// The server that serves its slot by now may not have heard of its end.
    pub(super) missed: bool,
}

/// Which server is the primary, and what it may not know after a failover.
#[derive(Debug)]
pub(crate) struct Primary {
    pub(crate) mark: Mark,
    /// Those before it, the latest last.
    left: VecDeque<Mark>,
    /// The latest requests that have ended on it.
    ended: VecDeque<EndedRequest>,
    /// When the ends of those that were repeated were first, until it confirms them.
    repeated: BTreeMap<RequestId, Timestamp>,
    /// When to repeat the ends that it may have missed, if before the next connection.
    repeat_at: Option<Timestamp>,
    /// It is another one than before.
    changed: bool,
    /// It has replicas, one of which may become the primary.
    replicated: bool,
    /// When it was connected to.
    pub(super) since: Timestamp,
    /// Nobody confirms that it is the primary.
    pub(crate) in_doubt: bool,
}

impl Primary {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            mark: Mark::default(),
            left: VecDeque::new(),
            ended: VecDeque::new(),
            repeated: BTreeMap::new(),
            repeat_at: None,
            changed: false,
            replicated: false,
            since: now,
            in_doubt: false,
        }
    }

    /// Another server may have missed the ends of shortly before this instant.
    fn miss_ended(&mut self, down_since: Timestamp) {
        self.ended.retain_mut(|ended| {
            self.repeated.remove(&ended.id);
            let is_recent = ended.missed || ended.at.plus(LOST_RELEASES) >= down_since;
            ended.missed = true;
            is_recent
        });
    }

    /// Removes those of slots that another server serves by now. `down_since`: of the connection.
    pub(super) fn take_ended(
        &mut self,
        down_since: Option<Timestamp>,
        leaves: impl Fn(&str) -> bool,
    ) -> Vec<EndedRequest> {
        let all = std::mem::take(&mut self.ended);
        let (leaving, staying): (VecDeque<_>, _) =
            all.into_iter().partition(|ended| leaves(&ended.key));
        self.ended = leaving;
        // What is under way is not answered any more, or with a refusal.
        for ended in &mut self.ended {
            ended.missed |= self.repeated.remove(&ended.id).is_some();
        }
        if let Some(down_since) = down_since {
            self.miss_ended(down_since);
        }
        std::mem::replace(&mut self.ended, staying).into()
    }

    /// A command that was to end it again has been executed.
    pub(super) fn end_confirmed(&mut self, id: RequestId) {
        self.repeated.remove(&id);
    }

    /// A command that was to end it again has failed. It is sent once more: on the next connection,
    /// or here after a pause, as the slot may be on its way to another node.
    pub(super) fn end_failed(&mut self, now: Timestamp, id: RequestId, error: &CommandError) {
        let first = self.repeated.get(&id).copied();
        let first = first.filter(|&first| !error.is_for_long() && now.since(first) < REPEATED_FOR);
        for ended in self.ended.iter_mut().filter(|ended| ended.id == id) {
            ended.missed = first.is_some() || ended.on_server == OnServer::MayArriveLate;
        }
        match first {
            None => self.end_confirmed(id),
            Some(_) if *error == CommandError::ConnectionLost => {}
            Some(first) => {
                let at = Timing::retry_at(now, first, SHORTEST_PAUSE);
                self.repeat_at = earliest([self.repeat_at, Some(at)]);
            }
        }
    }

    pub(super) fn note_ended(&mut self, ended: EndedRequest) {
        self.ended.push_back(ended);
        if self.ended.len() > MAX_ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.repeated.remove(&oldest.id);
        }
    }
}

/// The longest lease known to a process, in all nodes of a cluster. One of the steps.
#[derive(Clone, Debug, Default)]
pub struct LongestLease(Arc<AtomicU64>);

impl LongestLease {
    fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn raise(&self, lease: Duration) {
        self.0.fetch_max(millis(lease), Ordering::Relaxed);
    }
}

/// What is known of the longest lease that any process may be granted.
#[derive(Debug)]
pub(crate) struct MaxLease {
    /// Including those of this process.
    known: LongestLease,
    /// As last announced.
    announced: Duration,
    /// When to announce it again after a failure.
    retry_at: Option<Timestamp>,
}

impl MaxLease {
    pub(crate) fn new(own: Duration) -> Self {
        let known = LongestLease::default();
        known.raise(lease_step_for(own));
        Self { known, announced: Duration::ZERO, retry_at: None }
    }

    /// The same beside other nodes of a cluster.
    pub(super) fn among(self, all: LongestLease) -> Self {
        all.raise(self.known.get());
        Self { known: all, ..self }
    }
}

impl Protocol {
    /// The next connection is to the server with this mark.
    pub fn set_mark(&mut self, mark: Mark) {
        let before = std::mem::replace(&mut self.primary.mark, mark);
        self.primary.changed = mark != before;
        if self.primary.changed && before != Mark::default() {
            self.primary.left.push_back(before);
            if self.primary.left.len() > MAX_LEFT {
                self.primary.left.pop_front();
            }
        }
    }

    /// The primaries that this process was connected to before the latest one. None of them is to
    /// be used again: it would take the tokens that this process has seen since for a loss of its
    /// data, and go on above them, while the later primary issues tokens from there.
    #[must_use]
    pub fn left_primaries(&self) -> Vec<Mark> {
        self.primary.left.iter().copied().collect()
    }

    /// So many replicas of that server are online.
    pub fn set_online_replicas(&mut self, now: Timestamp, online: u32) {
        self.primary.replicated = online > 0;
        if let Some(confirmations) = &mut self.confirmations {
            confirmations.counted(now, online);
        }
    }

    /// Whether nobody confirms that the server is the primary. It is then asked twice for each
    /// grant: one that has been replaced will hear of it. Returns whether that has changed.
    pub fn set_in_doubt(&mut self, in_doubt: bool) -> bool {
        std::mem::replace(&mut self.primary.in_doubt, in_doubt) != in_doubt
    }

    /// Whether a grant has to be asked for again where the address leads by now: the server has
    /// been silent since this command was sent, and may have been replaced meanwhile. One that was
    /// stopped and goes on executes first what lies in its sockets. Where replicas confirm grants,
    /// one that was replaced has none.
    pub(crate) fn is_grant_doubtful(&self, now: Timestamp, sent: Timestamp) -> bool {
        self.primary.replicated
            && self.confirmations.is_none()
            && sent.since(self.primary.since) > TRUSTED
            && self.reply_timeout.is_late(now, sent)
    }

    /// Connects again, and asks there for all that was not answered.
    pub(crate) fn ask_primary_again(&mut self, now: Timestamp) {
        self.outputs.push_back(Output::Reconnect);
        self.disconnected(now, "a late grant is asked for again".to_owned());
    }

    /// Ends again what has ended shortly before the connection was lost. A server that has just
    /// become the primary, or has restarted, may not have heard of it, and would keep a lock that
    /// nobody has.
    fn repeat_releases(&mut self, now: Timestamp, down_since: Timestamp) {
        if std::mem::take(&mut self.primary.changed) {
            self.primary.miss_ended(down_since);
            self.note_granted_tokens(now);
        }
        self.repeat_missed(now);
    }

    pub(super) fn repeat_missed(&mut self, now: Timestamp) {
        self.primary.repeat_at = None;
        let mut recent = std::mem::take(&mut self.primary.ended);
        for EndedRequest { at, key, id, keep_until, on_server, missed } in &mut recent {
            if !std::mem::take(missed) {
                continue;
            }
            self.primary.repeated.entry(*id).or_insert(now);
            let slot = self.slot_of(key);
            if let Some(slot) = slot {
                self.note_tokens(now, slot);
            }
            let request = self.request_ref(Arc::clone(key), *id, slot);
            let keep = time_to_keep(*keep_until, now, &self.timing);
            let (fence, tombstone) = (Fence::ZERO, on_server.tombstone());
            let cancel = Command::Cancel { request, fence, tombstone, keep };
            self.send(now, CommandKind::Release(*id), cancel);
            // The next failover may lose this too.
            *at = now;
        }
        self.primary.ended = recent;
    }

    /// When to repeat ends; never without a connection, as the next one does it.
    pub(crate) fn next_repeat(&self) -> Option<Timestamp> {
        self.primary.repeat_at.filter(|_| self.server.down_since.is_none())
    }

    pub(crate) fn repeat_due(&mut self, now: Timestamp) {
        if self.next_repeat().is_some_and(|at| at <= now) {
            self.repeat_missed(now);
        }
    }

    /// A connection is established and its inbox subscribed. `max_lease`: the longest lease that
    /// its server knows of.
    pub fn connected(&mut self, now: Timestamp, max_lease: Duration) {
        let down_since = self.server.down_since.take().unwrap_or(now);
        self.server.attempt_failed = false;
        self.primary.since = now;
        self.reply_timeout.heard(now);
        self.max_lease_of_server(now, max_lease);
        self.repeat_releases(now, down_since);
        self.resume(now, self.ids());
    }

    /// These requests continue on this connection.
    pub(super) fn resume(&mut self, now: Timestamp, ids: Vec<RequestId>) {
        let with_age = |id| self.requests.get(&id).map(|request| (request.since, id));
        let mut order: Vec<_> = ids.into_iter().filter_map(with_age).collect();
        order.sort_unstable();
        // Only holds: waiters acquire again, after all holds are renewed.
        let is_held = |id: &RequestId| self.requests[id].is_held();
        let held: Vec<_> = order.iter().map(|&(_, id)| id).filter(is_held).collect();
        for id in held {
            self.update(now, id, RequestState::renew_on_new_connection);
        }
        self.renew_due(now);
        for (_, id) in order {
            self.open_for_waiter(now, id);
            self.update(now, id, |request, cx| request.resume(cx));
        }
    }

    /// The connection is gone. Commands in flight may or may not have been executed.
    pub fn disconnected(&mut self, now: Timestamp, because: String) {
        if self.server.down_since.is_some() {
            return;
        }
        self.server.down_since = Some(now);
        self.server.why = Failure::Unavailable(because);
        self.backlog = Backlog::default();
        self.refreshes_in_flight = 0;
        if let Some(confirmations) = &mut self.confirmations {
            confirmations.disconnected();
        }
        for (_, sent) in std::mem::take(&mut self.in_flight) {
            self.failed(now, &sent.kind, &CommandError::ConnectionLost);
        }
        for id in self.ids() {
            self.update(now, id, |request, _| request.in_backlog = false);
        }
        self.node_disconnected(now);
    }

    /// An attempt to connect failed. Requests that try once, or whose outage timeout is zero, fail
    /// now. All requests do if the error is permanent.
    pub fn connect_failed(&mut self, now: Timestamp, because: String, kind: ConnectErrorKind) {
        let failure = kind.failure(because);
        let for_good = kind == ConnectErrorKind::Permanent;
        for id in self.ids() {
            self.update(now, id, |request, cx| request.connect_failed(cx, &failure, for_good));
        }
        self.server.why = failure;
        self.server.attempt_failed = true;
        self.refresh_topology();
    }

    /// When the oldest command was sent that is not answered.
    pub(crate) fn oldest_in_flight(&self) -> Option<Timestamp> {
        self.in_flight.values().next().map(|sent| sent.at)
    }

    /// When the connection counts as dead unless something arrives before.
    pub(crate) fn reply_due_at(&self) -> Option<Timestamp> {
        let oldest = self.oldest_in_flight()?;
        let limit = self.reply_timeout.limit(&self.timing);
        let delay = self.confirmations.as_ref().map_or(Duration::ZERO, |waits| waits.delay());
        Some(oldest.max(self.reply_timeout.heard).plus(limit + delay))
    }

    /// What to do after a data loss. When the longest lease is over no hold from before is valid,
    /// neither one with a ttl of its own nor a grant that is still in flight.
    #[must_use]
    pub fn data_loss_grace(&self) -> DataLossGrace {
        DataLossGrace { max_lease: self.max_lease.known.get(), waits: self.timing.data_loss_grace }
    }

    /// How long a failover is waited out at least.
    #[must_use]
    pub fn failover_grace(&self) -> Duration {
        match self.timing.after_failover {
            AfterFailover::AtOnce => Duration::ZERO,
            AfterFailover::Grace(grace) => grace,
            AfterFailover::WholeTtl => self.max_lease.known.get(),
        }
    }

    /// Call before a command that writes this ttl: a longer lease than all before is announced
    /// first.
    pub(crate) fn ensure_max_lease(&mut self, now: Timestamp, lease: Duration) {
        if lease > self.max_lease.known.get() {
            self.max_lease.known.raise(lease_step_for(lease));
            self.announce_max_lease(now);
        } else if self.node.is_some() && self.max_lease.retry_at.is_none() {
            // Another node may have been the first to be told.
            self.announce_max_lease(now);
        }
    }

    /// Another process or the server reported leases of this length.
    pub(crate) fn learn_max_lease(&mut self, max_lease: Duration) {
        self.max_lease.known.raise(max_lease);
        // A notification reaches all processes but tells only one of the nodes of a cluster.
        if self.node.is_none() {
            self.max_lease.announced = self.max_lease.announced.max(max_lease);
        }
    }

    /// A new connection: its server knows of leases of this length.
    pub(crate) fn max_lease_of_server(&mut self, now: Timestamp, max_lease: Duration) {
        self.learn_max_lease(max_lease);
        self.max_lease.announced = max_lease;
        self.announce_max_lease(now);
    }

    /// Announces the bound to the server and all processes, before anything else is sent.
    fn announce_max_lease(&mut self, now: Timestamp) {
        let (known, announced) = (self.max_lease.known.get(), self.max_lease.announced);
        if known > announced && self.server.down_since.is_none() {
            self.max_lease.announced = known;
            self.send(now, CommandKind::RaiseMaxLease, Command::RaiseMaxLease(known));
        }
    }

    /// The announcement failed.
    pub(crate) fn announcement_failed(&mut self, now: Timestamp, error: &CommandError) {
        let pause = if matches!(error, CommandError::TryAgain(_)) { RETRY } else { RETRY_REFUSED };
        self.max_lease.announced = Duration::ZERO;
        self.max_lease.retry_at = Some(now.plus(pause));
    }

    pub(crate) fn announcement_due(&mut self, now: Timestamp) {
        if self.next_announcement().is_some_and(|at| at <= now) {
            self.max_lease.retry_at = None;
            self.announce_max_lease(now);
        }
    }

    /// When to announce again; never without a connection, as the next one does it.
    pub(crate) fn next_announcement(&self) -> Option<Timestamp> {
        self.max_lease.retry_at.filter(|_| self.server.down_since.is_none())
    }
}
