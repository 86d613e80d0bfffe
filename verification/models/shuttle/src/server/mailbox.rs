//! What the queues of a process ask of the model of the server, in order.

use std::future::ready;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use distlock_runtime::verification::{
    Answer, Callback, IoHandle, KeyQueue, ReleaseOutcome, RequestId, RequestParams, Timestamp,
};
use shuttle::sync::{Mutex, MutexGuard};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

pub(crate) enum Message {
    Acquire(RequestParams, Option<RequestId>, Arc<KeyQueue>),
    Release(RequestId),
    ReleaseAndConfirm(RequestId, oneshot::Sender<ReleaseOutcome>),
    /// The number distinguishes timers of one instant.
    SetTimer(Timestamp, u64, Weak<KeyQueue>),
    CancelTimer(Timestamp, u64),
    RunCallback(Callback),
    /// Release what lingers, and answer when nothing is left to do.
    Flush(oneshot::Sender<()>),
    Shutdown,
}

/// The sending end. It is locked for each message, as the link is.
pub(crate) struct Mailbox(Mutex<Sender>);

struct Sender {
    messages: UnboundedSender<Message>,
    /// How many timers were set.
    timers: u64,
}

impl Mailbox {
    pub(super) fn new(messages: UnboundedSender<Message>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Sender { messages, timers: 0 })))
    }

    pub(crate) fn shut_down(&self) {
        self.send(Message::Shutdown);
    }

    /// The answer comes when the server has done what was asked so far. It fails if the server has
    /// ended and has nothing left to do.
    pub(crate) fn flush(&self) -> oneshot::Receiver<()> {
        let (done, flushed) = oneshot::channel();
        self.send(Message::Flush(done));
        flushed
    }

    /// Returns false if the server has ended.
    fn send(&self, message: Message) -> bool {
        self.lock().messages.send(message).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Sender> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IoHandle for Mailbox {
    fn acquire(
        &self,
        request: RequestParams,
        replaces: Option<RequestId>,
        queue: Arc<KeyQueue>,
    ) -> bool {
        self.send(Message::Acquire(request, replaces, queue))
    }

    fn acquire_all(&self, _requests: Vec<(RequestParams, Arc<KeyQueue>)>) -> bool {
        unreachable!("no model acquires several keys together")
    }

    fn release(&self, _key: &str, id: RequestId) {
        self.send(Message::Release(id));
    }

    fn release_and_confirm(&self, _key: &str, id: RequestId) -> Answer<ReleaseOutcome> {
        let (sender, answer) = oneshot::channel();
        self.send(Message::ReleaseAndConfirm(id, sender));
        Box::pin(async { answer.await.ok() })
    }

    fn ensure_ttl(&self, _key: &str, _id: RequestId, _ttl: Duration) {}

    fn renew_now(&self, _key: &str, _id: RequestId, _ttl: Duration) -> Answer<Timestamp> {
        Box::pin(ready(None))
    }

    fn run_callback(&self, callback: Callback) {
        self.send(Message::RunCallback(callback));
    }

    fn keep_until(&self, _key: &str, _id: RequestId, _until: Timestamp) {}

    fn reset_max_hold(&self, _key: &str, _id: RequestId, _at: Timestamp) {}

    fn set_timer(&self, at: Timestamp, queue: Weak<KeyQueue>) -> u64 {
        let mut sender = self.lock();
        sender.timers += 1;
        let _ = sender.messages.send(Message::SetTimer(at, sender.timers, queue));
        sender.timers
    }

    fn cancel_timer(&self, at: Timestamp, timer: u64) {
        self.send(Message::CancelTimer(at, timer));
    }

    fn run(&self, _key: &str) {}
}
