//! What the I/O thread knows of its callers: it does what they ask and tells them what becomes of it.
//!
//! No I/O, no clock: messages, replies and pushes come in with the time, calls gather in a batch. What sends the batch, and when,
//! is the core's business; a simulation has a network of its own in its place.

pub(crate) mod messages;
pub(crate) mod outputs;
pub(crate) mod signals;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::io::mailbox::{Alarm, InspectAnswer, WaitRegistration, WeakMailbox};
use crate::io::parties::{MultiRequest, ReplyTo, Subscriber};
use crate::io::report;
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
    parties: NonceMap<Subscriber>,
    groups: NonceMap<MultiRequest>,
    watched: NonceMap<(Box<WaitRegistration>, oneshot::Sender<Vec<Member>>)>,
    confirmations: NonceMap<oneshot::Sender<Confirmation>>,
    /// Renewals that a caller waits for.
    extensions: Vec<Extension>,
    inspections: Vec<(String, oneshot::Sender<InspectAnswer>)>,
    alarms: BTreeMap<(Timestamp, u64), Alarm>,
    flushes: Vec<PendingFlush>,
    /// Until when these topics are not logged again.
    quiet: HashMap<LogTopic, Timestamp>,
    /// Set by a shutdown: those who want to hear when it is done.
    stopping: Option<Vec<oneshot::Sender<()>>>,
    /// Holds that were granted and are not handed over yet.
    deliveries: Vec<PendingGrant>,
    /// Calls that are to be sent.
    batch: Vec<(ReplyTo, Call)>,
    /// Something was brought that a caller may soon follow up.
    lively: bool,
    /// The connection does not answer.
    stalled: bool,
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
const MOST_QUIET: usize = 1_000;

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
    slot: oneshot::Sender<Timestamp>,
}

impl Dispatcher {
    pub fn new(machine: Machine, mailbox: WeakMailbox) -> Self {
        Self {
            machine,
            mailbox,
            parties: NonceMap::default(),
            groups: NonceMap::default(),
            watched: NonceMap::default(),
            confirmations: NonceMap::default(),
            extensions: Vec::new(),
            inspections: Vec::new(),
            alarms: BTreeMap::new(),
            flushes: Vec::new(),
            quiet: HashMap::new(),
            stopping: None,
            deliveries: Vec::new(),
            batch: Vec::new(),
            lively: false,
            stalled: false,
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
        for (_, slot) in self.inspections.drain(..) {
            let _ = slot.send(Err(failure(why.to_owned())));
        }
        self.machine.connect_failed(now, why.to_owned(), outlook);
    }

    pub fn disconnected(&mut self, now: Timestamp, because: String) {
        self.machine.disconnected(now, because);
    }

    /// The connection was left with these calls unanswered; what was to be sent on it is dropped too.
    pub fn abandon(&mut self, askers: impl IntoIterator<Item = ReplyTo>) {
        let unsent = self.batch.drain(..).map(|(asker, _)| asker);
        for asker in unsent.chain(askers) {
            // The protocol asks again by itself; whoever inspects would take silence for a shutdown.
            if let ReplyTo::Inspect(slot) = asker {
                let _ = slot.send(inspected(Err(CallError::Broken)));
            }
        }
    }

    pub fn reply(&mut self, now: Timestamp, asker: ReplyTo, reply: Result<Reply, CallError>) {
        match asker {
            ReplyTo::Protocol(id) => {
                if let Ok(Reply::Acquire(AcquireReply::Busy(busy))) = &reply
                    && busy.obstacle == Obstacle::DataLoss
                    && self.may_tell(now, LogTopic::DataLoss)
                {
                    report::data_lost(busy.left);
                }
                self.machine.reply(now, id, reply);
            }
            ReplyTo::Inspect(slot) => {
                let found = inspected(reply);
                let _ = slot.send(found.map(|found| self.machine.seen_by_its_owner(found)));
            }
        }
    }

    /// Whether to log this topic now: each at most once every [`QUIET`].
    fn may_tell(&mut self, now: Timestamp, of: LogTopic) -> bool {
        if self.quiet.len() >= MOST_QUIET {
            self.quiet.retain(|_, until| *until > now);
        }
        let is_quiet = self.quiet.get(&of).is_some_and(|&until| until > now);
        if is_quiet || self.quiet.len() >= MOST_QUIET {
            return false;
        }
        self.quiet.insert(of, now.plus(QUIET));
        true
    }

    pub fn notice(&mut self, now: Timestamp, notice: Notice) {
        self.machine.notice(now, notice);
    }

    /// When [`Self::tick`] has something to do.
    pub fn due(&self) -> Option<Timestamp> {
        let alarm = self.alarms.first_key_value().map(|(&(at, _), _)| at);
        [self.machine.next_tick(), alarm].into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Timestamp) {
        self.machine.tick(now);
        self.ring(now);
    }

    /// Whether something came since the last look that a caller may soon follow up.
    pub fn take_lively(&mut self) -> bool {
        std::mem::take(&mut self.lively)
    }

    /// Whether the protocol has given the connection up since the last look.
    pub fn take_stalled(&mut self) -> bool {
        std::mem::take(&mut self.stalled)
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
    pub fn deliver(&mut self) {
        self.deliveries.drain(..).for_each(PendingGrant::deliver);
    }

    /// Whether a shutdown was asked for and nothing is left to do.
    pub fn is_over(&self) -> bool {
        self.stopping.is_some() && self.machine.is_idle()
    }

    /// Tells those who asked for the shutdown.
    pub fn say_that_it_is_over(&mut self) {
        for done in self.stopping.take().into_iter().flatten() {
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
