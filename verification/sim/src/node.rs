//! The I/O thread of one simulated process, turned by the world.

use std::time::Duration;

use distlock_runtime::verification::{
    self, Command, CommandError, ConnectErrorKind, Dispatcher, Mailbox, Message, Notification,
    Protocol, Reply, ReplyTo, Timestamp, Timing,
};
use distlock_runtime::{Fence, LockManager};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::stage;

/// The settings of a manager that a plan chooses.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The channel on which the process receives grants.
    pub(crate) inbox: String,
    pub(crate) ttl: Duration,
    pub(crate) max_handoffs: u32,
    pub(crate) data_loss_grace: bool,
}

/// Starts a manager in the process that runs, with its I/O thread.
pub(crate) fn start(settings: Settings) -> (Node, LockManager) {
    let Settings { inbox, ttl, max_handoffs, data_loss_grace } = settings;
    let timing = Timing { data_loss_grace: data_loss_grace, ..Timing::default() };
    let (sender, messages) = unbounded_channel();
    let mailbox = Mailbox::new(sender);
    let protocol = Protocol::new(stage::local_now(), timing.clone(), inbox, ttl);
    let node = Node { desk: Dispatcher::new(protocol, mailbox.downgrade()), messages };
    (node, verification::manager(mailbox, &timing, ttl, max_handoffs))
}

/// Who hears the replies to the calls of one batch, in their order.
pub(crate) struct Askers(Vec<ReplyTo>);

/// What an I/O thread has between two turns.
pub(crate) struct Node {
    desk: Dispatcher,
    messages: UnboundedReceiver<Message>,
}

impl Node {
    /// Whether callers have put something into its mailbox.
    pub(crate) fn has_mail(&self) -> bool {
        !self.messages.is_empty()
    }

    /// One turn. Whether the connection is to be given up.
    pub(crate) fn turn(&mut self, now: Timestamp) -> bool {
        while let Ok(message) = self.messages.try_recv() {
            self.desk.message(now, message);
        }
        if self.desk.due().is_some_and(|due| due <= now) {
            self.desk.tick(now);
        }
        self.desk.drain_outputs(now);
        self.desk.take_needs_reconnect()
    }

    /// What the turn brought to be sent.
    pub(crate) fn take_batch(&mut self) -> Option<(Askers, Vec<Command>)> {
        let (askers, calls): (Vec<_>, Vec<_>) = self.desk.take_batch().into_iter().unzip();
        (!calls.is_empty()).then_some((Askers(askers), calls))
    }

    /// Hands over what the turn brought to callers.
    pub(crate) fn deliver(&mut self) {
        self.desk.deliver_grants();
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.desk.due()
    }

    pub(crate) fn connected(&mut self, now: Timestamp, bound: Duration) {
        self.desk.connected(now, bound);
    }

    pub(crate) fn connect_failed(&mut self, now: Timestamp) {
        self.desk.connect_failed(
            now,
            "the server cannot be reached",
            ConnectErrorKind::Unreachable,
        );
    }

    /// The connection is gone, or given up.
    pub(crate) fn disconnected(
        &mut self,
        now: Timestamp,
        because: &str,
        unanswered: impl IntoIterator<Item = Askers>,
    ) {
        self.desk.disconnected(now, because.to_owned());
        self.desk.abandon(unanswered.into_iter().flat_map(|askers| askers.0));
    }

    pub(crate) fn replies(
        &mut self,
        now: Timestamp,
        askers: Askers,
        replies: Vec<Result<Reply, CommandError>>,
    ) {
        for (asker, reply) in askers.0.into_iter().zip(replies) {
            self.desk.reply(now, asker, reply);
        }
    }

    pub(crate) fn notice(&mut self, now: Timestamp, notice: Notification) {
        self.desk.notice(now, notice);
    }

    /// The highest token seen, and the longest lease of all: what is said when connecting.
    pub(crate) fn greeting(&self) -> (Fence, Duration) {
        (self.desk.protocol().min_fence(), self.desk.protocol().data_loss_grace().max_lease)
    }

    /// Whether something that was let go of is left alone for longer than until the next attempt.
    pub(crate) fn neglects(&self, now: Timestamp) -> bool {
        let soon = now.plus(Duration::from_millis(100));
        self.desk.protocol().releasing().next().is_some()
            && !self.has_mail()
            && self.desk.due().is_none_or(|due| due > soon)
    }

    /// Whether nothing is held, asked or undone.
    pub(crate) fn is_idle(&self) -> bool {
        self.desk.protocol().is_idle() && !self.has_mail()
    }
}
