//! The I/O thread of a simulated process. The world runs its turns.

use std::mem;
use std::time::Duration;

use distlock_runtime::verification::{
    self, Command, CommandError, ConnectErrorKind, Dispatcher, Mailbox, Message, Notification,
    Protocol, Reply, ReplyTo, Timestamp, Timing,
};
use distlock_runtime::{Fence, LockManager};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::context;

/// The settings of a manager that a plan chooses.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The channel on which the process receives grants.
    pub(crate) inbox: String,
    pub(crate) ttl: Duration,
    pub(crate) max_handoffs: u32,
    pub(crate) data_loss_grace: bool,
}

/// Starts a manager and its I/O thread in the running process.
pub(crate) fn start(settings: Settings) -> (IoThread, LockManager) {
    let Settings { inbox, ttl, max_handoffs, data_loss_grace } = settings;
    let timing = Timing { data_loss_grace, ..Timing::default() };
    let (sender, messages) = unbounded_channel();
    let mailbox = Mailbox::new(sender);
    let protocol = Protocol::new(context::local_now(), timing.clone(), inbox, ttl);
    let io_thread =
        IoThread { dispatcher: Dispatcher::new(protocol, mailbox.downgrade()), messages };
    (io_thread, verification::manager(mailbox, &timing, ttl, max_handoffs))
}

/// Who receives the replies to the calls of one batch, in order.
pub(crate) struct ReplyTargets(Vec<ReplyTo>);

/// The state of an I/O thread between two turns.
pub(crate) struct IoThread {
    dispatcher: Dispatcher,
    messages: UnboundedReceiver<Message>,
}

impl IoThread {
    /// Whether its mailbox has messages.
    pub(crate) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Runs one turn. Returns whether the connection has to be abandoned.
    pub(crate) fn turn(&mut self, now: Timestamp) -> bool {
        while let Ok(message) = self.messages.try_recv() {
            self.dispatcher.message(now, message);
        }
        if self.dispatcher.due().is_some_and(|due| due <= now) {
            self.dispatcher.tick(now);
        }
        self.dispatcher.drain_outputs(now);
        mem::take(&mut self.dispatcher.needs_reconnect)
    }

    /// The calls to be sent after a turn.
    pub(crate) fn take_batch(&mut self) -> Option<(ReplyTargets, Vec<Command>)> {
        let (reply_targets, calls): (Vec<_>, Vec<_>) =
            mem::take(&mut self.dispatcher.batch).into_iter().unzip();
        (!calls.is_empty()).then_some((ReplyTargets(reply_targets), calls))
    }

    /// Delivers the grants of the turn to callers.
    pub(crate) fn deliver(&mut self) {
        self.dispatcher.deliver_grants();
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.dispatcher.due()
    }

    pub(crate) fn connected(&mut self, now: Timestamp, bound: Duration) {
        self.dispatcher.protocol.connected(now, bound);
    }

    pub(crate) fn connect_failed(&mut self, now: Timestamp) {
        self.dispatcher.connect_failed(
            now,
            "the server cannot be reached",
            ConnectErrorKind::Unreachable,
        );
    }

    /// The connection is closed or abandoned.
    pub(crate) fn disconnected(
        &mut self,
        now: Timestamp,
        because: &str,
        unanswered: impl IntoIterator<Item = ReplyTargets>,
    ) {
        self.dispatcher.protocol.disconnected(now, because.to_owned());
        self.dispatcher.abandon(unanswered.into_iter().flat_map(|reply_targets| reply_targets.0));
    }

    pub(crate) fn replies(
        &mut self,
        now: Timestamp,
        reply_targets: ReplyTargets,
        replies: Vec<Result<Reply, CommandError>>,
    ) {
        for (asker, reply) in reply_targets.0.into_iter().zip(replies) {
            self.dispatcher.reply(now, asker, reply);
        }
    }

    pub(crate) fn notice(&mut self, now: Timestamp, notice: Notification) {
        self.dispatcher.protocol.notification(now, notice);
    }

    /// What the handshake contains: the highest token seen, and the longest lease.
    pub(crate) fn handshake(&self) -> (Fence, Duration) {
        (self.dispatcher.protocol.min_fence(), self.dispatcher.protocol.data_loss_grace().max_lease)
    }

    /// Whether a release is pending and nothing is scheduled for it.
    pub(crate) fn has_stalled_release(&self, now: Timestamp) -> bool {
        let soon = now.plus(Duration::from_millis(100));
        self.dispatcher.protocol.releasing().next().is_some()
            && !self.has_messages()
            && self.dispatcher.due().is_none_or(|due| due > soon)
    }

    /// Whether nothing is held, requested or pending.
    pub(crate) fn is_idle(&self) -> bool {
        self.dispatcher.protocol.is_idle() && !self.has_messages()
    }
}
