//! What the I/O thread knows of its callers: it does what they ask and tells them what becomes of it.
//!
//! No I/O, no clock: messages, replies and pushes come in with the time, calls gather in a batch. What sends the batch, and when,
//! is the core's business; a simulation has a network of its own in its place.

pub(crate) mod inbound;
pub(crate) mod outbound;
pub(crate) mod signals;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::io::mailbox::{InspectAnswer, TimerTarget, WaitRegistration, WeakMailbox};
use crate::io::observe;
use crate::io::registry::{MultiRequest, ReplyTo, Subscriber};
use crate::local::grant_channel::PendingGrant;
use crate::protocol::claim::{Confirmation, Failure};
use crate::protocol::machine::{CallError, Machine, Outlook};
use crate::types::request_id::{Nonce, NonceMap};
use crate::types::sync::mpsc::SyncSender;
use crate::types::time::Timestamp;
use crate::wire::call::Call;
use crate::wire::probe::Member;
use crate::wire::reply::{AcquireReply, Notice, Obstacle, Reply};

/// The callers of one manager, and the protocol that acts for them.
pub struct Dispatcher {
    machine: Machine,
    mailbox: WeakMailbox,
    subscribers: NonceMap<Subscriber>,
    multi_requests: NonceMap<MultiRequest>,
    wait_registrations: NonceMap<(Box<WaitRegistration>, oneshot::Sender<Vec<Member>>)>,
    confirmations: NonceMap<oneshot::Sender<Confirmation>>,
    /// Renewals that a caller waits for.
    extensions: Vec<Extension>,
    inspections: Vec<(String, oneshot::Sender<InspectAnswer>)>,
    timers: BTreeMap<(Timestamp, u64), TimerTarget>,
    flushes: Vec<PendingFlush>,
    /// Until when these topics are not logged again.
    log_quiet_until: HashMap<LogTopic, Timestamp>,
    /// Set by a shutdown: those who want to hear when it is done.
    shutdown_waiters: Option<Vec<oneshot::Sender<()>>>,
    /// Holds that were granted and are not handed over yet.
    pending_grants: Vec<PendingGrant>,
    /// Calls that are to be sent.
    batch: Vec<(ReplyTo, Call)>,
    /// Something was brought that a caller may soon follow up.
    recent_activity: bool,
    /// The connection does not answer.
    needs_reconnect: bool,
}

/// Topics of rate-limited log lines.
#[derive(PartialEq, Eq, Hash)]
enum LogTopic {
    DataLoss,
    /// Calls that wait for this key.
    SlowWait(Arc<str>),
    /// A section of this process that others of it wait for.
    LongSection(Arc<str>),
}

/// How long a topic is not logged again.
const QUIET: Duration = Duration::from_secs(10);
/// How many topics are logged in that time.
const MAX_LOG_TOPICS: usize = 1_000;

/// A caller that waits for releases.
struct PendingFlush {
    done: SyncSender<()>,
    /// Those that are not confirmed yet.
    left: HashSet<Nonce>,
}

/// A renewal that a caller waits for.
pub(crate) struct Extension {
    nonce: Nonce,
    ttl: Duration,
    /// From when on the hold is to be valid.
    end: Timestamp,
    sender: oneshot::Sender<Timestamp>,
}

impl Dispatcher {
    pub fn new(machine: Machine, mailbox: WeakMailbox) -> Self {
        Self {
            machine,
            mailbox,
            subscribers: NonceMap::default(),
            multi_requests: NonceMap::default(),
            wait_registrations: NonceMap::default(),
            confirmations: NonceMap::default(),
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

    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    pub fn connected(&mut self, now: Timestamp, bound: Duration) {
        self.machine.connected(now, bound);
    }

    /// An attempt to connect failed.
    pub fn connect_failed(&mut self, now: Timestamp, why: &str, outlook: Outlook) {
        let unreachable = outlook == Outlook::Unreachable;
        let failure = if unreachable { Failure::Unavailable } else { Failure::Refused };
        for (_, sender) in self.inspections.drain(..) {
            let _ = sender.send(Err(failure(why.to_owned())));
        }
        self.machine.connect_failed(now, why.to_owned(), outlook);
    }

    pub fn disconnected(&mut self, now: Timestamp, because: String) {
        self.machine.disconnected(now, because);
    }

    /// The connection was left with these calls unanswered; what was to be sent on it is dropped too.
    pub fn abandon(&mut self, reply_to: impl IntoIterator<Item = ReplyTo>) {
        let unsent = self.batch.drain(..).map(|(reply_to, _)| reply_to);
        for reply_to in unsent.chain(reply_to) {
            // The protocol asks again by itself; whoever inspects would take silence for a shutdown.
            if let ReplyTo::Inspect(sender) = reply_to {
                let _ = sender.send(inspected(Err(CallError::Broken)));
            }
        }
    }

    pub fn reply(&mut self, now: Timestamp, reply_to: ReplyTo, reply: Result<Reply, CallError>) {
        match reply_to {
            ReplyTo::Protocol(id) => {
                if let Ok(Reply::Acquire(AcquireReply::Busy(busy))) = &reply
                    && busy.obstacle == Obstacle::DataLoss
                    && self.should_log(now, LogTopic::DataLoss)
                {
                    observe::data_lost(busy.left);
                }
                self.machine.reply(now, id, reply);
            }
            ReplyTo::Inspect(sender) => {
                let found = inspected(reply);
                let _ = sender.send(found.map(|found| self.machine.seen_by_its_owner(found)));
            }
        }
    }

    /// Whether to log this topic now: each at most once every [`QUIET`].
    fn should_log(&mut self, now: Timestamp, of: LogTopic) -> bool {
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

    pub fn notice(&mut self, now: Timestamp, notice: Notice) {
        self.machine.notice(now, notice);
    }

    /// When [`Self::tick`] has something to do.
    pub fn due(&self) -> Option<Timestamp> {
        let timer = self.timers.first_key_value().map(|(&(at, _), _)| at);
        [self.machine.next_tick(), timer].into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Timestamp) {
        self.machine.tick(now);
        self.fire_timers(now);
    }

    /// Whether something came since the last look that a caller may soon follow up.
    pub fn take_recent_activity(&mut self) -> bool {
        std::mem::take(&mut self.recent_activity)
    }

    /// Whether the protocol has given the connection up since the last look.
    pub fn take_needs_reconnect(&mut self) -> bool {
        std::mem::take(&mut self.needs_reconnect)
    }

    /// The calls that are to be sent next, in their order.
    pub fn batch(&self) -> &[(ReplyTo, Call)] {
        &self.batch
    }

    pub fn take_batch(&mut self) -> Vec<(ReplyTo, Call)> {
        std::mem::take(&mut self.batch)
    }

    /// Hands over what was granted, all at once: a runtime wakes one of its threads for the first, and that one finds the
    /// others. After the batch is sent, as a caller that wakes may take the core from this thread.
    pub fn deliver_grants(&mut self) {
        self.pending_grants.drain(..).for_each(PendingGrant::deliver);
    }

    /// Whether a shutdown was asked for and nothing is left to do.
    pub fn is_shut_down(&self) -> bool {
        self.shutdown_waiters.is_some() && self.machine.is_idle()
    }

    /// Tells those who asked for the shutdown.
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

fn inspected(reply: Result<Reply, CallError>) -> InspectAnswer {
    match reply {
        Ok(Reply::Inspection(inspection)) => Ok(inspection),
        Ok(_) => Err(Failure::Refused("mixed up replies".to_owned())),
        Err(CallError::Refused(why) | CallError::Hindered(why) | CallError::Garbled(why)) => {
            Err(Failure::Refused(why))
        }
        Err(CallError::NotNow(why) | CallError::Elsewhere(why)) => Err(Failure::Unavailable(why)),
        Err(CallError::Unloaded | CallError::Alone) => {
            Err(Failure::Unavailable("the server lost its scripts".to_owned()))
        }
        Err(CallError::Broken) => Err(Failure::Unavailable("the connection broke".to_owned())),
    }
}
