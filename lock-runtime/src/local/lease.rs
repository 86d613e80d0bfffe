//! One process's hold of one key: its token, its end, its loss.

use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::protocol::claim::{Confirmation, Loss};
use crate::types::fence::Fence;
use crate::types::request_id::Nonce;
use crate::types::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::types::sync::{Mutex, MutexGuard};
use crate::types::time;
use crate::types::time::Timestamp;
use crate::user_code::wakers;

/// A callback of a user, with its arguments bound.
pub type Callback = Box<dyn FnOnce() + Send>;

/// Who does what a lease has to say: the I/O thread, by its mailbox, or the queue that hands the hold on.
pub trait LeaseBackend: Send + Sync {
    /// The section of this hold that ran under this token has ended.
    fn release(&self, nonce: Nonce, fence: Fence);

    /// Releases the hold; the receiver hears whether it was ours to the end, or nothing if the server never said.
    fn release_and_confirm(&self, nonce: Nonce, fence: Fence) -> oneshot::Receiver<Confirmation>;

    /// Asks for at least this ttl from the next renewal on.
    fn ensure_ttl(&self, nonce: Nonce, ttl: Duration);

    /// Renews the hold now, to last at least this long; the receiver hears until when it is valid once the server has confirmed, or
    /// nothing if it ends before.
    fn renew_now(&self, nonce: Nonce, ttl: Duration) -> oneshot::Receiver<Timestamp>;

    /// Has a callback of a user called where it can do no harm.
    fn run_callback(&self, callback: Callback);
}

/// A hold, as its owners and the I/O thread both know it.
///
/// It is released when its last share is gone; what is only referred to (`Arc`) tells of it and does not keep it.
pub struct Lease {
    key: Arc<str>,
    fence: Fence,
    nonce: Nonce,
    backend: Arc<dyn LeaseBackend>,
    /// How many sections and shared holds keep it. Zero is for good.
    refs: AtomicUsize,
    /// The longest ttl in nanoseconds that was asked for, as far as its sections know.
    ttl: AtomicU64,
    /// Nanoseconds of a [`Timestamp`]. Moved by the I/O thread alone.
    valid_until: AtomicU64,
    /// 0, or a [`Loss`] in the coding of [`loss_code`].
    loss: AtomicU8,
    watchers: Mutex<LossWatchers>,
    /// Whether others have begun to wait for it.
    contended: AtomicBool,
    /// What is to be called then.
    contended_callbacks: Mutex<Vec<Callback>>,
}

/// The watchers of the loss, and the loss itself. A slot is free again when its watcher has gone.
#[derive(Default)]
struct LossWatchers {
    slots: Vec<Option<Waker>>,
    /// What the server said when it refused a renewal, and the end of the hold at that time, which a later renewal moves.
    refused: Option<(u64, Arc<str>)>,
}

/// A place among the watchers; `None` before the first poll.
pub type LossWatchSlot = Option<usize>;

impl Lease {
    /// A new hold, with its first share.
    pub fn granted(
        key: Arc<str>,
        fence: Fence,
        nonce: Nonce,
        valid_until: Timestamp,
        backend: Arc<dyn LeaseBackend>,
    ) -> (Arc<Self>, LeaseRef) {
        let lease = Arc::new(Self {
            key,
            fence,
            nonce,
            backend,
            refs: AtomicUsize::new(1),
            ttl: AtomicU64::new(0),
            valid_until: AtomicU64::new(valid_until.as_nanos()),
            loss: AtomicU8::new(0),
            watchers: Mutex::default(),
            contended: AtomicBool::new(false),
            contended_callbacks: Mutex::default(),
        });
        (Arc::clone(&lease), LeaseRef { lease: Some(lease) })
    }

    /// Whether nobody keeps it any more.
    pub fn is_released(&self) -> bool {
        self.refs.load(Ordering::Acquire) == 0
    }

    /// Takes another share, to be given back with [`Self::release`]; `false` if the hold is over.
    #[must_use]
    pub fn add_ref(&self) -> bool {
        let more = |refs: usize| (refs > 0).then_some(refs + 1);
        self.refs.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Gives a share back. The last one releases; that is sent and not waited for.
    pub fn release(&self) {
        if self.refs.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.backend.release(self.nonce, self.fence);
        }
    }

    /// The same, but the receiver hears whether the lock was still ours, or nothing if the server never said.
    /// `None`: others still have a share.
    pub fn release_and_confirm(&self) -> Option<oneshot::Receiver<Confirmation>> {
        let last = self.refs.fetch_sub(1, Ordering::AcqRel) == 1;
        last.then(|| self.backend.release_and_confirm(self.nonce, self.fence))
    }

    /// Asks for at least this ttl from the next renewal on. Nothing is sent where it has that already.
    pub fn ensure_ttl(&self, ttl: Duration) {
        if self.raise_ttl(ttl) {
            self.backend.ensure_ttl(self.nonce, ttl);
        }
    }

    /// Notes that it has this ttl at least; whether that is longer than what was known.
    fn raise_ttl(&self, ttl: Duration) -> bool {
        let nanos = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        // Most calls find it long enough, for which a look is cheaper. Nothing else is read by it.
        self.ttl.load(Ordering::Relaxed) < nanos
            && self.ttl.fetch_max(nanos, Ordering::Relaxed) < nanos
    }

    /// Renews the hold now, to last at least this long: see [`LeaseBackend::extend`].
    pub fn renew_now(&self, ttl: Duration) -> oneshot::Receiver<Timestamp> {
        self.backend.renew_now(self.nonce, ttl)
    }

    /// Has a callback called when the hold is lost, by the I/O thread, which must not run it itself; or gives the loss at once.
    pub fn on_lost(self: &Arc<Self>, callback: impl FnOnce(Loss) + Send + 'static) {
        let lease = Arc::downgrade(self);
        let callback = LossCallback { lease, callback: Mutex::new(Some(Box::new(callback))) };
        let callback = Arc::new(callback);
        // Not guarded: it runs no code of a user where it is woken.
        let replaced = self.watchers().insert(&mut None, Waker::from(Arc::clone(&callback)));
        drop(replaced);
        if self.reported_loss().is_some() {
            callback.wake();
        }
    }

    /// Others wait for it from the beginning.
    pub fn start_contended(&self) {
        self.contended.store(true, Ordering::Release);
    }

    /// Others have begun to wait for it.
    pub fn mark_contended(&self) {
        if self.contended.load(Ordering::Acquire) {
            return;
        }
        let mut callbacks = self.contended_callbacks();
        self.contended.store(true, Ordering::Release);
        let due = std::mem::take(&mut *callbacks);
        drop(callbacks);
        for callback in due {
            self.backend.run_callback(callback);
        }
    }

    /// Has a callback called once others wait for the hold, also if they do already.
    pub fn on_contended(&self, callback: Callback) {
        let mut callbacks = self.contended_callbacks();
        if self.contended.load(Ordering::Acquire) {
            drop(callbacks);
            self.backend.run_callback(callback);
        } else {
            callbacks.push(callback);
        }
    }

    fn contended_callbacks(&self) -> MutexGuard<'_, Vec<Callback>> {
        self.contended_callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn fence(&self) -> Fence {
        self.fence
    }

    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    pub fn remaining(&self) -> Duration {
        let ended = self.is_released() || self.reported_loss().is_some();
        if ended { Duration::ZERO } else { self.until_deadline() }
    }

    fn until_deadline(&self) -> Duration {
        Timestamp::from_nanos(self.valid_until.load(Ordering::Acquire)).since(time::now())
    }

    /// Why the hold was lost, if it was. Past its deadline it is, whether or not the I/O thread has said so; but what was released
    /// before is not lost by that.
    pub fn loss(&self) -> Option<Loss> {
        // In this order: what is not released after its deadline was not released at it.
        let expired = || self.until_deadline().is_zero() && !self.is_released();
        self.reported_loss().or_else(|| expired().then(|| self.expired()))
    }

    /// The loss as far as the I/O thread has reported it: cheaper, and late by its timer's millisecond.
    pub fn reported_loss(&self) -> Option<Loss> {
        match self.loss.load(Ordering::Acquire) {
            0 => None,
            loss_code => Some(loss_from_code(loss_code).unwrap_or_else(|| self.expired())),
        }
    }

    /// Past the deadline: why no renewal moved it.
    #[cold]
    fn expired(&self) -> Loss {
        let until = self.valid_until.load(Ordering::Acquire);
        let refused = self.watchers().refused.clone().filter(|(then, _)| *then == until);
        refused.map_or(Loss::Expired, |(_, why)| Loss::Refused(why))
    }

    /// The server refused to renew it, and did not say that it is lost.
    pub fn record_refusal(&self, why: Arc<str>) {
        let until = self.valid_until.load(Ordering::Acquire);
        self.watchers().refused = Some((until, why));
    }

    pub fn set_valid_until(&self, valid_until: Timestamp) {
        self.valid_until.store(valid_until.as_nanos(), Ordering::Release);
    }

    pub fn mark_lost(&self, loss: Loss) {
        let loss_code = loss_code(&loss);
        if let Loss::Refused(why) = loss {
            self.record_refusal(why);
        }
        self.loss.store(loss_code, Ordering::Release);
        let woken = std::mem::take(&mut self.watchers().slots);
        woken.into_iter().flatten().for_each(Waker::wake);
    }

    /// Ready when the hold is lost; else the task is woken when the I/O thread reports the loss.
    pub fn poll_lost(&self, slot: &mut LossWatchSlot, context: &Context<'_>) -> Poll<Loss> {
        if let Some(loss) = self.loss() {
            return Poll::Ready(loss);
        }
        if !self.watchers().contains(*slot, context.waker()) {
            // A waker may run code of its owner when it is cloned or dropped, so neither is done with the watchers locked.
            let fresh = wakers::guarded(context.waker());
            let old = self.watchers().insert(slot, fresh);
            drop(old);
        }
        // Between the look and the entry the loss may have been reported to all others.
        self.reported_loss().map_or(Poll::Pending, Poll::Ready)
    }

    pub fn stop_watching(&self, slot: LossWatchSlot) {
        let Some(index) = slot else { return };
        let old = self.watchers().slots.get_mut(index).and_then(Option::take);
        drop(old);
    }

    fn watchers(&self) -> MutexGuard<'_, LossWatchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type OnLoss = Box<dyn FnOnce(Loss) + Send>;

/// A callback among the watchers of the loss.
struct LossCallback {
    lease: Weak<Lease>,
    callback: Mutex<Option<OnLoss>>,
}

impl Wake for LossCallback {
    fn wake(self: Arc<Self>) {
        let callback = self.callback.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without its lease it was not lost: it was released.
        let (Some(callback), Some(lease)) = (callback, self.lease.upgrade()) else { return };
        if let Some(loss) = lease.reported_loss() {
            lease.backend.run_callback(Box::new(move || callback(loss)));
        }
    }
}

impl LossWatchers {
    fn contains(&self, slot: LossWatchSlot, waker: &Waker) -> bool {
        let known = slot.and_then(|index| self.slots.get(index)?.as_ref());
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Enters a waker; the one that was in its place.
    fn insert(&mut self, slot: &mut LossWatchSlot, waker: Waker) -> Option<Waker> {
        let index = *slot.get_or_insert_with(|| {
            let free = self.slots.iter().position(Option::is_none);
            free.unwrap_or(self.slots.len())
        });
        if index >= self.slots.len() {
            self.slots.resize(index + 1, None);
        }
        self.slots[index].replace(waker)
    }
}

const fn loss_code(loss: &Loss) -> u8 {
    match loss {
        Loss::Expired => 1,
        Loss::Gone => 2,
        Loss::MaxHold => 3,
        Loss::Shutdown => 4,
        Loss::Panicked => 5,
        Loss::Refused(_) => 6,
    }
}

/// A loss that needs no words.
const fn loss_from_code(loss_code: u8) -> Option<Loss> {
    match loss_code {
        1 => Some(Loss::Expired),
        2 => Some(Loss::Gone),
        3 => Some(Loss::MaxHold),
        4 => Some(Loss::Shutdown),
        5 => Some(Loss::Panicked),
        _ => None,
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Lease");
        out.field("key", &self.key).field("fence", &self.fence);
        out.field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}

/// A share of a hold: dropping it gives it back.
pub struct LeaseRef {
    /// Taken out when the share goes over to a section.
    lease: Option<Arc<Lease>>,
}

impl LeaseRef {
    /// Another share of this hold, unless it is over.
    pub fn of(lease: &Arc<Lease>) -> Option<Self> {
        lease.add_ref().then(|| Self { lease: Some(Arc::clone(lease)) })
    }

    /// Notes the ttl that it was asked for with.
    pub fn with_ttl(self, ttl: Duration) -> Self {
        if let Some(lease) = &self.lease {
            lease.raise_ttl(ttl);
        }
        self
    }

    /// The hold, with the duty to [`Lease::release`] it.
    pub fn into_lease(mut self) -> Arc<Lease> {
        self.lease.take().expect("a share has its lease until here")
    }
}

impl Clone for LeaseRef {
    fn clone(&self) -> Self {
        let lease = self.lease.as_ref().expect("a share has its lease until it is given up");
        Self::of(lease).expect("a hold with a share is not over")
    }
}

impl Drop for LeaseRef {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            lease.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what it is asked for.
    #[derive(Default)]
    struct Counts {
        raised: AtomicUsize,
    }

    impl LeaseBackend for Counts {
        fn release(&self, _nonce: Nonce, _fence: Fence) {}

        fn release_and_confirm(
            &self,
            _nonce: Nonce,
            _fence: Fence,
        ) -> oneshot::Receiver<Confirmation> {
            oneshot::channel().1
        }

        fn renew_now(&self, _nonce: Nonce, _ttl: Duration) -> oneshot::Receiver<Timestamp> {
            oneshot::channel().1
        }

        fn run_callback(&self, _callback: Callback) {}

        fn ensure_ttl(&self, _nonce: Nonce, _ttl: Duration) {
            self.raised.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_a_longer_ttl_is_asked_for() {
        let counts = Arc::new(Counts::default());
        let backend: Arc<dyn LeaseBackend> = Arc::<Counts>::clone(&counts);
        let (nonce, until) = (Nonce::from_bits(1), time::now().plus(Duration::from_secs(60)));
        let (lease, lease_ref) = Lease::granted("key".into(), Fence::new(1), nonce, until, backend);
        let _share = lease_ref.with_ttl(Duration::from_secs(30));
        let mut asked = |seconds| {
            lease.ensure_ttl(Duration::from_secs(seconds));
            counts.raised.swap(0, Ordering::Relaxed)
        };
        assert_eq!([30, 10, 1].map(&mut asked), [0; 3], "it has that already");
        assert_eq!([40, 40, 30, 50].map(&mut asked), [1, 0, 0, 1]);
    }
}
