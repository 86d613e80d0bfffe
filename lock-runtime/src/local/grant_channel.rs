//! How a waiter learns that it has the lock: a channel for one value that can be taken back until
//! it is received. A grant whose future is kept but not polled goes to the next waiter that way.
//! The channel also says whether the server was asked: only then does its waiter have a reason to
//! read the socket. And it says whether the waiter wants notice when its turn is the next.
//!
//! No waker is cloned, woken or dropped while the channel is locked: a waker may run foreign code.

#[cfg(test)]
mod tests;

use std::mem;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::local::lease::LeaseRef;
use crate::local::queue::AcquireParams;
use crate::protocol::request::Failure;
use crate::types::environment::atomic::{AtomicBool, Ordering};
use crate::types::environment::{Mutex, MutexGuard};
use crate::user_code;

/// The outcome of an acquire: a lease, or why there is none. Boxed, because each waiting call has
/// room for it.
pub type AcquireOutcome = Result<LeaseRef, Box<NotGranted>>;

/// Why a caller has no lease.
#[derive(Debug)]
pub enum NotGranted {
    Failed(Failure),
    /// It was granted the lock and did not take it up in time: it may ask again with these.
    Unclaimed(AcquireParams),
}

/// A grant that is not delivered yet. The lock of the queue is not held while it is.
pub struct PendingGrant {
    lease_ref: LeaseRef,
    sender: GrantSender<AcquireOutcome>,
}

impl PendingGrant {
    pub fn new(lease_ref: LeaseRef, sender: GrantSender<AcquireOutcome>) -> Self {
        Self { lease_ref, sender }
    }

    /// Delivers it. If its caller is gone, dropping the lease hands the lock to the next waiter.
    pub fn deliver(self) {
        drop(self.sender.send(Ok(self.lease_ref)));
    }
}

pub fn grant_channel<T>() -> (GrantSender<T>, GrantReceiver<T>) {
    let state = Mutex::new(ChannelState::Empty(None));
    let (asked, wants_notice) = (AtomicBool::new(false), AtomicBool::new(false));
    let channel = Arc::new(Channel { state, asked, wants_notice });
    (GrantSender(Arc::clone(&channel)), GrantReceiver(channel))
}

#[derive(Debug)]
struct Channel<T> {
    state: Mutex<ChannelState<T>>,
    /// Whether the request of the waiter was sent to the server.
    asked: AtomicBool,
    /// Whether the waiter is woken when its turn is the next.
    wants_notice: AtomicBool,
}

#[derive(Debug)]
enum ChannelState<T> {
    Empty(Option<Waker>),
    Sent(T),
    /// The sender was dropped, or the value was received, or the receiver was closed.
    Closed,
}

/// Dropped without a value, it closes the channel.
#[derive(Debug)]
pub struct GrantSender<T>(Arc<Channel<T>>);

/// A future of the value; `None` if the channel was closed.
#[derive(Debug)]
pub struct GrantReceiver<T>(Arc<Channel<T>>);

/// A value that was sent, or will be.
#[derive(Debug)]
pub struct Unclaimed<T>(Arc<Channel<T>>);

impl<T> GrantSender<T> {
    /// Gives the value back if the receiver was closed.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut state = self.0.state();
        let waker = match &mut *state {
            ChannelState::Empty(waker) => waker.take(),
            ChannelState::Sent(_) | ChannelState::Closed => return Err(value),
        };
        *state = ChannelState::Sent(value);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// The request of the receiver goes to the server. Returns the receiver's waker, to be woken
    /// with nothing locked: it may have to read the answer itself.
    #[must_use]
    pub fn ask(&self) -> Option<Waker> {
        self.0.asked.store(true, Ordering::Release);
        self.0.take_waker()
    }

    /// The receiver's turn is the next. Returns its waker if it has requested notice, to be woken
    /// with nothing locked.
    #[must_use]
    pub fn give_notice(&self) -> Option<Waker> {
        if self.0.wants_notice.load(Ordering::Relaxed) { self.0.take_waker() } else { None }
    }

    /// To take back what is sent.
    pub fn unclaimed(&self) -> Unclaimed<T> {
        Unclaimed(Arc::clone(&self.0))
    }
}

impl<T> Drop for GrantSender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let ChannelState::Empty(waker) = &mut *state {
            let waker = waker.take();
            *state = ChannelState::Closed;
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Unclaimed<T> {
    /// Takes back a value that was not received, and leaves `instead` in its place.
    pub fn reclaim(&self, instead: T) -> Option<T> {
        match &mut *self.0.state() {
            ChannelState::Sent(value) => Some(mem::replace(value, instead)),
            ChannelState::Empty(_) | ChannelState::Closed => None,
        }
    }
}

impl<T> Future for GrantReceiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut waker_to_store = None;
        loop {
            let mut state = self.0.state();
            match &mut *state {
                ChannelState::Empty(Some(known)) if known.will_wake(context.waker()) => {
                    return Poll::Pending;
                }
                ChannelState::Empty(waker) if waker_to_store.is_some() => {
                    let old = mem::replace(waker, waker_to_store);
                    drop(state);
                    drop(old);
                    return Poll::Pending;
                }
                ChannelState::Empty(_) => {}
                ChannelState::Sent(_) | ChannelState::Closed => {
                    return Poll::Ready(match mem::replace(&mut *state, ChannelState::Closed) {
                        ChannelState::Sent(value) => Some(value),
                        ChannelState::Empty(_) | ChannelState::Closed => None,
                    });
                }
            }
            drop(state);
            waker_to_store = Some(user_code::guarded_waker(context.waker()));
        }
    }
}

impl<T> GrantReceiver<T> {
    /// Whether the answer comes from the server, and not from a section of this process.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Has the receiver woken when its turn is the next.
    pub fn request_notice(&self) {
        self.0.wants_notice.store(true, Ordering::Relaxed);
    }

    pub fn close(&self) {
        let left = mem::replace(&mut *self.0.state(), ChannelState::Closed);
        // A value that was not received is dropped here, with the channel unlocked.
        drop(left);
    }
}

impl<T> Drop for GrantReceiver<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> Channel<T> {
    fn take_waker(&self) -> Option<Waker> {
        match &mut *self.state() {
            ChannelState::Empty(waker) => waker.take(),
            ChannelState::Sent(_) | ChannelState::Closed => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, ChannelState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
