//! The way from callers to the I/O thread, and the slots in which its answers arrive.

use std::process;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::io::asked::{AcquireAllFuture, AcquireFuture, DeadlockWatch, MultiOutcome};
use crate::local::grant_channel::AcquireOutcome;
use crate::local::grant_channel::{GrantSender, grant_channel};
use crate::local::key_queue::IoHandle;
use crate::local::key_queue::KeyQueue;
use crate::local::lease::{Callback, LeaseBackend};
use crate::protocol::claim::{Confirmation, Failure, Request};
use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::Nonce;
use crate::types::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::types::sync::mpsc::{Receiver, SyncSender, sync_channel};
use crate::types::time::Timestamp;
use crate::user_code::wakers;
use crate::wire::probe::{Member, Standing};
use crate::wire::reply::Inspection;

/// What an inspection found, or why it could not look.
pub type InspectAnswer = Result<Inspection, Failure>;

/// What callers ask of the I/O thread.
pub enum Message {
    Request(Box<Request>, GrantSender<AcquireOutcome>),
    /// Ask for the first in a line, in the place of a request that is withdrawn.
    Ask(Box<Request>, Option<Nonce>, Arc<KeyQueue>),
    ResetMaxHold(Nonce, Timestamp),
    /// Grant all of these at once, or none.
    RequestAll(Vec<Request>, GrantSender<MultiOutcome>),
    /// Look whether this wait is for itself.
    Watch(Box<WaitRegistration>, oneshot::Sender<Vec<Member>>),
    Unwatch(Nonce),
    End(Nonce),
    EndConfirmed(Nonce, oneshot::Sender<Confirmation>),
    Lengthen(Nonce, Duration),
    /// Renew now, to last at least so long; answer with the new end once it is confirmed.
    Extend(Nonce, Duration, oneshot::Sender<Timestamp>),
    /// Call this where code of users is called.
    Call(Callback),
    Inspect(String, oneshot::Sender<InspectAnswer>),
    /// Ring at this instant; the number distinguishes alarms of one instant.
    Alarm(Timestamp, u64, Alarm),
    /// Nobody waits for that alarm any more.
    Disarm(Timestamp, u64),
    /// Give up what is kept with nobody inside, and answer when all that is being released or undone by then is done.
    Flush(SyncSender<()>),
    /// What was given up for a flush has been posted before this.
    FlushBarrier(SyncSender<()>),
    /// End all holds and requests; answer when that is done.
    Shutdown(Option<oneshot::Sender<()>>),
    /// Panic, for a test.
    #[cfg(test)]
    Panic,
}

/// A wait inside of other locks.
pub struct WaitRegistration {
    pub id: Nonce,
    /// What it waits for.
    pub key: Arc<str>,
    pub since: Timestamp,
    pub who: OwnerInfo,
    /// What stands in its way at this instant, and inside of what it waits.
    pub stands: Box<dyn Fn() -> Standing + Send>,
}

/// Who is to be woken.
pub enum Alarm {
    Caller(oneshot::Sender<()>),
    Queue(Weak<KeyQueue>),
}

/// The bare line to the I/O thread.
#[derive(Clone)]
pub struct MailboxSender {
    sender: UnboundedSender<Message>,
    thread: Arc<IoThreadState>,
}

/// What callers know of the I/O thread.
struct IoThreadState {
    /// The process that it runs in. A fork does not take it along.
    process: u32,
    panicked: AtomicBool,
    /// How many alarms were asked for.
    alarms: AtomicU64,
}

impl MailboxSender {
    pub fn new(sender: UnboundedSender<Message>) -> Self {
        let thread = IoThreadState {
            process: process::id(),
            panicked: AtomicBool::new(false),
            alarms: AtomicU64::new(0),
        };
        Self { sender, thread: Arc::new(thread) }
    }

    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether this process is a fork of the one that has the I/O thread.
    fn is_of_another_process(&self) -> bool {
        process::id() != self.thread.process
    }

    /// Has an alarm ring; its number.
    fn arm(&self, at: Timestamp, alarm: Alarm) -> u64 {
        let number = self.thread.alarms.fetch_add(1, Ordering::Relaxed);
        self.send(Message::Alarm(at, number, alarm));
        number
    }

    /// The I/O thread ends by a panic.
    pub fn panicked(&self) {
        self.thread.panicked.store(true, Ordering::Release);
    }

    /// Has the I/O thread see out what was released so far. The receiver hears when that is done, or that the thread has ended,
    /// which means the same: nothing is left to send.
    pub fn flush(&self) -> Receiver<()> {
        let (done, wait) = sync_channel(1);
        self.send(Message::Flush(done));
        wait
    }

    /// Whether the I/O thread takes the message. It does until it was shut down. In a fork nobody would ever take it, and the
    /// connection belongs to the other process.
    fn send(&self, message: Message) -> bool {
        !self.is_of_another_process() && self.sender.send(message).is_ok()
    }
}

/// A handle of a caller. When the last one is gone the I/O thread ends what is left and stops.
#[derive(Clone)]
pub struct Mailbox(Arc<Handle>);

struct Handle(MailboxSender);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.send(Message::Shutdown(None));
    }
}

impl LeaseBackend for Handle {
    fn release(&self, nonce: Nonce, _fence: Fence) {
        IoHandle::release(self, nonce);
    }

    fn release_and_confirm(&self, nonce: Nonce, _fence: Fence) -> oneshot::Receiver<Confirmation> {
        IoHandle::release_and_confirm(self, nonce)
    }

    fn ensure_ttl(&self, nonce: Nonce, ttl: Duration) {
        IoHandle::ensure_ttl(self, nonce, ttl);
    }

    fn renew_now(&self, nonce: Nonce, ttl: Duration) -> oneshot::Receiver<Timestamp> {
        IoHandle::renew_now(self, nonce, ttl)
    }

    fn run_callback(&self, callback: Callback) {
        IoHandle::run_callback(self, callback);
    }
}

impl IoHandle for Handle {
    fn acquire(&self, request: Request, replaces: Option<Nonce>, queue: Arc<KeyQueue>) -> bool {
        self.0.send(Message::Ask(Box::new(request), replaces, queue))
    }

    fn release(&self, nonce: Nonce) {
        self.0.send(Message::End(nonce));
    }

    fn reset_max_hold(&self, nonce: Nonce, at: Timestamp) {
        self.0.send(Message::ResetMaxHold(nonce, at));
    }

    fn set_timer(&self, at: Timestamp, queue: Weak<KeyQueue>) -> u64 {
        self.0.arm(at, Alarm::Queue(queue))
    }

    fn cancel_timer(&self, at: Timestamp, alarm: u64) {
        self.0.send(Message::Disarm(at, alarm));
    }

    fn release_and_confirm(&self, nonce: Nonce) -> oneshot::Receiver<Confirmation> {
        let (slot, answer) = oneshot::channel();
        self.0.send(Message::EndConfirmed(nonce, slot));
        answer
    }

    fn ensure_ttl(&self, nonce: Nonce, ttl: Duration) {
        self.0.send(Message::Lengthen(nonce, ttl));
    }

    fn renew_now(&self, nonce: Nonce, ttl: Duration) -> oneshot::Receiver<Timestamp> {
        let (slot, answer) = oneshot::channel();
        self.0.send(Message::Extend(nonce, ttl, slot));
        answer
    }

    fn run_callback(&self, callback: Callback) {
        self.0.send(Message::Call(callback));
    }
}

impl Mailbox {
    pub fn new(sender: UnboundedSender<Message>) -> Self {
        Self(Arc::new(Handle(MailboxSender::new(sender))))
    }

    pub fn line(&self) -> &MailboxSender {
        &self.0.0
    }

    /// Whether this process is a fork of the one that has the I/O thread, and its locks.
    pub fn is_of_another_process(&self) -> bool {
        self.line().is_of_another_process()
    }

    /// Whether the I/O thread ended by a panic.
    pub fn has_panicked(&self) -> bool {
        self.line().thread.panicked.load(Ordering::Acquire)
    }

    /// Itself, as what a queue needs of it.
    pub fn io_handle(&self) -> Arc<dyn IoHandle> {
        Arc::clone(&self.0) as Arc<dyn IoHandle>
    }

    /// Itself, as what a lease needs of it.
    pub fn lease_backend(&self) -> Arc<dyn LeaseBackend> {
        Arc::clone(&self.0) as Arc<dyn LeaseBackend>
    }

    pub fn downgrade(&self) -> WeakMailbox {
        WeakMailbox(Arc::downgrade(&self.0))
    }

    /// Asks for a lock. The returned future may be dropped at any time: what was asked is then undone.
    pub fn request(&self, request: Request) -> AcquireFuture {
        let (slot, answer) = grant_channel();
        let nonce = request.nonce;
        self.line().send(Message::Request(Box::new(request), slot));
        AcquireFuture { answer, nonce, mailbox: Some(self.clone()) }
    }

    /// Asks for several locks, all or none. The returned future may be dropped at any time.
    pub fn request_all(&self, requests: Vec<Request>) -> AcquireAllFuture {
        let (slot, answer) = grant_channel();
        let nonces = requests.iter().map(|request| request.nonce).collect();
        self.line().send(Message::RequestAll(requests, slot));
        AcquireAllFuture { answer, nonces, mailbox: Some(self.clone()) }
    }

    pub fn release(&self, nonce: Nonce) {
        IoHandle::release(&*self.0, nonce);
    }

    /// Comes back behind all that was posted so far.
    pub fn gave_up(&self, done: SyncSender<()>) {
        self.line().send(Message::FlushBarrier(done));
    }

    pub fn unwatch(&self, id: Nonce) {
        self.line().send(Message::Unwatch(id));
    }

    /// Has a wait watched until the returned future is dropped.
    pub fn watch(&self, wait: WaitRegistration) -> DeadlockWatch {
        let (slot, answer) = oneshot::channel();
        let id = wait.id;
        self.line().send(Message::Watch(Box::new(wait), slot));
        DeadlockWatch { answer, id, mailbox: self.clone() }
    }

    pub fn inspect(&self, key: String) -> oneshot::Receiver<InspectAnswer> {
        let (slot, answer) = oneshot::channel();
        self.line().send(Message::Inspect(key, slot));
        answer
    }

    /// Ready at `at`; never, if there is no such instant. A timer for callers of any runtime, or of none.
    pub async fn alarm(&self, at: Option<Timestamp>) {
        let Some(at) = at else {
            return std::future::pending().await;
        };
        let (slot, ring) = oneshot::channel();
        let number = self.line().arm(at, Alarm::Caller(slot));
        let mut armed = Armed { line: self.line(), at, number, rings: false };
        // A closed line rings at once: there is no one to wait for any more.
        let _ = wakers::with_guarded(ring).await;
        armed.rings = true;
    }

    #[cfg(test)]
    pub fn panic(&self) {
        self.line().send(Message::Panic);
    }

    pub fn shutdown(&self) -> oneshot::Receiver<()> {
        let (slot, done) = oneshot::channel();
        self.line().send(Message::Shutdown(Some(slot)));
        done
    }
}

/// An alarm that goes with the future that waits for it.
struct Armed<'a> {
    line: &'a MailboxSender,
    at: Timestamp,
    number: u64,
    rings: bool,
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        if !self.rings {
            self.line.send(Message::Disarm(self.at, self.number));
        }
    }
}

/// A handle that does not keep the I/O thread.
pub struct WeakMailbox(Weak<Handle>);

impl WeakMailbox {
    pub fn upgrade(&self) -> Option<Mailbox> {
        self.0.upgrade().map(Mailbox)
    }
}
