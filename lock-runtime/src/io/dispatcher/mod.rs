//! Routes between the callers of one manager and the protocol.
//!
//! No I/O and no clock: messages, replies and notifications come in with the time, commands collect
//! in a batch. The event loop sends the batch; in the simulation, a simulated network does.

pub(crate) mod outbound;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::io::mailbox::{InspectAnswer, Message, TimerTarget, WaitRegistration, WeakMailbox};
use crate::io::observe;
use crate::local::grant_channel::PendingGrant;
use crate::local::key_queue::KeyQueue;
use crate::local::queue::TickReport;
use crate::protocol::Protocol;
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::request::{CommandError, CommandId, Failure, Loss, ReleaseOutcome};
use crate::types::environment::mpsc::SyncSender;
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::time::Timestamp;
use crate::user_code;
use crate::wire::command::Command;
use crate::wire::reply::{AcquireReply, BlockedBy, BlockedRequest, Reply};

pub struct Dispatcher {
    pub protocol: Protocol,
    mailbox: WeakMailbox,
    /// Who is notified about a request and its lease.
    queues: RequestMap<Arc<KeyQueue>>,
    wait_registrations: RequestMap<(Box<WaitRegistration>, oneshot::Sender<Vec<BlockedRequest>>)>,
    confirmations: RequestMap<oneshot::Sender<ReleaseOutcome>>,
    extensions: Vec<Extension>,
    inspections: Vec<(String, oneshot::Sender<InspectAnswer>)>,
    timers: BTreeMap<(Timestamp, u64), TimerTarget>,
    flushes: Vec<PendingFlush>,
    /// These topics are not logged before.
    log_quiet_until: HashMap<LogTopic, Timestamp>,
    /// Set by a shutdown. To be notified when it is complete.
    shutdown_waiters: Option<Vec<oneshot::Sender<()>>>,
    /// Grants that are not delivered yet.
    pending_grants: Vec<PendingGrant>,
    /// Commands to be sent, in order. To be taken out, as the two below.
    pub batch: Vec<(ReplyTo, Command)>,
    /// Whether a caller may soon send another message.
    pub recent_activity: bool,
    /// Whether the connection has to be dropped.
    pub needs_reconnect: bool,
}

/// Topics of rate-limited log lines.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum LogTopic {
    Connection,
    DataLoss,
    SlowWait(Arc<str>),
    LongSection(Arc<str>),
}

/// A topic is logged at most this often.
const QUIET: Duration = Duration::from_secs(10);
/// Topics logged in that time.
const MAX_LOG_TOPICS: usize = 1_000;

/// A caller that waits until these are released.
struct PendingFlush {
    done: SyncSender<()>,
    left: HashSet<RequestId>,
}

/// A renewal that a caller waits for.
pub(crate) struct Extension {
    id: RequestId,
    ttl: Duration,
    /// The lease has to be valid until then.
    end: Timestamp,
    sender: oneshot::Sender<Timestamp>,
}

/// Who gets the reply to a command.
pub enum ReplyTo {
    Protocol(CommandId),
    Inspect(oneshot::Sender<InspectAnswer>),
}

impl Dispatcher {
    pub fn new(protocol: Protocol, mailbox: WeakMailbox) -> Self {
        Self {
            protocol,
            mailbox,
            queues: RequestMap::default(),
            wait_registrations: RequestMap::default(),
            confirmations: RequestMap::default(),
            extensions: Vec::new(),
            inspections: Vec::new(),
            timers: BTreeMap::new(),
            flushes: Vec::new(),
            log_quiet_until: HashMap::new(),
            shutdown_waiters: None,
            pending_grants: Vec::new(),
            batch: Vec::new(),
            recent_activity: false,
            needs_reconnect: false,
        }
    }

    pub fn connect_failed(&mut self, now: Timestamp, why: &str, kind: ConnectErrorKind) {
        let unreachable = kind == ConnectErrorKind::Unreachable;
        let failure = if unreachable { Failure::Unavailable } else { Failure::Refused };
        for (_, sender) in self.inspections.drain(..) {
            let _ = sender.send(Err(failure(why.to_owned())));
        }
        self.protocol.connect_failed(now, why.to_owned(), kind);
    }

    /// The connection was dropped with these commands unanswered, and those to be sent.
    pub fn abandon(&mut self, reply_to: impl IntoIterator<Item = ReplyTo>) {
        let unsent = self.batch.drain(..).map(|(reply_to, _)| reply_to);
        for reply_to in unsent.chain(reply_to) {
            // The protocol retries by itself. An inspection would look like a shutdown.
            if let ReplyTo::Inspect(sender) = reply_to {
                let _ = sender.send(inspected(Err(CommandError::ConnectionLost)));
            }
        }
    }

    pub fn reply(&mut self, now: Timestamp, reply_to: ReplyTo, reply: Result<Reply, CommandError>) {
        match reply_to {
            ReplyTo::Protocol(id) => {
                if let Ok(Reply::Acquire(AcquireReply::Busy(busy))) = &reply
                    && busy.blocked_by == BlockedBy::DataLoss
                    && self.should_log(now, LogTopic::DataLoss)
                {
                    observe::data_lost(busy.left);
                }
                self.protocol.reply(now, id, reply);
            }
            ReplyTo::Inspect(sender) => {
                let found = inspected(reply);
                let _ = sender.send(found.map(|found| self.protocol.owner_view(found)));
            }
        }
    }

    /// Whether to log this topic now: at most once every [`QUIET`].
    pub(super) fn should_log(&mut self, now: Timestamp, of: LogTopic) -> bool {
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

    /// When [`Self::tick`] is needed.
    pub fn due(&self) -> Option<Timestamp> {
        let timer = self.timers.first_key_value().map(|(&(at, _), _)| at);
        [self.protocol.next_tick(), timer].into_iter().flatten().min()
    }

    pub fn tick(&mut self, now: Timestamp) {
        self.protocol.tick(now);
        self.fire_timers(now);
    }

    /// Delivers all grants at once: a runtime wakes one worker for the first, and that one finds
    /// the others. To be called after the batch was sent, as a woken caller may take this core.
    pub fn deliver_grants(&mut self) {
        self.pending_grants.drain(..).for_each(PendingGrant::deliver);
    }

    /// Whether a shutdown is complete.
    pub fn is_shut_down(&self) -> bool {
        self.shutdown_waiters.is_some() && self.protocol.is_idle()
    }

    /// Answers the callers that wait for the shutdown.
    pub fn confirm_shutdown(&mut self) {
        for done in self.shutdown_waiters.take().into_iter().flatten() {
            let _ = done.send(());
        }
    }

    pub fn answer_flushes(&mut self) {
        for flush in self.flushes.extract_if(.., |flush| flush.left.is_empty()) {
            let _ = flush.done.try_send(());
        }
    }
}

impl Dispatcher {
    pub fn message(&mut self, now: Timestamp, message: Message) {
        self.recent_activity = true;
        match message {
            Message::Acquire(..) | Message::AcquireAll(_) if self.shutdown_waiters.is_some() => {
                message.refuse(&Loss::Shutdown);
            }
            Message::Acquire(request, replaces, queue) => {
                self.queues.insert(request.id, queue);
                match replaces {
                    Some(old) => {
                        self.queues.remove(&old);
                        self.protocol.replace(now, old, *request);
                    }
                    None => self.protocol.acquire(now, *request),
                }
            }
            Message::AcquireAll(requests) => {
                let queues =
                    requests.iter().map(|(request, queue)| (request.id, Arc::clone(queue)));
                self.queues.extend(queues);
                let requests = requests.into_iter().map(|(request, _)| request);
                self.protocol.acquire_all(now, requests.collect());
            }
            Message::RegisterWait(wait, sender) => {
                self.protocol.start_probing(now, wait.id);
                self.wait_registrations.insert(wait.id, (wait, sender));
            }
            Message::UnregisterWait(id) => {
                self.wait_registrations.remove(&id);
                self.protocol.stop_probing(id);
            }
            Message::ResetMaxHold(id, at) => self.protocol.record_handoff(at, id),
            Message::Release(id) => {
                self.queues.remove(&id);
                self.protocol.release(now, id);
            }
            Message::ReleaseAndConfirm(id, sender) => {
                self.queues.remove(&id);
                self.confirmations.insert(id, sender);
                self.protocol.release(now, id);
            }
            Message::EnsureTtl(id, ttl) => self.protocol.raise_ttl(now, id, ttl),
            Message::Renew(id, ttl, sender) => {
                self.extend(now, Extension { id, ttl, end: now, sender });
            }
            Message::RunCallback(callback) => user_code::call(callback),
            Message::Inspect(key, sender) => match self.protocol.unreachable() {
                Some(failure) => drop(sender.send(Err(failure.clone()))),
                None => self.inspections.push((key, sender)),
            },
            Message::SetTimer(at, number, timer) => {
                self.timers.insert((at, number), timer);
            }
            Message::CancelTimer(at, number) => {
                self.timers.remove(&(at, number));
            }
            Message::Flush(done) => self.flush(done),
            Message::FlushBarrier(done) => self.wait_for_releases(done),
            Message::Shutdown(done) => self.shutdown(now, done),
            #[cfg(test)]
            Message::Panic => panic!("asked for by a test"),
        }
    }

    fn flush(&mut self, done: SyncSender<()>) {
        self.queues.values().for_each(|queue| queue.release_idle());
        match self.mailbox.upgrade() {
            Some(mailbox) => drop(mailbox.sender().send(Message::FlushBarrier(done))),
            // No caller is left that could send anything.
            None => self.wait_for_releases(done),
        }
    }

    fn wait_for_releases(&mut self, done: SyncSender<()>) {
        self.flushes.push(PendingFlush { done, left: self.protocol.releasing().collect() });
    }

    fn shutdown(&mut self, now: Timestamp, done: Option<oneshot::Sender<()>>) {
        self.shutdown_waiters.get_or_insert_default().extend(done);
        self.lose_all(&Loss::Shutdown);
        self.protocol.release_all(now);
    }

    /// Ends all waits and reports all leases as lost.
    pub fn lose_all(&mut self, loss: &Loss) {
        self.queues.drain().for_each(|(_, queue)| queue.close(loss.clone()));
        self.extensions.clear();
        self.wait_registrations.clear();
    }

    pub fn fire_timers(&mut self, now: Timestamp) {
        while self.timers.first_key_value().is_some_and(|(&(at, _), _)| at <= now) {
            match self.timers.pop_first() {
                Some((_, TimerTarget::Caller(sender))) => drop(sender.send(())),
                Some((_, TimerTarget::Queue(queue))) => self.tick_queue(now, &queue),
                None => {}
            }
        }
    }

    fn tick_queue(&mut self, now: Timestamp, queue: &Weak<KeyQueue>) {
        let Some(queue) = queue.upgrade() else { return };
        let TickReport { slow_waits, long_section, timed_out } =
            queue.tick(now, |id| self.protocol.blocked_by(id));
        if timed_out > 0 {
            observe::timed_out(queue.key(), timed_out);
        }
        if let Some(held) = long_section
            && self.should_log(now, LogTopic::LongSection(Arc::clone(queue.key())))
        {
            observe::long_section(queue.key(), &held);
        }
        // One log line for all of them, with the longest wait.
        if let Some(longest) = slow_waits.into_iter().max_by_key(|long| long.waited)
            && self.should_log(now, LogTopic::SlowWait(Arc::clone(queue.key())))
        {
            let calls = queue.waiter_count();
            observe::still_waiting(queue.key(), calls, longest.waited, longest.busy.as_ref());
        }
    }
}

fn inspected(reply: Result<Reply, CommandError>) -> InspectAnswer {
    match reply {
        Ok(Reply::Inspection(inspection)) => Ok(inspection),
        Ok(_) => Err(Failure::Refused("mixed up replies".to_owned())),
        Err(
            CommandError::Refused(why)
            | CommandError::Unhealthy(why)
            | CommandError::InvalidReply(why),
        ) => Err(Failure::Refused(why)),
        Err(CommandError::TryAgain(why) | CommandError::NotPrimary(why)) => {
            Err(Failure::Unavailable(why))
        }
        Err(CommandError::ScriptMissing | CommandError::NotBatchable) => {
            Err(Failure::Unavailable("the server lost its scripts".to_owned()))
        }
        Err(CommandError::ConnectionLost) => {
            Err(Failure::Unavailable("the connection broke".to_owned()))
        }
    }
}
