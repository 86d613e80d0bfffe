//! Futures of callers. Dropping one undoes its request.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::io::mailbox::{Mailbox, Message, MultiOutcome, WaitRegistration};
use crate::local::grant_channel::{AcquireOutcome, GrantReceiver, grant_channel};
use crate::protocol::request::RequestParams;
use crate::types::request_id::RequestId;
use crate::user_code::wakers;
use crate::wire::reply::BlockedRequest;

/// One acquire that bypasses the local queue.
pub struct AcquireFuture {
    pub receiver: GrantReceiver<AcquireOutcome>,
    pub id: RequestId,
    /// Taken with the outcome.
    pub mailbox: Option<Mailbox>,
}

impl Future for AcquireFuture {
    /// `None`: the manager was shut down.
    type Output = Option<AcquireOutcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = Pin::new(&mut self.receiver).poll(context);
        if outcome.is_ready() {
            self.mailbox = None;
        }
        outcome
    }
}

impl Drop for AcquireFuture {
    fn drop(&mut self) {
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.release(self.id);
        }
    }
}

/// An acquire of several keys, all or none.
pub struct AcquireAllFuture {
    pub receiver: GrantReceiver<MultiOutcome>,
    pub ids: Vec<RequestId>,
    /// Taken with the outcome.
    pub mailbox: Option<Mailbox>,
}

impl Future for AcquireAllFuture {
    /// `None`: they are not all free.
    type Output = Option<MultiOutcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = wakers::poll_guarded(Pin::new(&mut self.receiver), context);
        if outcome.is_ready() {
            self.mailbox = None;
        }
        outcome
    }
}

impl Drop for AcquireAllFuture {
    fn drop(&mut self) {
        if let Some(mailbox) = self.mailbox.take() {
            self.ids.iter().for_each(|&id| mailbox.release(id));
        }
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
        wakers::poll_guarded(Pin::new(&mut self.receiver), context).map(Result::ok)
    }
}

impl Drop for DeadlockWatch {
    fn drop(&mut self) {
        self.mailbox.unregister_wait(self.id);
    }
}

impl Mailbox {
    /// Acquires a lock, bypassing the local queue.
    pub fn acquire(&self, request: RequestParams) -> AcquireFuture {
        let (sender, receiver) = grant_channel();
        let id = request.id;
        self.sender().send(Message::Acquire(Box::new(request), sender));
        AcquireFuture { receiver, id, mailbox: Some(self.clone()) }
    }

    /// Acquires several locks, all or none.
    pub fn acquire_all(&self, requests: Vec<RequestParams>) -> AcquireAllFuture {
        let (sender, receiver) = grant_channel();
        let ids = requests.iter().map(|request| request.id).collect();
        self.sender().send(Message::AcquireAll(requests, sender));
        AcquireAllFuture { receiver, ids, mailbox: Some(self.clone()) }
    }

    /// Watches a wait for deadlocks until the returned future is dropped.
    pub fn register_wait(&self, wait: WaitRegistration) -> DeadlockWatch {
        let (sender, receiver) = oneshot::channel();
        let id = wait.id;
        self.sender().send(Message::RegisterWait(Box::new(wait), sender));
        DeadlockWatch { receiver, id, mailbox: self.clone() }
    }
}
