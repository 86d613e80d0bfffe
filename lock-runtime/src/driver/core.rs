//! The loop of the I/O thread.

mod connection;
mod messages;
mod outputs;
mod signals;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use self::messages::MOST_AT_ONCE;
use super::link::{Asker, Link};
use super::mailbox::{Alarm, Mailbox, Message, Wait, WeakMailbox};
use super::parties::{Group, Party};
use super::spin::Spin;
use super::{InspectAnswer, exit};
use crate::protocol::{Machine, Timing};
use crate::queue::Delivery;
use crate::store::{Endpoint, Push};
use crate::time::{self, Timestamp};
use crate::wire::{Call, Member, NonceMap};

/// What a manager brings.
pub(crate) struct Setup {
    pub(crate) endpoint: Endpoint,
    pub(crate) timing: Timing,
    pub(crate) inbox: String,
    pub(crate) default_ttl: Duration,
}

/// Starts the I/O thread. It ends after a shutdown, or when the last handle is gone and all is released.
pub(crate) fn start(setup: Setup) -> std::io::Result<Mailbox> {
    let (sender, messages) = unbounded_channel();
    let mailbox = Mailbox::new(sender);
    let weak = mailbox.downgrade();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("distlock-io".to_owned()).spawn(move || {
        exit::mark_io_thread();
        runtime.block_on(async { Core::new(setup, messages, weak).run().await });
    })?;
    Ok(mailbox)
}

struct Core {
    endpoint: Endpoint,
    machine: Machine,
    messages: UnboundedReceiver<Message>,
    pushes: UnboundedReceiver<Push>,
    push_sender: tokio::sync::mpsc::UnboundedSender<Push>,
    link: Link,
    /// Attempts to connect that failed since the last one that did not.
    failures: u32,
    /// Whether a connection was ever made.
    acquainted: bool,
    inbox: String,
    mailbox: WeakMailbox,
    parties: NonceMap<Party>,
    groups: NonceMap<Group>,
    watched: NonceMap<(Box<Wait>, oneshot::Sender<Vec<Member>>)>,
    confirmations: NonceMap<oneshot::Sender<Option<bool>>>,
    inspections: Vec<(String, oneshot::Sender<InspectAnswer>)>,
    alarms: BTreeMap<(Timestamp, u64), Alarm>,
    next_alarm: u64,
    flushes: Vec<SyncSender<()>>,
    /// Set by a shutdown: those who want to hear when it is done.
    stopping: Option<Vec<oneshot::Sender<()>>>,
    timer: Pin<Box<Sleep>>,
    armed: Timestamp,
    spin: Spin,
    /// Whether this turn brought something that a caller may soon follow up.
    lively: bool,
    /// Until when this thread looks for work before it sleeps.
    spin_until: Timestamp,
    /// Holds that were granted in this turn.
    deliveries: Vec<Delivery>,
    /// Calls that are to be sent.
    batch: Vec<(Asker, Call)>,
    /// Whether the batch was kept for a turn already.
    kept: bool,
}

impl Core {
    fn new(setup: Setup, messages: UnboundedReceiver<Message>, mailbox: WeakMailbox) -> Self {
        let (push_sender, pushes) = unbounded_channel();
        let now = time::now();
        let machine = Machine::new(now, setup.timing, setup.inbox.clone(), setup.default_ttl);
        let mut core = Self {
            endpoint: setup.endpoint,
            machine,
            messages,
            pushes,
            push_sender,
            link: Link::Connecting(Box::pin(std::future::pending())),
            failures: 0,
            acquainted: false,
            inbox: setup.inbox,
            mailbox,
            parties: NonceMap::default(),
            groups: NonceMap::default(),
            watched: NonceMap::default(),
            confirmations: NonceMap::default(),
            inspections: Vec::new(),
            alarms: BTreeMap::new(),
            next_alarm: 0,
            flushes: Vec::new(),
            stopping: None,
            timer: Box::pin(tokio::time::sleep_until(Instant::now())),
            armed: Timestamp::ZERO,
            spin: Spin::new(),
            lively: false,
            spin_until: Timestamp::ZERO,
            deliveries: Vec::new(),
            batch: Vec::new(),
            kept: false,
        };
        core.link = core.connecting();
        core
    }

    async fn run(mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// One turn: take in all there is, do what follows, send it, sleep until there is more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = time::now();
            let taken = self.take_messages(now);
            let mut busy = taken > 0;
            busy |= self.poll_pushes(context);
            busy |= self.poll_link(context);
            if self.due().is_some_and(|due| due <= now) {
                self.machine.tick(now);
                self.ring(now);
            }
            self.do_signals(now);
            busy |= self.do_outputs(now);
            let sent = self.send(now, context);
            busy |= sent;
            self.deliver();
            self.answer_flushes();
            if self.is_done(context) {
                return Poll::Ready(());
            }
            busy |= self.poll_timer(context);
            if std::mem::take(&mut self.lively) {
                self.spin_until = now.plus(self.spin.span());
            }
            if sent && taken == MOST_AT_ONCE {
                // Only now does the connection write.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if busy {
                continue;
            }
            if now < self.spin_until {
                // Whoever has something to do on this core goes first.
                thread::yield_now();
                let mut turn = pin!(tokio::task::yield_now());
                let _ = turn.as_mut().poll(context);
                return Poll::Pending;
            }
            if !self.poll_message(now, context) {
                return Poll::Pending;
            }
        }
    }

    fn is_done(&mut self, context: &mut Context<'_>) -> bool {
        if !self.machine.is_idle() || self.stopping.is_none() {
            return false;
        }
        // Whoever came too late is told so: with a message that is merely dropped a line would wait for its answer.
        self.messages.close();
        loop {
            match self.messages.poll_recv(context) {
                Poll::Ready(Some(message)) => self.message(time::now(), message),
                Poll::Ready(None) => break,
                Poll::Pending => return false,
            }
        }
        for done in self.stopping.take().into_iter().flatten() {
            let _ = done.send(());
        }
        true
    }

    fn due(&self) -> Option<Timestamp> {
        let alarm = self.alarms.first_key_value().map(|(&(at, _), _)| at);
        [self.machine.next_tick(), alarm].into_iter().flatten().min()
    }

    /// Keeps the timer at or before the next thing due. One that is too early rings for nothing, which is
    /// cheaper than moving it with every call.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> bool {
        let Some(due) = self.due() else { return false };
        let now = time::now();
        if self.armed > due || self.armed <= now {
            self.armed = due;
            self.timer.as_mut().reset(Instant::now() + due.since(now));
        }
        self.timer.as_mut().poll(context).is_ready()
    }
}
