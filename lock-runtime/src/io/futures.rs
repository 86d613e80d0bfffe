//! What callers wait for: answers of the I/O thread.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::io::mailbox::Mailbox;
use crate::local::grant_channel::AcquireOutcome;
use crate::local::grant_channel::GrantReceiver;
use crate::local::lease::LeaseRef;
use crate::types::request_id::Nonce;
use crate::user_code::wakers;
use crate::wire::probe::Member;

/// A request under way. Dropped before its answer was taken, it is undone.
pub struct AcquireFuture {
    pub receiver: GrantReceiver<AcquireOutcome>,
    pub nonce: Nonce,
    /// Taken out with the answer.
    pub mailbox: Option<Mailbox>,
}

impl Future for AcquireFuture {
    /// `None`: the I/O thread was shut down.
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
            mailbox.release(self.nonce);
        }
    }
}

/// What came of a request for several locks that were had at once.
pub enum MultiOutcome {
    /// The holds, in the order of the requests.
    Granted(Vec<LeaseRef>),
    /// No caller took them up in time, and they were given back.
    NotTakenUp,
}

/// A request for several locks. Dropped before its answer was taken, it is undone.
pub struct AcquireAllFuture {
    pub receiver: GrantReceiver<MultiOutcome>,
    pub nonces: Vec<Nonce>,
    /// Taken out with the answer.
    pub mailbox: Option<Mailbox>,
}

impl Future for AcquireAllFuture {
    /// `None`: they could not be had all at once.
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
            self.nonces.iter().for_each(|&nonce| mailbox.release(nonce));
        }
    }
}

/// A wait that is watched, until this is dropped.
pub struct DeadlockWatch {
    pub receiver: oneshot::Receiver<Vec<Member>>,
    pub id: Nonce,
    pub mailbox: Mailbox,
}

impl Future for DeadlockWatch {
    /// The waits that wait for one another, this one among them. `None`: the manager was shut down.
    type Output = Option<Vec<Member>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        wakers::poll_guarded(Pin::new(&mut self.receiver), context).map(Result::ok)
    }
}

impl Drop for DeadlockWatch {
    fn drop(&mut self) {
        self.mailbox.unregister_wait(self.id);
    }
}
