//! The channel from callers to the I/O thread, and the futures of its replies. Dropping one undoes
//! its request.

use std::pin::Pin;
use std::process;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::local::key_queue::{IoHandle, KeyQueue};
use crate::local::lease::Callback;
use crate::protocol::request::{Failure, Loss, ReleaseOutcome, RequestParams};
use crate::types::environment::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::types::environment::mpsc::{Receiver, SyncSender, sync_channel};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::user_code;
use crate::wire::command::WaitState;
use crate::wire::reply::{BlockedRequest, LockState};

pub type InspectAnswer = Result<LockState, Failure>;

/// What callers ask of the I/O thread.
pub enum Message {
    /// For the first waiter of a queue. May replace a cancelled request.
    Acquire(Box<RequestParams>, Option<RequestId>, Arc<KeyQueue>),
    ResetMaxHold(RequestId, Timestamp),
    /// All of these or none.
    AcquireAll(Vec<(RequestParams, Arc<KeyQueue>)>),
    /// Watch this wait for a deadlock.
    RegisterWait(Box<WaitRegistration>, oneshot::Sender<Vec<BlockedRequest>>),
    UnregisterWait(RequestId),
    Release(RequestId),
    ReleaseAndConfirm(RequestId, oneshot::Sender<ReleaseOutcome>),
    EnsureTtl(RequestId, Duration),
    /// Renew now, with at least this ttl, and send the new deadline once it is confirmed.
    Renew(RequestId, Duration, oneshot::Sender<Timestamp>),
    /// Run a user's callback.
    RunCallback(Callback),
    Inspect(String, oneshot::Sender<InspectAnswer>),
    /// The number distinguishes timers of one instant.
    SetTimer(Timestamp, u64, TimerTarget),
    CancelTimer(Timestamp, u64),
    /// Release lingering leases, and answer when everything that is being released is.
    Flush(SyncSender<()>),
    /// Comes back to this thread behind the messages that a flush has caused.
    FlushBarrier(SyncSender<()>),
    /// Release all leases, cancel all requests, and answer when that is done.
    Shutdown(Option<oneshot::Sender<()>>),
    /// Panic. For a test.
    #[cfg(test)]
    Panic,
}

impl Message {
    /// Answers a request that comes when nothing is granted any more: its queue would wait for the
    /// answer. Callers notice the end of the other messages' channels.
    pub fn refuse(self, loss: &Loss) {
        match self {
            Self::Acquire(_, _, queue) => queue.close(loss.clone()),
            Self::AcquireAll(requests) => {
                for (_, queue) in requests {
                    queue.close(loss.clone());
                }
            }
            _ => {}
        }
    }
}

/// A wait of a caller that holds other locks.
pub struct WaitRegistration {
    pub id: RequestId,
    pub key: Arc<str>,
    pub since: Timestamp,
    pub owner: OwnerInfo,
    /// What it waits for now, and which sections it is in.
    pub wait_state: Box<dyn Fn() -> WaitState + Send>,
}

/// What a timer wakes.
pub enum TimerTarget {
    Caller(oneshot::Sender<()>),
    Queue(Weak<KeyQueue>),
}

/// The sending half of the mailbox.
#[derive(Clone)]
pub struct MailboxSender {
    sender: UnboundedSender<Message>,
    thread: Arc<IoThreadState>,
}

struct IoThreadState {
    /// The process id. A fork has no I/O thread.
    process: u32,
    mark_panicked: AtomicBool,
    /// How many timers were set.
    timers: AtomicU64,
}

impl MailboxSender {
    pub fn new(sender: UnboundedSender<Message>) -> Self {
        let thread = IoThreadState {
            process: process::id(),
            mark_panicked: AtomicBool::new(false),
            timers: AtomicU64::new(0),
        };
        Self { sender, thread: Arc::new(thread) }
    }

    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether this process is a fork of the one that runs the I/O thread.
    fn is_forked(&self) -> bool {
        process::id() != self.thread.process
    }

    /// Returns the number of the timer.
    fn set_timer(&self, at: Timestamp, target: TimerTarget) -> u64 {
        let number = self.thread.timers.fetch_add(1, Ordering::Relaxed);
        self.send(Message::SetTimer(at, number, target));
        number
    }

    /// The I/O thread is panicking.
    pub fn mark_panicked(&self) {
        self.thread.mark_panicked.store(true, Ordering::Release);
    }

    /// Waits for all releases so far. The receiver also wakes if the I/O thread has ended: nothing
    /// is left to send then.
    pub fn flush(&self) -> Receiver<()> {
        let (done, wait) = sync_channel(1);
        self.send(Message::Flush(done));
        wait
    }

    /// Returns false if the manager was shut down, or in a fork: the connection belongs to the
    /// other process.
    pub(super) fn send(&self, message: Message) -> bool {
        !self.is_forked() && self.sender.send(message).is_ok()
    }

    /// Sends a message with a channel for the answer.
    fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        self.send(message(sender));
        receiver
    }
}

/// A caller's handle. When the last one is dropped the I/O thread releases everything and stops.
#[derive(Clone)]
pub struct Mailbox(Arc<MailboxInner>);

struct MailboxInner(MailboxSender);

impl Drop for MailboxInner {
    fn drop(&mut self) {
        self.0.send(Message::Shutdown(None));
    }
}

impl IoHandle for MailboxInner {
    fn acquire(
        &self,
        request: RequestParams,
        replaces: Option<RequestId>,
        queue: Arc<KeyQueue>,
    ) -> bool {
        self.0.send(Message::Acquire(Box::new(request), replaces, queue))
    }

    fn acquire_all(&self, requests: Vec<(RequestParams, Arc<KeyQueue>)>) -> bool {
        self.0.send(Message::AcquireAll(requests))
    }

    fn release(&self, id: RequestId) {
        self.0.send(Message::Release(id));
    }

    fn reset_max_hold(&self, id: RequestId, at: Timestamp) {
        self.0.send(Message::ResetMaxHold(id, at));
    }

    fn set_timer(&self, at: Timestamp, queue: Weak<KeyQueue>) -> u64 {
        self.0.set_timer(at, TimerTarget::Queue(queue))
    }

    fn cancel_timer(&self, at: Timestamp, alarm: u64) {
        self.0.send(Message::CancelTimer(at, alarm));
    }

    fn release_and_confirm(&self, id: RequestId) -> oneshot::Receiver<ReleaseOutcome> {
        self.0.ask(|sender| Message::ReleaseAndConfirm(id, sender))
    }

    fn ensure_ttl(&self, id: RequestId, ttl: Duration) {
        self.0.send(Message::EnsureTtl(id, ttl));
    }

    fn renew_now(&self, id: RequestId, ttl: Duration) -> oneshot::Receiver<Timestamp> {
        self.0.ask(|sender| Message::Renew(id, ttl, sender))
    }

    fn run_callback(&self, callback: Callback) {
        self.0.send(Message::RunCallback(callback));
    }
}

impl Mailbox {
    pub fn new(sender: UnboundedSender<Message>) -> Self {
        Self(Arc::new(MailboxInner(MailboxSender::new(sender))))
    }

    pub fn sender(&self) -> &MailboxSender {
        &self.0.0
    }

    /// Whether this process is a fork of the one that has the locks.
    pub fn is_forked(&self) -> bool {
        self.sender().is_forked()
    }

    pub fn has_panicked(&self) -> bool {
        self.sender().thread.mark_panicked.load(Ordering::Acquire)
    }

    pub fn io_handle(&self) -> Arc<dyn IoHandle> {
        Arc::clone(&self.0) as Arc<dyn IoHandle>
    }

    pub fn downgrade(&self) -> WeakMailbox {
        WeakMailbox(Arc::downgrade(&self.0))
    }

    /// Watches a wait for deadlocks until the returned future is dropped.
    pub fn register_wait(&self, wait: WaitRegistration) -> DeadlockWatch {
        let id = wait.id;
        let receiver = self.sender().ask(|sender| Message::RegisterWait(Box::new(wait), sender));
        DeadlockWatch { receiver, id, mailbox: self.clone() }
    }

    pub fn inspect(&self, key: String) -> oneshot::Receiver<InspectAnswer> {
        self.sender().ask(|sender| Message::Inspect(key, sender))
    }

    /// Ready at `at`, or never if that is `None`. Works in any runtime, or none.
    pub async fn sleep_until(&self, at: Option<Timestamp>) {
        let Some(at) = at else {
            return std::future::pending().await;
        };
        let (sender, fired) = oneshot::channel();
        let number = self.sender().set_timer(at, TimerTarget::Caller(sender));
        let mut timer_at = TimerGuard { sender: self.sender(), at, number, fired: false };
        // A closed channel completes at once: there is nothing to wait for.
        let _ = user_code::with_guarded(fired).await;
        timer_at.fired = true;
    }

    #[cfg(test)]
    pub fn panic(&self) {
        self.sender().send(Message::Panic);
    }

    pub fn shutdown(&self) -> oneshot::Receiver<()> {
        self.sender().ask(|sender| Message::Shutdown(Some(sender)))
    }
}

/// Cancels its timer when the future is dropped.
struct TimerGuard<'a> {
    sender: &'a MailboxSender,
    at: Timestamp,
    number: u64,
    fired: bool,
}

impl Drop for TimerGuard<'_> {
    fn drop(&mut self) {
        if !self.fired {
            self.sender.send(Message::CancelTimer(self.at, self.number));
        }
    }
}

pub struct WeakMailbox(Weak<MailboxInner>);

impl WeakMailbox {
    pub fn upgrade(&self) -> Option<Mailbox> {
        self.0.upgrade().map(Mailbox)
    }
}

/// A wait that deadlock detection watches until this is dropped.
pub struct DeadlockWatch {
    pub receiver: oneshot::Receiver<Vec<BlockedRequest>>,
    pub id: RequestId,
    pub mailbox: Mailbox,
}

impl Future for DeadlockWatch {
    /// The cycle that this wait is part of. `None`: the manager was shut down.
    type Output = Option<Vec<BlockedRequest>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        user_code::poll_guarded(Pin::new(&mut self.receiver), context).map(Result::ok)
    }
}

impl Drop for DeadlockWatch {
    fn drop(&mut self) {
        self.mailbox.sender().send(Message::UnregisterWait(self.id));
    }
}
