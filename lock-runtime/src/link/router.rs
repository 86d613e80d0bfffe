//! Routes between the callers of one link and the protocol.
//!
//! No I/O, no locks and no clock: what callers ask, replies and notifications come in with the
//! time. Commands collect in a batch, and everything that touches a caller collects as an
//! [`Effect`], because it locks a queue, wakes a waker or runs code of users. The link lets go of
//! its mutex before it carries effects out.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::Incoming;
use crate::link::effect::{
    AnswerElsewhere, Effect, KeyQuestion, LookAnswer, NotAnswered, ReplyTo, ScanAnswer,
    StatusChanges, WaitRegistration,
};
use crate::link::observe;
use crate::local::key_queue::KeyQueue;
use crate::protocol::Protocol;
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::listing::ScanCursor;
use crate::protocol::node::MovedRequests;
use crate::protocol::request::{
    CommandError, CommandId, Failure, Loss, Output, ReleaseOutcome, RequestParams,
};
use crate::protocol::timing::TOMBSTONE;
use crate::types::owner_info::OwnerInfo;
use crate::types::pause::PauseReason;
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::time::Timestamp;
use crate::user_code::metrics::LinkMetrics;
use crate::wire::command::{Command, Probe};
use crate::wire::keyspace::{Keyspace, MAX_LISTED_WAITERS, Mark};
use crate::wire::reply::{AcquireReply, BlockedBy, BlockedRequest, BusyReply, Grant, Page, Reply};
use crate::wire::slot::Slot;

/// A topic is logged at most this often.
const QUIET: Duration = Duration::from_secs(10);
/// Topics logged in that time.
const MAX_LOG_TOPICS: usize = 1_000;

/// Ends of a pause that differ by less are estimates of one.
const SAME_PAUSE: Duration = Duration::from_millis(100);

/// Topics of rate-limited log lines.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum LogTopic {
    Connection,
    DataLoss,
    Failover,
    SlowWait(Arc<str>),
    LongSection(Arc<str>),
}

/// What a timer wakes.
pub(crate) enum TimerTarget {
    Caller(oneshot::Sender<()>),
    Queue(Weak<KeyQueue>),
}

/// A renewal that a caller waits for.
struct Extension {
    id: RequestId,
    ttl: Duration,
    /// The lease has to be valid until then.
    end: Timestamp,
    sender: oneshot::Sender<Timestamp>,
}

type WatchedWait = (Arc<WaitRegistration>, oneshot::Sender<Vec<BlockedRequest>>);

/// What moves to the link of another node.
pub(crate) struct MovedAlong {
    requests: MovedRequests,
    queues: Vec<(RequestId, Arc<KeyQueue>)>,
    confirmations: Vec<(RequestId, oneshot::Sender<ReleaseOutcome>)>,
    extensions: Vec<Extension>,
    questions: Vec<(Arc<str>, KeyQuestion)>,
}

pub(crate) struct Router {
    protocol: Protocol,
    /// Who is notified about a request and its lease.
    queues: RequestMap<Arc<KeyQueue>>,
    wait_registrations: RequestMap<WatchedWait>,
    confirmations: RequestMap<oneshot::Sender<ReleaseOutcome>>,
    extensions: Vec<Extension>,
    questions: Vec<(Arc<str>, KeyQuestion)>,
    scans: Vec<(Keyspace, ScanCursor, oneshot::Sender<ScanAnswer>)>,
    /// When the connection was made.
    connected_at: Timestamp,
    /// The server grants nothing to anybody before that, as far as is known.
    pause: Option<(Timestamp, PauseReason)>,
    /// Is notified when the state of the connection or the pause changes.
    changes: StatusChanges,
    metrics: LinkMetrics,
    /// Whether metrics count it as down; `None` while they do not count it.
    is_down: Option<bool>,
    timers: BTreeMap<(Timestamp, u64), TimerTarget>,
    /// How many timers were set.
    timer_count: u64,
    /// These topics are not logged before.
    log_quiet_until: HashMap<LogTopic, Timestamp>,
    /// Set by a shutdown. To be notified when it is complete.
    shutdown_waiters: Option<Vec<oneshot::Sender<()>>>,
    batch: Vec<(ReplyTo, Command)>,
    effects: Vec<Effect>,
    needs_reconnect: bool,
}

// What callers ask.
impl Router {
    pub(crate) fn new(protocol: Protocol, changes: StatusChanges, metrics: LinkMetrics) -> Self {
        Self {
            protocol,
            changes,
            metrics,
            is_down: None,
            pause: None,
            queues: RequestMap::default(),
            wait_registrations: RequestMap::default(),
            confirmations: RequestMap::default(),
            extensions: Vec::new(),
            questions: Vec::new(),
            scans: Vec::new(),
            connected_at: Timestamp::ZERO,
            timers: BTreeMap::new(),
            timer_count: 0,
            log_quiet_until: HashMap::new(),
            shutdown_waiters: None,
            batch: Vec::new(),
            effects: Vec::new(),
            needs_reconnect: false,
        }
    }

    pub(crate) const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// A request for the first waiter of a queue. May replace a cancelled request.
    pub(crate) fn acquire(
        &mut self,
        now: Timestamp,
        params: RequestParams,
        replaces: Option<RequestId>,
        queue: Arc<KeyQueue>,
    ) {
        if self.shutdown_waiters.is_some() {
            return self.after(move || queue.close(Loss::Shutdown));
        }
        self.queues.insert(params.id, queue);
        match replaces {
            Some(old) => {
                self.forget(old);
                self.protocol.replace(now, old, params);
            }
            None => self.protocol.acquire(now, params),
        }
    }

    /// Requests of different keys, to be granted together or not at all.
    pub(crate) fn acquire_all(
        &mut self,
        now: Timestamp,
        requests: Vec<(RequestParams, Arc<KeyQueue>)>,
    ) {
        if self.shutdown_waiters.is_some() {
            return self.after(move || {
                for (_, queue) in requests {
                    queue.close(Loss::Shutdown);
                }
            });
        }
        let queues = requests.iter().map(|(request, queue)| (request.id, Arc::clone(queue)));
        self.queues.extend(queues);
        let requests = requests.into_iter().map(|(request, _)| request);
        self.protocol.acquire_all(now, requests.collect());
    }

    /// Releases a lease, or cancels a request.
    pub(crate) fn release(&mut self, now: Timestamp, id: RequestId) {
        self.forget(id);
        self.protocol.release(now, id);
    }

    pub(crate) fn release_and_confirm(
        &mut self,
        now: Timestamp,
        id: RequestId,
        sender: oneshot::Sender<ReleaseOutcome>,
    ) {
        self.confirmations.insert(id, sender);
        self.release(now, id);
    }

    pub(crate) fn keep_until(&mut self, now: Timestamp, id: RequestId, until: Timestamp) {
        self.protocol.keep_until(now, id, until);
    }

    pub(crate) fn reset_max_hold(&mut self, id: RequestId, at: Timestamp) {
        self.protocol.record_handoff(at, id);
    }

    pub(crate) fn ensure_ttl(&mut self, now: Timestamp, id: RequestId, ttl: Duration) {
        self.protocol.raise_ttl(now, id, ttl);
    }

    /// Renews now, with at least this ttl, and sends the new deadline once it is confirmed.
    pub(crate) fn renew_now(
        &mut self,
        now: Timestamp,
        id: RequestId,
        ttl: Duration,
        sender: oneshot::Sender<Timestamp>,
    ) {
        self.extend(now, Extension { id, ttl, end: now, sender });
    }

    /// Watches a wait for a deadlock.
    pub(crate) fn register_wait(
        &mut self,
        now: Timestamp,
        wait: WaitRegistration,
        sender: oneshot::Sender<Vec<BlockedRequest>>,
    ) {
        self.protocol.start_probing(now, wait.id);
        self.wait_registrations.insert(wait.id, (Arc::new(wait), sender));
    }

    pub(crate) fn unregister_wait(&mut self, id: RequestId) {
        let wait = self.wait_registrations.remove(&id);
        self.after(move || drop(wait));
        self.protocol.stop_probing(id);
    }

    /// The answer to [`Effect::PutBack`].
    pub(crate) fn put_back(&mut self, now: Timestamp, id: RequestId, owner: Option<OwnerInfo>) {
        self.protocol.put_back(now, id, owner);
    }

    /// The answer to [`Effect::Probe`].
    pub(crate) fn send_probe(&mut self, now: Timestamp, probe: Probe) {
        if self.wait_registrations.contains_key(&probe.id) {
            self.protocol.send_probe(now, probe);
        } else {
            self.protocol.stop_probing(probe.id);
        }
    }

    pub(crate) fn question(&mut self, key: Arc<str>, question: KeyQuestion) {
        match self.protocol.unreachable().cloned() {
            Some(failure) => self.cannot_answer(question, NotAnswered::Failed(failure)),
            None => self.questions.push((key, question)),
        }
    }

    /// Walks on over the locks of the server.
    pub(crate) fn scan(
        &mut self,
        space: Keyspace,
        cursor: ScanCursor,
        sender: oneshot::Sender<ScanAnswer>,
    ) {
        match self.protocol.unreachable().cloned() {
            Some(failure) => self.answer(sender, Err(failure)),
            None => self.scans.push((space, cursor, sender)),
        }
    }

    /// Returns the number of the timer, which distinguishes timers of one instant.
    pub(crate) fn set_timer(&mut self, at: Timestamp, target: TimerTarget) -> u64 {
        self.timer_count += 1;
        self.timers.insert((at, self.timer_count), target);
        self.timer_count
    }

    pub(crate) fn cancel_timer(&mut self, at: Timestamp, number: u64) {
        match self.timers.remove(&(at, number)) {
            // Its destructor may wake the caller.
            Some(TimerTarget::Caller(sender)) => self.after(move || drop(sender)),
            Some(TimerTarget::Queue(_)) | None => {}
        }
    }

    /// Why the server has not granted a request.
    pub(crate) fn blocked_by(&self, id: RequestId) -> Failure {
        self.protocol.blocked_by(id)
    }

    pub(crate) fn check_claimed_at(&mut self, now: Timestamp, id: RequestId, at: Timestamp) {
        self.protocol.check_claimed_at(now, id, Some(at));
    }

    /// The queues that have a request or lease.
    pub(crate) fn queues(&self) -> Vec<Arc<KeyQueue>> {
        self.queues.values().cloned().collect()
    }

    /// Releases all leases and cancels all requests.
    pub(crate) fn shutdown(&mut self, now: Timestamp, done: Option<oneshot::Sender<()>>) {
        self.shutdown_waiters.get_or_insert_default().extend(done);
        self.lose_all(&Loss::Shutdown);
        self.protocol.release_all(now);
    }

    /// Whether a shutdown is complete.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shutdown_waiters.is_some() && self.protocol.is_idle()
    }

    /// Answers the callers that wait for the shutdown.
    pub(crate) fn confirm_shutdown(&mut self) {
        for done in self.shutdown_waiters.take().into_iter().flatten() {
            self.answer(done, ());
        }
    }

    /// Answers of the link will not come any more: the senders are dropped.
    pub(crate) fn let_callers_go(&mut self) {
        let senders = (
            mem::take(&mut self.confirmations),
            mem::take(&mut self.extensions),
            mem::take(&mut self.questions),
            mem::take(&mut self.scans),
            mem::take(&mut self.timers),
            mem::take(&mut self.wait_registrations),
            mem::take(&mut self.shutdown_waiters),
            mem::take(&mut self.batch),
        );
        self.after(move || drop(senders));
    }

    /// Ends all waits and reports all leases as lost.
    pub(crate) fn lose_all(&mut self, loss: &Loss) {
        for (_, queue) in mem::take(&mut self.queues) {
            let loss = loss.clone();
            self.after(move || queue.close(loss));
        }
        let extensions = mem::take(&mut self.extensions);
        let waits = mem::take(&mut self.wait_registrations);
        self.after(move || drop((extensions, waits)));
    }
}

// The connection.
impl Router {
    pub(crate) fn connected(&mut self, now: Timestamp, max_lease: Duration, mark: Mark) {
        let was_connected = self.connected_at != Timestamp::ZERO;
        self.connected_at = now;
        let outage = self.protocol.outage().map_or(now, |(since, _)| since);
        if self.is_down.is_some_and(|is_down| is_down) {
            self.is_down = Some(false);
            let outage = now.since(outage);
            self.record(move |metrics| metrics.connected(outage, was_connected));
        }
        self.protocol.set_mark(mark);
        self.protocol.connected(now, max_lease);
        self.status_changed();
        if self.protocol.is_node() {
            self.effects.push(Effect::NodeConnected);
        }
    }

    /// So many replicas of the server are online.
    pub(crate) fn online_replicas(&mut self, now: Timestamp, online: u32) {
        self.protocol.set_online_replicas(now, online);
    }

    /// The node of a cluster has this slot.
    pub(crate) fn set_first_slot(&mut self, slot: Option<Slot>) {
        self.protocol.set_first_slot(slot);
    }

    /// Whether nobody confirms that the server is the primary. Returns whether that is news.
    pub(crate) fn set_in_doubt(&mut self, in_doubt: bool) -> bool {
        self.protocol.set_in_doubt(in_doubt)
    }

    pub(crate) fn connect_failed(&mut self, now: Timestamp, why: &str, kind: ConnectErrorKind) {
        let failure = || kind.failure(why.to_owned());
        for (_, question) in mem::take(&mut self.questions) {
            self.cannot_answer(question, NotAnswered::Failed(failure()));
        }
        for (.., sender) in mem::take(&mut self.scans) {
            self.answer(sender, Err(failure()));
        }
        self.look_again();
        self.protocol.connect_failed(now, why.to_owned(), kind);
    }

    /// The connection is gone, with these commands unanswered, and those to be sent.
    pub(crate) fn disconnected(
        &mut self,
        now: Timestamp,
        because: String,
        unanswered: Vec<ReplyTo>,
    ) {
        let unsent = mem::take(&mut self.batch).into_iter().map(|(to, _)| to);
        for to in unsent.chain(unanswered) {
            // The protocol retries by itself. A question would look like a shutdown.
            match to {
                ReplyTo::KeyQuestion(question) => {
                    self.answer_question(question, Err(CommandError::ConnectionLost));
                }
                ReplyTo::Scan(sender) => {
                    self.answer(sender, Err(CommandError::ConnectionLost.failure()));
                }
                ReplyTo::Look(sender) => self.answer(sender, Err(CommandError::ConnectionLost)),
                ReplyTo::Elsewhere(answer) => {
                    let lost = CommandError::TryAgain(because.clone());
                    self.after(move || answer(Err(lost)));
                }
                ReplyTo::Protocol(_) => {}
            }
        }
        self.look_again();
        self.protocol.disconnected(now, because);
        self.status_changed();
        if self.is_down == Some(false) {
            self.is_down = Some(true);
            self.record(LinkMetrics::disconnected);
        }
    }

    pub(crate) fn incoming(&mut self, now: Timestamp, incoming: Incoming<ReplyTo>) {
        match incoming {
            Incoming::Notification(notification) => self.protocol.notification(now, notification),
            Incoming::Reply(ReplyTo::Protocol(id), reply) => {
                if let Ok(Reply::Acquire(AcquireReply::Busy(busy))) = &reply {
                    let reason = match busy.blocked_by {
                        BlockedBy::DataLoss => Some(PauseReason::DataLoss),
                        BlockedBy::Failover => Some(PauseReason::Failover),
                        BlockedBy::Holder(_) | BlockedBy::KeyConflict => None,
                    };
                    if let Some(reason) = reason {
                        self.paused(now, reason, busy.left);
                    }
                }
                self.protocol.reply(now, id, reply);
            }
            Incoming::Reply(ReplyTo::KeyQuestion(question), reply) => {
                self.note_redirect(&reply);
                self.answer_question(question, reply);
            }
            Incoming::Reply(ReplyTo::Scan(sender), reply) => {
                let page = match reply {
                    Ok(Reply::Page(Page { next, keys })) => {
                        Ok((keys, ScanCursor::new(self.connected_at, next)))
                    }
                    Ok(_) => Err(mixed_up()),
                    Err(error) => Err(error.failure()),
                };
                self.answer(sender, page);
            }
            Incoming::Reply(ReplyTo::Look(sender), reply) => {
                self.note_redirect(&reply);
                self.answer(sender, reply);
            }
            Incoming::Reply(ReplyTo::Elsewhere(answer), reply) => {
                self.after(move || answer(reply));
            }
        }
    }

    /// Sends a command of deadlock detection.
    pub(crate) fn look(&mut self, command: Command, sender: oneshot::Sender<LookAnswer>) {
        self.batch.push((ReplyTo::Look(sender), command));
    }

    /// The fleet follows what the node has said of another one.
    fn note_redirect(&mut self, reply: &Result<Reply, CommandError>) {
        if let Err(CommandError::Moved(redirect)) = reply {
            self.effects.push(Effect::Redirected(redirect.clone()));
        }
    }

    /// Has the fleet find out which nodes have which slots, if this is a node of a cluster.
    fn look_again(&mut self) {
        if self.protocol.is_node() {
            self.effects.push(Effect::LookAgain);
        }
    }

    /// Sends a command of another link, whose slot is being moved to this node.
    pub(crate) fn send_asking(&mut self, command: Command, answer: AnswerElsewhere) {
        let command = Command::Asking(Box::new(command));
        self.batch.push((ReplyTo::Elsewhere(answer), command));
    }

    /// Another node has answered a command of this link.
    pub(crate) fn answered_elsewhere(
        &mut self,
        now: Timestamp,
        id: CommandId,
        reply: Result<Reply, CommandError>,
    ) {
        self.protocol.asked_reply(now, id, reply);
    }

    /// Takes out all that belongs to slots that leave this node.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        space: &Keyspace,
        leaves: &dyn Fn(Slot) -> bool,
    ) -> MovedAlong {
        let requests = self.protocol.take(now, leaves);
        // Outputs about requests that leave are for the queues that leave with them.
        self.drain_outputs(now);
        let (mut queues, mut confirmations) = (Vec::new(), Vec::new());
        for id in requests.ids() {
            queues.extend(self.queues.remove(&id).map(|queue| (id, queue)));
            confirmations.extend(self.confirmations.remove(&id).map(|sender| (id, sender)));
        }
        let is_moved = |id| requests.ids().any(|moved| moved == id);
        let extensions = self.extensions.extract_if(.., |one| is_moved(one.id)).collect();
        let questions = self.questions.extract_if(.., |(key, _)| leaves(space.slot(key))).collect();
        // Which nodes there are is looked up again.
        for (_, cursor, sender) in mem::take(&mut self.scans) {
            self.answer(sender, Ok((Vec::new(), Some(cursor))));
        }
        MovedAlong { requests, queues, confirmations, extensions, questions }
    }

    /// Adds what has moved to this node.
    pub(crate) fn adopt(&mut self, now: Timestamp, moved: MovedAlong) {
        let MovedAlong { requests, queues, confirmations, extensions, questions } = moved;
        self.queues.extend(queues);
        self.confirmations.extend(confirmations);
        self.extensions.extend(extensions);
        self.questions.extend(questions);
        self.protocol.adopt(now, requests);
    }

    /// The server grants nothing to anybody.
    pub(crate) fn paused(&mut self, now: Timestamp, reason: PauseReason, left: Option<Duration>) {
        let (topic, event): (_, fn(_)) = match reason {
            PauseReason::DataLoss => (LogTopic::DataLoss, observe::data_lost),
            PauseReason::Failover => (LogTopic::Failover, observe::failed_over),
        };
        if self.should_log(now, topic) {
            self.after(move || event(left));
        }
        let Some(until) = left.map(|left| now.plus(left)) else { return };
        let is_known = self.pause.is_some_and(|(end, known)| {
            known == reason && until.since(end).max(end.since(until)) < SAME_PAUSE
        });
        if !is_known {
            self.pause = Some((until, reason));
            self.status_changed();
            self.record(move |metrics| metrics.paused(until.since(now)));
        }
    }

    /// The pause is over, if there was one.
    fn resumed(&mut self) {
        if self.pause.take().is_some() {
            self.status_changed();
        }
    }

    /// Until when the server grants nothing to anybody, as far as is known, and why.
    pub(crate) fn pause(&self) -> Option<(Timestamp, PauseReason)> {
        self.pause
    }

    /// Starts to count the connection in metrics.
    pub(crate) fn opened(&mut self) {
        let is_down = self.protocol.outage().is_some();
        self.is_down = Some(is_down);
        self.record(move |metrics| metrics.opened(is_down));
    }

    /// No connection is made any more.
    pub(crate) fn closed(&mut self) {
        if self.is_down.take() == Some(true) {
            self.record(LinkMetrics::closed);
        }
        self.status_changed();
    }

    fn record(&mut self, record: impl FnOnce(&LinkMetrics) + Send + 'static) {
        let metrics = self.metrics.clone();
        self.after(move || record(&metrics));
    }

    /// Wakes those who watch the status.
    pub(crate) fn status_changed(&mut self) {
        let changes = self.changes.clone();
        self.after(move || changes.send_replace(()));
    }

    /// When [`Self::tick`] is needed.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let timer = self.timers.first_key_value().map(|(&(at, _), _)| at);
        let resumes_at = self.pause.map(|(until, _)| until);
        [self.protocol.next_tick(), timer, resumes_at].into_iter().flatten().min()
    }

    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.protocol.tick(now);
        if self.pause.is_some_and(|(until, _)| until <= now) {
            self.resumed();
        }
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= now
        {
            match entry.remove() {
                TimerTarget::Caller(sender) => self.answer(sender, ()),
                TimerTarget::Queue(queue) => self.effects.push(Effect::Tick(queue)),
            }
        }
    }

    /// Whether to log this topic now: at most once every [`QUIET`].
    pub(crate) fn should_log(&mut self, now: Timestamp, of: LogTopic) -> bool {
        if self.log_quiet_until.len() >= MAX_LOG_TOPICS {
            self.log_quiet_until.retain(|_, until| *until > now);
        }
        let is_quiet = self.log_quiet_until.get(&of).is_some_and(|&until| until > now);
        if is_quiet || self.log_quiet_until.len() >= MAX_LOG_TOPICS {
            return false;
        }
        self.log_quiet_until.insert(of, now.plus(QUIET));
        true
    }
}

// What comes out.
impl Router {
    /// Carries out the protocol's outputs, as commands in the batch and as effects.
    pub(crate) fn drain_outputs(&mut self, now: Timestamp) {
        while let Some(output) = self.protocol.poll_output() {
            self.output(now, output);
        }
    }

    /// Whether a flush has something to ask the replicas.
    pub(crate) fn has_unconfirmed(&self) -> bool {
        self.protocol.has_unconfirmed()
    }

    /// Asks the replicas about everything that was sent before. Call it ahead of a flush.
    pub(crate) fn confirm_sent(&mut self, now: Timestamp) {
        self.protocol.confirm_sent(now);
    }

    /// The commands to be sent, in order. Only while there is a connection: questions and scans
    /// wait for one.
    pub(crate) fn batch(&mut self) -> &mut Vec<(ReplyTo, Command)> {
        for (key, question) in self.questions.drain(..) {
            let command = match question {
                KeyQuestion::Inspect(_) => Command::Inspect { key, limit: MAX_LISTED_WAITERS },
                KeyQuestion::ForceRelease(fence, _) => {
                    Command::ForceRelease { key, fence, tombstone: TOMBSTONE }
                }
            };
            self.batch.push((ReplyTo::KeyQuestion(question), command));
        }
        for (space, cursor, sender) in self.scans.drain(..) {
            let from = cursor.on(self.connected_at);
            self.batch.push((ReplyTo::Scan(sender), Command::Scan { space, from }));
        }
        &mut self.batch
    }

    /// What has collected, with an empty vector in its place.
    pub(crate) fn take_effects(&mut self, empty: Vec<Effect>) -> Vec<Effect> {
        mem::replace(&mut self.effects, empty)
    }

    /// How many parties the effects wake.
    pub(crate) fn wake_count(&self) -> usize {
        self.effects.iter().filter(|effect| effect.wakes()).count()
    }

    /// Whether the connection has to be dropped, since the last call of this.
    pub(crate) fn take_needs_reconnect(&mut self) -> bool {
        mem::take(&mut self.needs_reconnect)
    }

    pub(crate) fn after(&mut self, act: impl FnOnce() + Send + 'static) {
        self.effects.push(Effect::Run(Box::new(act)));
    }

    fn answer_question(&mut self, question: KeyQuestion, reply: Result<Reply, CommandError>) {
        match (question, reply) {
            (KeyQuestion::Inspect(sender), Ok(Reply::Inspection(found))) => {
                let found = self.protocol.owner_view(found);
                self.answer(sender, Ok(found));
            }
            (KeyQuestion::ForceRelease(_, sender), Ok(Reply::Released(was_held))) => {
                self.answer(sender, Ok(was_held));
            }
            (question, Ok(_)) => self.cannot_answer(question, NotAnswered::Failed(mixed_up())),
            (question, Err(error)) => self.cannot_answer(question, not_answered(&error)),
        }
    }

    fn cannot_answer(&mut self, question: KeyQuestion, why: NotAnswered) {
        match question {
            KeyQuestion::Inspect(sender) => self.answer(sender, Err(why)),
            KeyQuestion::ForceRelease(_, sender) => self.answer(sender, Err(why)),
        }
    }

    /// Sends a caller its answer, which wakes it.
    fn answer<T: Send + 'static>(&mut self, sender: oneshot::Sender<T>, answer: T) {
        self.after(move || drop(sender.send(answer)));
    }

    /// Ends the subscription of a queue.
    fn forget(&mut self, id: RequestId) {
        if let Some(queue) = self.queues.remove(&id) {
            self.effects.push(Effect::Drop(queue));
        }
    }

    fn with_queue(&mut self, id: RequestId, act: impl FnOnce(&KeyQueue) + Send + 'static) {
        if let Some(queue) = self.queues.get(&id).cloned() {
            self.after(move || act(&queue));
        }
    }

    fn output(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Send(id, command) => self.batch.push((ReplyTo::Protocol(id), command)),
            Output::Reconnect => self.needs_reconnect = true,
            Output::Moved(redirect) => self.effects.push(Effect::Redirected(redirect)),
            Output::SendAsking(id, command, address) => {
                self.effects.push(Effect::SendAsking(id, command, address));
            }
            Output::RefreshTopology => self.effects.push(Effect::LookAgain),
            Output::Granted { id, grant, valid_until } => {
                self.granted(now, id, grant, valid_until);
            }
            Output::Failed(id, failure) => self.failed(now, id, failure),
            Output::Extended(id, valid_until) => self.extended(now, id, valid_until),
            Output::PutBack(id) => match self.queues.get(&id).cloned() {
                Some(queue) => self.effects.push(Effect::PutBack(queue, id)),
                None => self.protocol.put_back(now, id, None),
            },
            Output::Reclaimed(id) => self.with_queue(id, |queue| observe::reclaimed(queue.key())),
            Output::Lost(id, loss) => self.lost(id, loss),
            Output::NoGrantBefore(id, until) => {
                self.with_queue(id, move |queue| queue.no_grant_before(id, until));
            }
            Output::Contended(id) => self.with_queue(id, move |queue| queue.contended(now, id)),
            Output::Finished(id, outcome) => self.confirm(id, outcome),
            Output::ReleaseUnconfirmed(id) => self.confirm(id, ReleaseOutcome::Unknown),
            Output::RenewalsRefused(ids, why) => self.renewals_refused(&ids, &why),
            Output::ReleaseRefused { id, key, why } => {
                let text = Arc::clone(&why);
                self.after(move || observe::release_refused(&key, &text));
                self.confirm(id, ReleaseOutcome::Refused(why));
            }
            Output::CheckClaimed(id) => {
                let queue = self.queues.get(&id).cloned();
                self.effects.extend(queue.map(|queue| Effect::Reclaim(queue, id)));
            }
            Output::StillWaiting { id, waited, busy } => {
                let Some(queue) = self.queues.get(&id).cloned() else { return };
                if self.should_log(now, LogTopic::SlowWait(Arc::clone(queue.key()))) {
                    self.after(move || {
                        let calls = queue.waiter_count();
                        observe::still_waiting(queue.key(), calls, waited, busy.as_ref());
                    });
                }
            }
            Output::Probe(id) => match self.wait_registrations.get(&id) {
                Some((wait, _)) => self.effects.push(Effect::Probe(Arc::clone(wait))),
                None => self.protocol.stop_probing(id),
            },
            Output::Deadlock(id, cycle) => {
                if let Some((_, sender)) = self.wait_registrations.remove(&id) {
                    self.answer(sender, cycle);
                }
            }
            Output::NotTogether(ids) => {
                for id in ids {
                    self.failed(now, id, Failure::Busy(BusyReply::by_others()));
                }
            }
        }
    }

    fn failed(&mut self, now: Timestamp, id: RequestId, failure: Failure) {
        let Some(queue) = self.queues.remove(&id) else { return };
        self.after(move || {
            if matches!(failure, Failure::Busy(_)) {
                observe::timed_out(queue.key(), 1);
            }
            queue.failed(now, id, failure);
        });
    }

    fn confirm(&mut self, id: RequestId, outcome: ReleaseOutcome) {
        self.drop_extensions(id);
        if let Some(sender) = self.confirmations.remove(&id) {
            self.answer(sender, outcome);
        }
    }

    fn renewals_refused(&mut self, ids: &[RequestId], why: &Arc<str>) {
        let queues: Vec<_> =
            ids.iter().filter_map(|&id| Some((id, self.queues.get(&id).cloned()?))).collect();
        let (holds, why) = (ids.len(), Arc::clone(why));
        self.after(move || {
            if let Some((_, first)) = queues.first() {
                observe::renewals_refused(first.key(), holds, &why);
            }
            for (id, queue) in &queues {
                queue.refused(*id, Arc::clone(&why));
            }
        });
    }

    /// A lease was renewed. That ends an explicit renewal, unless it was sent before that one was
    /// asked for.
    fn extended(&mut self, now: Timestamp, id: RequestId, valid_until: Timestamp) {
        self.with_queue(id, move |queue| {
            if let Some((lease, loss)) = queue.renewed(id, valid_until) {
                observe::lost(&lease, loss);
            }
        });
        let about: Vec<_> = self.extensions.extract_if(.., |one| one.id == id).collect();
        for extension in about {
            if valid_until >= extension.end {
                self.answer(extension.sender, valid_until);
            } else {
                self.extend(now, extension);
            }
        }
    }

    /// Renews a lease now. Its caller is also notified if the lease ends.
    fn extend(&mut self, now: Timestamp, extension: Extension) {
        match self.protocol.renew_now(now, extension.id, extension.ttl) {
            Some(end) => self.extensions.push(Extension { end, ..extension }),
            None => self.after(move || drop(extension)),
        }
    }

    fn drop_extensions(&mut self, id: RequestId) {
        let over: Vec<_> = self.extensions.extract_if(.., |one| one.id == id).collect();
        if !over.is_empty() {
            self.after(move || drop(over));
        }
    }

    fn granted(&mut self, now: Timestamp, id: RequestId, grant: Grant, valid_until: Timestamp) {
        // Each slot of a cluster has its own pause.
        if !self.protocol.is_node() {
            self.resumed();
        }
        match self.queues.get(&id).cloned() {
            Some(queue) => self.effects.push(Effect::Granted { queue, id, grant, valid_until }),
            None => self.protocol.release(now, id),
        }
    }

    fn lost(&mut self, id: RequestId, loss: Loss) {
        self.with_queue(id, move |queue| {
            if let Some(lease) = queue.lost(id, loss.clone()) {
                observe::lost(&lease, loss);
            }
        });
        // Their callers find the loss in the lease.
        self.drop_extensions(id);
    }
}

fn mixed_up() -> Failure {
    Failure::Refused("mixed up replies".to_owned())
}

fn not_answered(error: &CommandError) -> NotAnswered {
    match error {
        CommandError::Moved(_) | CommandError::Asked(_) | CommandError::TryAgain(_) => {
            NotAnswered::NotNow(error.failure())
        }
        _ => NotAnswered::Failed(error.failure()),
    }
}
