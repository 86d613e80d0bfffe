//! The I/O thread: how it starts, its loop, how long it polls before it sleeps, and the exit of the
//! process.
//!
//! The loop takes messages, notifications and replies, passes them to the dispatcher, sends the
//! commands that result, and delivers grants.

pub(crate) mod connection;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::mem;
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::sync::{Mutex, Once};
use std::task::{Context, Poll, RawWakerVTable, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Sleep;

use crate::backend::Push;
use crate::backend::endpoint::Endpoint;
use crate::io::block_on;
use crate::io::dispatcher::Dispatcher;
use crate::io::event_loop::connection::Link;
use crate::io::mailbox::{Mailbox, MailboxSender, Message, WeakMailbox};
use crate::protocol::Protocol;
use crate::protocol::request::Loss;
use crate::protocol::timing::Timing;
use crate::types::time::{self, Timestamp};
use crate::user_code;
use crate::wire::command::Command;

/// Messages taken in one pass. With many callers the server works on the first of them while this
/// thread takes the next.
const MAX_MESSAGES_PER_PASS: usize = 32;

pub(crate) struct Setup {
    pub(crate) endpoint: Endpoint,
    pub(crate) timing: Timing,
    pub(crate) inbox: String,
    pub(crate) default_ttl: Duration,
}

/// Starts the I/O thread. It ends after a shutdown, or when the last mailbox is dropped and
/// everything is released.
pub(crate) fn start(setup: Setup) -> std::io::Result<Mailbox> {
    let (sender, messages) = unbounded_channel();
    let mailbox = Mailbox::new(sender);
    let weak = mailbox.downgrade();
    let sender = mailbox.sender().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("distlock-io".to_owned()).spawn(move || {
        user_code::mark_io_thread();
        user_code::register_harmless(|| harmless_wakers(&runtime));
        runtime.block_on(async { EventLoop::new(setup, messages, weak, sender).run().await });
    })?;
    flush_on_exit(mailbox.sender());
    Ok(mailbox)
}

/// The vtables of wakers that never block: those of [`block_on`], and those of tokio's tasks and
/// its `block_on`.
fn harmless_wakers(runtime: &Runtime) -> Vec<&'static RawWakerVTable> {
    let kind = || poll_fn(|context: &mut Context<'_>| Poll::Ready(context.waker().vtable()));
    let of_task = runtime.block_on(async { tokio::spawn(kind()).await.ok() });
    let of_block_on = [runtime.block_on(kind()), runtime.handle().block_on(kind())];
    of_task.into_iter().chain(of_block_on).chain([block_on::waker_kind()]).collect()
}

struct EventLoop {
    sender: MailboxSender,
    endpoint: Endpoint,
    dispatcher: Dispatcher,
    messages: UnboundedReceiver<Message>,
    pushes: UnboundedReceiver<Push>,
    push_sender: tokio::sync::mpsc::UnboundedSender<Push>,
    link: Link,
    /// Failed attempts to connect since the last success.
    failures: u32,
    /// When the connection was lost, if that was logged.
    down_since: Option<Timestamp>,
    connected_before: bool,
    inbox: String,
    timer: Pin<Box<Sleep>>,
    timer_at: Timestamp,
    busy_poll: BusyPoll,
    poll_until: Timestamp,
    /// Whether the batch was held back for one pass.
    release_deferred: bool,
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        self.sender.mark_panicked();
        self.messages.close();
        self.dispatcher.lose_all(&Loss::Panicked);
        // Callers may have sent requests since. Their queues would wait for an answer forever.
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match self.messages.poll_recv(&mut context) {
                Poll::Ready(Some(message)) => message.refuse(&Loss::Panicked),
                Poll::Ready(None) => break,
                // A caller is in the middle of a send.
                Poll::Pending => thread::yield_now(),
            }
        }
    }
}

impl EventLoop {
    fn new(
        setup: Setup,
        messages: UnboundedReceiver<Message>,
        mailbox: WeakMailbox,
        sender: MailboxSender,
    ) -> Self {
        let (push_sender, pushes) = unbounded_channel();
        let now = time::now();
        let protocol = Protocol::new(now, setup.timing, setup.inbox.clone(), setup.default_ttl);
        let mut event_loop = Self {
            sender,
            endpoint: setup.endpoint,
            dispatcher: Dispatcher::new(protocol, mailbox),
            messages,
            pushes,
            push_sender,
            link: Link::Connecting(Box::pin(std::future::pending())),
            failures: 0,
            down_since: None,
            connected_before: false,
            inbox: setup.inbox,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            timer_at: Timestamp::ZERO,
            busy_poll: BusyPoll::new(),
            poll_until: Timestamp::ZERO,
            release_deferred: false,
        };
        event_loop.link = event_loop.connecting();
        event_loop
    }

    async fn run(mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    /// One pass: take what there is, process it, send, sleep until there is more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = time::now();
            let taken = self.take_messages(now);
            let mut busy = taken > 0;
            busy |= self.poll_pushes(context);
            busy |= self.poll_link(context);
            if self.dispatcher.due().is_some_and(|due| due <= now) {
                self.dispatcher.tick(now);
            }
            busy |= self.process_outputs(now);
            let sent = self.send(now, context);
            busy |= sent;
            self.dispatcher.deliver_grants();
            self.dispatcher.answer_flushes();
            if self.is_done(context) {
                return Poll::Ready(());
            }
            busy |= self.poll_timer(context);
            if mem::take(&mut self.dispatcher.recent_activity) {
                self.poll_until = now.plus(self.busy_poll.span());
            }
            if sent && taken == MAX_MESSAGES_PER_PASS {
                // The connection writes only when this returns.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if busy {
                continue;
            }
            if now < self.poll_until {
                // Other threads of this core go first.
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

    /// Takes messages without registering a waker. While this thread polls, a caller need not make
    /// a system call to wake it.
    fn take_messages(&mut self, now: Timestamp) -> usize {
        let mut taken = 0;
        while taken < MAX_MESSAGES_PER_PASS
            && let Ok(message) = self.messages.try_recv()
        {
            self.dispatcher.message(now, message);
            taken += 1;
        }
        taken
    }

    /// The last check before sleeping. Registers the waker.
    fn poll_message(&mut self, now: Timestamp, context: &mut Context<'_>) -> bool {
        let Poll::Ready(Some(message)) = self.messages.poll_recv(context) else { return false };
        self.dispatcher.message(now, message);
        true
    }

    /// Carries out what the dispatcher decided. Returns whether the new connection has to be
    /// polled.
    fn process_outputs(&mut self, now: Timestamp) -> bool {
        self.dispatcher.drain_outputs(now);
        let needs_reconnect = mem::take(&mut self.dispatcher.needs_reconnect);
        if needs_reconnect {
            // It has to be polled once, or nothing wakes this thread for it.
            self.reconnect();
        }
        if matches!(self.link, Link::Up(..)) {
            self.dispatcher.inspect();
        }
        needs_reconnect
    }

    /// Sends the batch. While this thread is awake anyway it holds back a lone release for one
    /// pass: the caller's next acquire often comes a microsecond later, and the server then reads
    /// both at once.
    fn send(&mut self, now: Timestamp, context: &mut Context<'_>) -> bool {
        let is_end =
            |call: &Command| matches!(call, Command::Release { .. } | Command::Cancel { .. });
        let batch = &self.dispatcher.batch;
        let only_ends = batch.iter().all(|(_, call)| is_end(call));
        if batch.is_empty() || (only_ends && !self.release_deferred && now < self.poll_until) {
            self.release_deferred = !batch.is_empty();
            return false;
        }
        self.release_deferred = false;
        let is_handed_off =
            |call: &Command| matches!(call, Command::Release { contended: true, .. });
        if only_ends && batch.iter().any(|(_, call)| is_handed_off(call)) {
            // The next holder is in another process and needs the core that polling would take.
            self.dispatcher.recent_activity = false;
            self.poll_until = now;
        }
        self.link.send(mem::take(&mut self.dispatcher.batch), context);
        true
    }

    fn is_done(&mut self, context: &mut Context<'_>) -> bool {
        if !self.dispatcher.is_shut_down() {
            return false;
        }
        // Late messages are answered, not dropped: a queue would wait for its answer.
        self.messages.close();
        loop {
            match self.messages.poll_recv(context) {
                Poll::Ready(Some(message)) => self.dispatcher.message(time::now(), message),
                Poll::Ready(None) => break,
                Poll::Pending => return false,
            }
        }
        self.dispatcher.confirm_shutdown();
        true
    }

    /// Keeps the timer at or before the next due instant. A wake-up that is too early is cheaper
    /// than moving the timer with each command.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> bool {
        let Some(due) = self.dispatcher.due() else { return false };
        let now = time::now();
        if self.timer_at > due || self.timer_at <= now {
            self.timer_at = due;
            self.timer.as_mut().reset(tokio::time::Instant::now() + due.since(now));
        }
        self.timer.as_mut().poll(context).is_ready()
    }
}

/// How long the I/O thread polls for work before it sleeps.
///
/// Waking a thread costs more than taking a lock. While replies are fast, the I/O thread stays
/// awake for them and for the caller that acts on them: for two average round trips, within limits.
/// With slow replies it polls only for a caller's next message. With one core it does not poll at
/// all. Each poll yields to other threads.
#[derive(Debug)]
struct BusyPoll {
    enabled: bool,
    /// Moving average.
    round_trip: Duration,
}

const MAX_POLL: Duration = Duration::from_micros(200);
/// For round trips that are too long to poll for: covers the next message of a caller that just got
/// its reply.
const MIN_POLL: Duration = Duration::from_micros(20);

impl BusyPoll {
    fn new() -> Self {
        let enabled = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        Self { enabled, round_trip: MAX_POLL / 4 }
    }

    fn record_round_trip(&mut self, round_trip: Duration) {
        // So that one stall does not count for long.
        let seen = round_trip.min(MAX_POLL * 4);
        self.round_trip = (self.round_trip * 7 + seen) / 8;
    }

    /// How long to poll after the latest work.
    fn span(&self) -> Duration {
        let wanted = self.round_trip * 2;
        match self.enabled {
            false => Duration::ZERO,
            true if wanted > MAX_POLL * 2 => MIN_POLL,
            true => wanted.clamp(MIN_POLL, MAX_POLL),
        }
    }
}

/// How long the exit of the process waits for pending releases.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The I/O threads of this process, and of those it was forked from.
static SENDERS: Mutex<Vec<MailboxSender>> = Mutex::new(Vec::new());

/// Makes the exit of the process wait for the releases of this sender.
///
/// A release is sent without waiting for the reply. A hook that runs at exit (after `main` has
/// returned or panicked, and in `std::process::exit`) waits until the I/O threads have sent theirs.
/// They still run at that time. A thread that ends needs no such hook.
fn flush_on_exit(sender: &MailboxSender) {
    static HOOK: Once = Once::new();
    with_senders(|senders| {
        senders.retain(|known| !known.is_closed());
        senders.push(sender.clone());
    });
    HOOK.call_once(|| {
        shutdown_hooks::add_shutdown_hook(at_exit);
    });
}

extern "C" fn at_exit() {
    // A panic must not cross the C frame.
    let _ = catch_unwind(|| {
        if !user_code::is_io_thread() {
            flush_all();
        }
    });
}

fn flush_all() {
    let end = Instant::now() + FLUSH_TIMEOUT;
    let mut flushes = Vec::new();
    with_senders(|senders| flushes.extend(senders.iter().map(MailboxSender::flush)));
    for flushed in flushes {
        let _ = flushed.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// Gives up after a while: in a fork, a thread that does not exist there may hold the lock.
fn with_senders(mut use_them: impl FnMut(&mut Vec<MailboxSender>)) {
    let end = Instant::now() + FLUSH_TIMEOUT;
    while Instant::now() < end {
        if let Ok(mut senders) = SENDERS.try_lock() {
            return use_them(&mut senders);
        }
        thread::yield_now();
    }
}
