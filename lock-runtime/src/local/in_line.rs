//! A request in the line of its key, from its coming to its turn.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::local::key_queue::KeyQueue;
use crate::local::lease::LeaseRef;
use crate::local::seat::{GrantReceiver, GrantSender, Nudge};
use crate::local::waiting::WaiterId;
use crate::protocol::claim::Failure;

/// What became of a request: a hold, or why not.
pub type AcquireOutcome = Result<LeaseRef, Failure>;

/// A request in the line. Dropped before its answer was taken, it leaves.
pub struct WaitForTurn {
    pub(crate) answer: GrantReceiver<AcquireOutcome>,
    pub(crate) number: WaiterId,
    /// Taken out with the answer.
    pub(crate) queue: Option<Arc<KeyQueue>>,
    pub(crate) near: bool,
}

impl WaitForTurn {
    /// Whether the lock is in this process just now, so that its turn may come without a round trip.
    pub fn is_near(&self) -> bool {
        self.near
    }
}

impl Future for WaitForTurn {
    /// `None`: the manager was shut down.
    type Output = Option<AcquireOutcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        if answer.is_ready() {
            self.queue = None;
        }
        answer
    }
}

impl Drop for WaitForTurn {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            // So that nobody is woken for it while the queue is locked.
            self.answer.close();
            queue.leave(self.number);
        }
    }
}

/// Why a queue did not take a request.
pub(crate) enum JoinError {
    /// The queue is forgotten: another has its place.
    Closed,
    /// It is to try once, and others come first.
    WouldWait,
}

/// A hold on its way to whose turn it is.
pub struct PendingGrant {
    pub(crate) share: LeaseRef,
    pub(crate) slot: GrantSender<AcquireOutcome>,
    /// Those behind it, who are roused so that they need not be woken at their turns.
    pub(crate) next: Vec<Nudge<AcquireOutcome>>,
}

impl PendingGrant {
    pub fn new(share: LeaseRef, slot: GrantSender<AcquireOutcome>) -> Self {
        Self { share, slot, next: Vec::new() }
    }

    /// Hands it over. If nobody takes it, it goes to the next.
    pub fn make(self) {
        drop(self.slot.send(Ok(self.share)));
        self.next.iter().for_each(Nudge::ring);
    }
}
