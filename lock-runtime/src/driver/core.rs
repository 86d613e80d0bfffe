//! The loop of the I/O thread.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::link::{Asker, Link, News, pause};
use super::mailbox::{Mailbox, Message, WeakMailbox};
use super::{Answer, InspectAnswer, exit, report};
use crate::lease::Lease;
use crate::protocol::{CallError, Failure, Loss, Machine, Output, Timing};
use crate::store::{ConnectError, Endpoint, Hello, Push};
use crate::time::{self, Timestamp};
use crate::wire::{Call, Nonce, Reply};

/// What a manager brings.
pub(crate) struct Setup {
    pub(crate) endpoint: Endpoint,
    pub(crate) timing: Timing,
    pub(crate) inbox: String,
    pub(crate) default_ttl: std::time::Duration,
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

/// How long this thread looks for more work before it sleeps: about a round trip and a short section. Waking a
/// thread costs more than the lock itself; this is what keeps a pair below two plain round trips.
const SPIN: std::time::Duration = std::time::Duration::from_micros(50);

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
    slots: HashMap<Nonce, (Arc<str>, oneshot::Sender<Answer>)>,
    leases: HashMap<Nonce, Arc<Lease>>,
    confirmations: HashMap<Nonce, oneshot::Sender<Option<bool>>>,
    inspections: Vec<(String, oneshot::Sender<InspectAnswer>)>,
    alarms: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    next_alarm: u64,
    flushes: Vec<SyncSender<()>>,
    /// Set by a shutdown: those who want to hear when it is done.
    stopping: Option<Vec<oneshot::Sender<()>>>,
    timer: Pin<Box<Sleep>>,
    armed: Timestamp,
    /// Until when this thread looks for work before it sleeps.
    spin_until: Timestamp,
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
            slots: HashMap::new(),
            leases: HashMap::new(),
            confirmations: HashMap::new(),
            inspections: Vec::new(),
            alarms: BTreeMap::new(),
            next_alarm: 0,
            flushes: Vec::new(),
            stopping: None,
            timer: Box::pin(tokio::time::sleep_until(Instant::now())),
            armed: Timestamp::ZERO,
            spin_until: Timestamp::ZERO,
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
            let mut busy = self.take_messages();
            busy |= self.poll_pushes(context);
            busy |= self.poll_link(context);
            let now = time::now();
            if self.due().is_some_and(|due| due <= now) {
                self.machine.tick(now);
                self.ring(now);
            }
            busy |= self.do_outputs(now);
            busy |= self.send(now, context);
            self.answer_flushes();
            if self.is_done() {
                return Poll::Ready(());
            }
            busy |= self.poll_timer(context);
            if busy {
                self.spin_until = now.plus(SPIN);
            } else if now < self.spin_until {
                let mut turn = pin!(tokio::task::yield_now());
                let _ = turn.as_mut().poll(context);
                return Poll::Pending;
            } else if !self.poll_message(context) {
                return Poll::Pending;
            }
        }
    }

    /// Takes messages without asking to be woken for more: as long as this thread looks for them by itself, callers
    /// need not spend a system call on waking it.
    fn take_messages(&mut self) -> bool {
        let mut any = false;
        while let Ok(message) = self.messages.try_recv() {
            self.message(message);
            any = true;
        }
        any
    }

    /// The last look before sleep; from here on a message wakes this thread.
    fn poll_message(&mut self, context: &mut Context<'_>) -> bool {
        let Poll::Ready(Some(message)) = self.messages.poll_recv(context) else { return false };
        self.message(message);
        true
    }

    fn poll_pushes(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(push)) = self.pushes.poll_recv(context) {
            any = true;
            match push {
                Push::Granted(nonce, fence) => self.machine.granted(time::now(), nonce, fence),
                Push::Disconnected(connection) if self.endpoint.is_current(connection) => {
                    self.disconnected("the server closed the connection".to_owned());
                }
                Push::Disconnected(_) => {}
            }
        }
        any
    }

    fn poll_link(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(news) = self.link.poll(context) {
            any = true;
            match news {
                News::Connected => self.connected(context),
                News::ConnectFailed(error) => self.connect_failed(error),
                News::Replies(replies) => self.replies(replies),
            }
        }
        any
    }

    fn message(&mut self, message: Message) {
        let now = time::now();
        match message {
            Message::Request(_, slot) if self.stopping.is_some() => drop(slot),
            Message::Request(request, slot) => {
                self.slots.insert(request.nonce, (Arc::clone(&request.key), slot));
                self.machine.request(now, *request);
            }
            Message::End(nonce) => {
                self.slots.remove(&nonce);
                self.leases.remove(&nonce);
                self.machine.end(now, nonce);
            }
            Message::EndConfirmed(nonce, slot) => {
                self.leases.remove(&nonce);
                self.confirmations.insert(nonce, slot);
                self.machine.end(now, nonce);
            }
            Message::Lengthen(nonce, ttl) => self.machine.lengthen(now, nonce, ttl),
            Message::Inspect(key, slot) => self.inspections.push((key, slot)),
            Message::Alarm(at, slot) => {
                self.next_alarm += 1;
                self.alarms.insert((at, self.next_alarm), slot);
            }
            Message::Flush(done) => self.flushes.push(done),
            Message::Shutdown(done) => self.shutdown(now, done),
        }
    }

    fn shutdown(&mut self, now: Timestamp, done: Option<oneshot::Sender<()>>) {
        self.stopping.get_or_insert_default().extend(done);
        self.slots.clear();
        for (_, lease) in self.leases.drain() {
            lease.lose(Loss::Shutdown);
        }
        self.machine.end_all(now);
    }

    /// Does what the machine wants done; its calls gather in the batch.
    fn do_outputs(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(id, call) => self.batch.push((Asker::Machine(id), call)),
                Output::Reconnect => {
                    self.reconnect();
                    // The new attempt has to be polled once, or nothing would wake this thread for it.
                    any = true;
                }
                output => self.tell(now, output),
            }
        }
        if matches!(self.link, Link::Up(..)) {
            let limit = 100;
            let inspections = self.inspections.drain(..);
            self.batch.extend(
                inspections
                    .map(|(key, slot)| (Asker::Inspector(slot), Call::Inspect { key, limit })),
            );
        }
        any
    }

    /// Sends the batch. A release that comes alone is kept for one turn while this thread is awake anyway: the next
    /// acquire of the same caller is often a microsecond behind, and both then cost the server one read.
    fn send(&mut self, now: Timestamp, context: &mut Context<'_>) -> bool {
        let is_end = |call: &Call| matches!(call, Call::Release(_) | Call::Cancel { .. });
        let only_ends = self.batch.iter().all(|(_, call)| is_end(call));
        if self.batch.is_empty() || (only_ends && !self.kept && now < self.spin_until) {
            self.kept = !self.batch.is_empty();
            return false;
        }
        self.kept = false;
        self.link.send(std::mem::take(&mut self.batch), context);
        true
    }

    /// Leaves the connection with all that was to be sent on it, and makes another.
    fn reconnect(&mut self) {
        self.batch.clear();
        self.link = self.connecting();
    }

    fn tell(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Granted { nonce, fence, valid_until } => {
                let Some((key, slot)) = self.slots.remove(&nonce) else {
                    return self.machine.end(now, nonce);
                };
                let Some(mailbox) = self.mailbox.upgrade() else {
                    return;
                };
                let (lease, share) = Lease::granted(key, fence, nonce, valid_until, mailbox);
                self.leases.insert(nonce, lease);
                // If nobody takes it, dropping it puts its release into the mailbox.
                drop(slot.send(Ok(share)));
            }
            Output::Failed(nonce, failure) => {
                if let Some((_, slot)) = self.slots.remove(&nonce) {
                    let _ = slot.send(Err(failure));
                }
            }
            Output::Extended(nonce, valid_until) => {
                if let Some(lease) = self.leases.get(&nonce) {
                    lease.extend(valid_until);
                }
            }
            Output::Lost(nonce, loss) => {
                if let Some(lease) = self.leases.get(&nonce) {
                    report::lost(lease, loss);
                    lease.lose(loss);
                }
            }
            Output::Ended(nonce, held) => {
                if let Some(slot) = self.confirmations.remove(&nonce) {
                    let _ = slot.send(held);
                }
            }
            Output::StillWaiting { nonce, waited, busy } => {
                if let Some((key, _)) = self.slots.get(&nonce) {
                    report::still_waiting(key, waited, busy.as_ref());
                }
            }
            Output::Send(..) | Output::Reconnect => {}
        }
    }

    fn replies(&mut self, replies: Vec<(Asker, Result<Reply, CallError>)>) {
        let now = time::now();
        let broken = replies.iter().any(|(_, reply)| matches!(reply, Err(CallError::Broken)));
        for (asker, reply) in replies {
            match asker {
                Asker::Machine(id) => self.machine.reply(now, id, reply),
                Asker::Inspector(slot) => {
                    let _ = slot.send(inspected(reply));
                }
            }
        }
        if broken {
            self.disconnected("the connection broke".to_owned());
        }
    }

    fn connecting(&mut self) -> Link {
        let hello = Hello {
            inbox: self.inbox.clone(),
            floor: self.machine.floor(),
            quarantine: self.machine.quarantine(),
            acquainted: self.acquainted,
        };
        let pause = if self.failures == 0 {
            std::time::Duration::ZERO
        } else {
            pause(self.failures - 1, uuid::Uuid::new_v4().as_bytes()[0])
        };
        let attempt = self.endpoint.connect(hello, self.push_sender.clone());
        Link::Connecting(Box::pin(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            attempt.await
        }))
    }

    fn connected(&mut self, _context: &mut Context<'_>) {
        self.failures = 0;
        self.acquainted = true;
        self.machine.connected(time::now());
    }

    fn connect_failed(&mut self, error: ConnectError) {
        self.failures += 1;
        for (_, slot) in self.inspections.drain(..) {
            let _ = slot.send(Err(error.clone().into()));
        }
        if self.failures == 1 {
            tracing::warn!(target: "distlock", error = %error.text, "cannot connect; trying again");
        }
        self.machine.connect_failed(time::now(), error.text, error.hopeless);
        self.link = self.connecting();
    }

    fn disconnected(&mut self, because: String) {
        if matches!(self.link, Link::Up(..)) {
            tracing::debug!(target: "distlock", because, "connection lost");
            self.machine.disconnected(time::now(), because);
            self.reconnect();
        }
    }

    fn ring(&mut self, now: Timestamp) {
        while self.alarms.first_key_value().is_some_and(|(&(at, _), _)| at <= now) {
            if let Some((_, slot)) = self.alarms.pop_first() {
                let _ = slot.send(());
            }
        }
    }

    fn answer_flushes(&mut self) {
        if !self.flushes.is_empty() && !self.machine.is_ending() {
            for done in self.flushes.drain(..) {
                let _ = done.try_send(());
            }
        }
    }

    fn is_done(&mut self) -> bool {
        if !self.machine.is_idle() || self.stopping.is_none() {
            return false;
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

fn inspected(reply: Result<Reply, CallError>) -> InspectAnswer {
    match reply {
        Ok(Reply::Inspection(inspection)) => Ok(inspection),
        Ok(_) => Err(Failure::Refused("mixed up replies".to_owned())),
        Err(CallError::Refused(why) | CallError::Garbled(why)) => Err(Failure::Refused(why)),
        Err(CallError::NotNow(why)) => Err(Failure::Unavailable(why)),
        Err(CallError::Unloaded) => {
            Err(Failure::Unavailable("the server lost its scripts".to_owned()))
        }
        Err(CallError::Broken) => Err(Failure::Unavailable("the connection broke".to_owned())),
    }
}
