//! One process's hold of one key: its token, its end, its loss.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::Fence;
use crate::driver::Mailbox;
use crate::protocol::Loss;
use crate::time::{self, Timestamp};
use crate::wire::Nonce;

/// What the owner of a hold and the I/O thread both know of it.
pub(crate) struct LeaseCell {
    key: Arc<str>,
    fence: Fence,
    /// Nanoseconds of a [`Timestamp`]. Moved by the I/O thread alone.
    valid_until: AtomicU64,
    /// 0, or a [`Loss`] in the coding of [`code`].
    loss: AtomicU8,
    watchers: Mutex<Watchers>,
}

/// Those who want to hear of the loss. A slot is free again when its watcher has gone.
#[derive(Default)]
struct Watchers {
    slots: Vec<Option<Waker>>,
}

/// A place among the watchers; `None` before the first poll.
pub(crate) type WatchSlot = Option<usize>;

impl LeaseCell {
    pub(crate) fn new(key: Arc<str>, fence: Fence, valid_until: Timestamp) -> Self {
        Self {
            key,
            fence,
            valid_until: AtomicU64::new(valid_until.as_nanos()),
            loss: AtomicU8::new(0),
            watchers: Mutex::default(),
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fence
    }

    pub(crate) fn remaining(&self) -> Duration {
        if self.reported_loss().is_some() {
            return Duration::ZERO;
        }
        Timestamp::from_nanos(self.valid_until.load(Ordering::Acquire)).since(time::now())
    }

    /// Why the hold is over, if it is. Past its deadline it is, whether or not the I/O thread has said so.
    pub(crate) fn loss(&self) -> Option<Loss> {
        self.reported_loss().or_else(|| self.remaining().is_zero().then_some(Loss::Expired))
    }

    /// The loss as far as the I/O thread has reported it: cheaper, and late by its timer's millisecond.
    pub(crate) fn reported_loss(&self) -> Option<Loss> {
        decode(self.loss.load(Ordering::Acquire))
    }

    pub(crate) fn extend(&self, valid_until: Timestamp) {
        self.valid_until.store(valid_until.as_nanos(), Ordering::Release);
    }

    pub(crate) fn lose(&self, loss: Loss) {
        self.loss.store(code(loss), Ordering::Release);
        let woken = std::mem::take(&mut self.watchers().slots);
        woken.into_iter().flatten().for_each(Waker::wake);
    }

    /// Ready when the hold is over; else the task is woken when the I/O thread reports the loss.
    pub(crate) fn poll_lost(&self, slot: &mut WatchSlot, context: &Context<'_>) -> Poll<Loss> {
        if let Some(loss) = self.loss() {
            return Poll::Ready(loss);
        }
        self.watchers().put(slot, context.waker());
        // Between the look and the entry the loss may have been reported to all others.
        self.reported_loss().map_or(Poll::Pending, Poll::Ready)
    }

    pub(crate) fn unwatch(&self, slot: WatchSlot) {
        if let Some(place) =
            slot.and_then(|index| self.watchers().slots.get_mut(index).map(Option::take))
        {
            drop(place);
        }
    }

    fn watchers(&self) -> std::sync::MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watchers {
    fn put(&mut self, slot: &mut WatchSlot, waker: &Waker) {
        let index = *slot.get_or_insert_with(|| {
            let free = self.slots.iter().position(Option::is_none);
            free.unwrap_or(self.slots.len())
        });
        if index >= self.slots.len() {
            self.slots.resize(index + 1, None);
        }
        match &mut self.slots[index] {
            Some(known) if known.will_wake(waker) => {}
            place => *place = Some(waker.clone()),
        }
    }
}

const fn code(loss: Loss) -> u8 {
    match loss {
        Loss::Expired => 1,
        Loss::Gone => 2,
        Loss::MaxHold => 3,
        Loss::Shutdown => 4,
    }
}

const fn decode(code: u8) -> Option<Loss> {
    match code {
        1 => Some(Loss::Expired),
        2 => Some(Loss::Gone),
        3 => Some(Loss::MaxHold),
        4 => Some(Loss::Shutdown),
        _ => None,
    }
}

impl fmt::Debug for LeaseCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Lease");
        out.field("key", &self.key).field("fence", &self.fence);
        out.field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}

/// The duty to release: dropping it tells the I/O thread, which sends the release.
pub(crate) struct Lease {
    cell: Arc<LeaseCell>,
    nonce: Nonce,
    mailbox: Mailbox,
    ended: bool,
}

impl Lease {
    pub(crate) fn new(cell: Arc<LeaseCell>, nonce: Nonce, mailbox: Mailbox) -> Self {
        Self { cell, nonce, mailbox, ended: false }
    }

    pub(crate) fn cell(&self) -> &Arc<LeaseCell> {
        &self.cell
    }

    /// Asks for at least this ttl from the next renewal on.
    pub(crate) fn lengthen(&self, ttl: Duration) {
        self.mailbox.lengthen(self.nonce, ttl);
    }

    /// Releases; the receiver hears whether the lock was still ours, or nothing if the server never said.
    pub(crate) fn end_confirmed(mut self) -> oneshot::Receiver<Option<bool>> {
        self.ended = true;
        self.mailbox.end_confirmed(self.nonce)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.mailbox.end(self.nonce);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cell.fmt(f)
    }
}
