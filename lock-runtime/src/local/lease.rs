//! The lease of one key as the code that runs under it sees it.
//!
//! A lease is shared: by the section that acquired it, by nested sections and by `SharedHold`s.
//! Each has a counted reference. The last one to be given back releases the lock; that happens
//! once, and no reference can be added after it. An `Arc<Lease>` is not counted: it only observes.
//!
//! The link moves the deadline with each renewal and reports a loss. A lease is lost when
//! that is reported, or when its deadline has passed unreported. A released lease is never lost.
//! Code that runs under it can poll for the loss or register a callback.
//!
//! A process that stood still may see that the deadline has passed before the link takes in the
//! reply to a renewal that was sent in time. A deadline that was seen to have passed is not moved
//! any more, so that a lost lease stays lost. If nobody looked in between, the renewal counts.

#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool as StdAtomicBool, Ordering as StdOrdering};
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::protocol::request::{Loss, ReleaseOutcome};
use crate::types::environment::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::types::environment::{Mutex, MutexGuard};
use crate::types::fence::Fence;
use crate::types::owner_info::KeyPattern;
use crate::types::replicas::Replicas;
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::user_code;
use crate::user_code::metrics::LeaseMetrics;
use crate::user_code::spans::HoldSpan;
#[cfg(any(test, distlock_verification))]
use crate::{types::owner_info::CallSite, user_code::metrics::LockLabels};

/// A future of the server's answer; nothing if there is none.
pub type Answer<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// A user's callback with its arguments bound.
pub type Callback = Box<dyn FnOnce() + Send>;

/// Carries out what is done with a lease: the link, or the local queue in front of it.
pub trait LeaseBackend: Send + Sync {
    /// The section that ran under this fencing token has ended.
    fn release(&self, id: RequestId, fence: Fence);

    /// Releases the lease. The answer is whether it was valid until then, or nothing if the
    /// server did not answer.
    fn release_and_confirm(&self, id: RequestId, fence: Fence) -> Answer<ReleaseOutcome>;

    /// Has the key stay taken until then, also after a release.
    fn keep_until(&self, id: RequestId, until: Timestamp);

    /// Makes the ttl at least this long from the next renewal on.
    fn ensure_ttl(&self, id: RequestId, ttl: Duration);

    /// Renews the lease now, with at least this ttl. The answer is its new deadline once the
    /// server has confirmed it, or nothing if the lease ends before.
    fn renew_now(&self, id: RequestId, ttl: Duration) -> Answer<Timestamp>;

    /// Runs a user's callback where it cannot block or panic the link.
    fn run_callback(&self, callback: Callback);

    /// Which replicas confirm the lease and its renewals.
    fn replicas(&self) -> Replicas {
        Replicas::None
    }
}

pub struct Lease {
    key: Arc<str>,
    fence: Fence,
    id: RequestId,
    backend: Arc<dyn LeaseBackend>,
    pub(crate) metrics: LeaseMetrics,
    /// Whether it has a span. Not one of a model's atomics, as models have no spans.
    is_traced: StdAtomicBool,
    /// How many sections and shared holds refer to it. Zero is final.
    refs: AtomicUsize,
    /// The longest ttl that a section asked for, in nanoseconds.
    ttl: AtomicU64,
    /// Until when the key stays taken once a section has begun.
    keep_until: Option<Timestamp>,
    /// Nanoseconds of a [`Timestamp`], which only the link writes; with [`EXPIRED`] once a caller
    /// has seen that it has passed.
    valid_until: AtomicU64,
    /// Whether a loss was reported. Read more often than the watchers are locked.
    lost: AtomicBool,
    watchers: Mutex<Watchers>,
    /// Whether others wait for the lock.
    contended: AtomicBool,
}

/// A flag in the deadline, which no time reaches.
const EXPIRED: u64 = 1 << 63;

#[derive(Default)]
struct Watchers {
    /// Woken by a loss. A slot is free again when its watcher is gone.
    slots: Vec<Option<Waker>>,
    /// Most leases have none of it, so it is boxed.
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    /// Called when the lease becomes contended.
    contended_callbacks: Vec<Callback>,
    /// The loss that was reported.
    loss: Option<Loss>,
    /// Why the server refused a renewal, and the deadline at that time. A later renewal moves the
    /// deadline and makes it obsolete.
    refused: Option<(u64, Arc<str>)>,
    /// The span of the hold, until it is released.
    span: Option<Arc<HoldSpan>>,
}

/// A slot among the watchers; `None` before the first poll. Small, as each async call contains one.
pub type LossWatchSlot = Option<u32>;

impl Lease {
    /// A lease of a test or a model.
    #[cfg(any(test, distlock_verification))]
    #[track_caller]
    pub fn granted(
        key: Arc<str>,
        fence: Fence,
        id: RequestId,
        valid_until: Timestamp,
        keep_until: Option<Timestamp>,
        backend: Arc<dyn LeaseBackend>,
    ) -> (Arc<Self>, LeaseRef) {
        let here = CallSite::Line(std::panic::Location::caller());
        let labels = LockLabels::of(here, None, None);
        let metrics = LeaseMetrics::new(labels, valid_until, valid_until, false);
        Self::recorded(key, fence, id, valid_until, keep_until, backend, metrics)
    }

    /// A new lease and the first reference to it.
    pub(crate) fn recorded(
        key: Arc<str>,
        fence: Fence,
        id: RequestId,
        valid_until: Timestamp,
        keep_until: Option<Timestamp>,
        backend: Arc<dyn LeaseBackend>,
        metrics: LeaseMetrics,
    ) -> (Arc<Self>, LeaseRef) {
        let lease = Arc::new(Self {
            key,
            fence,
            id,
            backend,
            metrics,
            is_traced: StdAtomicBool::new(false),
            refs: AtomicUsize::new(1),
            ttl: AtomicU64::new(0),
            keep_until,
            valid_until: AtomicU64::new(valid_until.as_nanos()),
            lost: AtomicBool::new(false),
            watchers: Mutex::default(),
            contended: AtomicBool::new(false),
        });
        (Arc::clone(&lease), LeaseRef { lease: Some(lease) })
    }

    #[inline]
    pub fn is_released(&self) -> bool {
        self.refs.load(Ordering::Acquire) == 0
    }

    /// Adds a reference, to be given back with [`Self::release`]. Returns false if the lease was
    /// released.
    #[must_use]
    pub fn add_ref(&self) -> bool {
        let more = |refs: usize| (refs > 0).then_some(refs + 1);
        self.refs.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Gives a reference back. The last one releases the lock, without waiting for the server.
    pub fn release(&self) {
        self.record_expiry();
        self.trace_loss();
        if self.refs.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.backend.release(self.id, self.fence);
            self.metrics.released();
            drop(self.take_span());
        }
    }

    /// The same. The last one gets the answer whether the lease was valid until then. The caller
    /// ends the span with it.
    pub fn release_and_confirm(&self) -> Option<Answer<ReleaseOutcome>> {
        self.record_expiry();
        self.trace_loss();
        let last = self.refs.fetch_sub(1, Ordering::AcqRel) == 1;
        last.then(|| {
            let answer = self.backend.release_and_confirm(self.id, self.fence);
            self.metrics.released();
            answer
        })
    }

    /// The link does not report the loss of a lease that is released right after its deadline, as
    /// after a process was suspended.
    fn record_expiry(&self) {
        if cfg!(feature = "metrics") && self.until_deadline().is_zero() {
            self.metrics.lost(self.loss().unwrap_or(Loss::Expired).kind());
        }
    }

    /// Opens the span of the hold, if a subscriber wants it. `around`: that of another key of the
    /// same call.
    pub(crate) fn open_span(
        &self,
        template: KeyPattern,
        around: Option<&HoldSpan>,
    ) -> Option<Arc<HoldSpan>> {
        let span = HoldSpan::open(template, &self.key, self.fence, around)?;
        self.watchers().rare().span = Some(Arc::clone(&span));
        self.is_traced.store(true, StdOrdering::Relaxed);
        Some(span)
    }

    /// The span of the hold, if it has one.
    #[inline]
    pub(crate) fn span(&self) -> Option<Arc<HoldSpan>> {
        if self.is_traced.load(StdOrdering::Relaxed) {
            self.watchers().rare().span.clone()
        } else {
            None
        }
    }

    /// The same. The hold has none any more.
    pub(crate) fn take_span(&self) -> Option<Arc<HoldSpan>> {
        if self.is_traced.load(StdOrdering::Relaxed) {
            self.watchers().rare().span.take()
        } else {
            None
        }
    }

    /// Before the release, as a released lease is never lost.
    #[inline]
    fn trace_loss(&self) {
        if let Some(span) = self.span()
            && let Some(loss) = self.loss()
        {
            span.set_end("lost", loss);
        }
    }

    /// The section begins: from now on its key is kept for `min_hold`.
    pub fn begin(&self) {
        if let Some(until) = self.keep_until {
            self.backend.keep_until(self.id, until);
        }
    }

    /// Makes the ttl at least this long from the next renewal on. Sends nothing if it is.
    pub fn ensure_ttl(&self, ttl: Duration) {
        if self.raise_ttl(ttl) {
            self.backend.ensure_ttl(self.id, ttl);
        }
    }

    /// Records the ttl that a section asked for. Returns whether it is longer than those before.
    pub(super) fn raise_ttl(&self, ttl: Duration) -> bool {
        let nanos = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        // Most calls find it long enough, and a load is cheaper. It orders nothing else.
        self.ttl.load(Ordering::Relaxed) < nanos
            && self.ttl.fetch_max(nanos, Ordering::Relaxed) < nanos
    }

    /// As [`LeaseBackend::renew_now`].
    pub fn renew_now(&self, ttl: Duration) -> Answer<Timestamp> {
        self.backend.renew_now(self.id, ttl)
    }

    /// Calls `callback` when the lease is lost, or now if it is.
    pub fn on_lost(self: &Arc<Self>, callback: impl FnOnce(Loss) + Send + 'static) {
        let lease = Arc::downgrade(self);
        let callback = LossCallback { lease, callback: Mutex::new(Some(Box::new(callback))) };
        let callback = Arc::new(callback);
        // Not guarded: waking it runs no user code.
        let replaced = self.watchers().insert(&mut None, Waker::from(Arc::clone(&callback)));
        drop(replaced);
        if self.reported_loss().is_some() {
            callback.wake();
        }
    }

    /// Others wait from the beginning. There are no callbacks yet.
    pub fn start_contended(&self) {
        self.contended.store(true, Ordering::Release);
    }

    /// Others wait for the lock.
    pub fn mark_contended(&self) {
        if self.contended.load(Ordering::Acquire) {
            return;
        }
        let mut watchers = self.watchers();
        self.contended.store(true, Ordering::Release);
        let due = watchers.rare.as_mut().map(|rare| std::mem::take(&mut rare.contended_callbacks));
        drop(watchers);
        for callback in due.into_iter().flatten() {
            self.backend.run_callback(callback);
        }
    }

    /// Calls `callback` once others wait for the lock, or now if they do.
    pub fn on_contended(&self, callback: Callback) {
        let mut watchers = self.watchers();
        if self.contended.load(Ordering::Acquire) {
            drop(watchers);
            self.backend.run_callback(callback);
        } else {
            watchers.rare().contended_callbacks.push(callback);
        }
    }

    #[inline]
    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn fence(&self) -> Fence {
        self.fence
    }

    pub fn request_id(&self) -> RequestId {
        self.id
    }

    /// Which replicas confirm it and its renewals.
    pub fn replicas(&self) -> Replicas {
        self.backend.replicas()
    }

    pub fn remaining(&self) -> Duration {
        let ended = self.is_released() || self.reported_loss().is_some();
        if ended { Duration::ZERO } else { self.until_deadline() }
    }

    /// Zero is final.
    fn until_deadline(&self) -> Duration {
        let mut until = self.valid_until.load(Ordering::Acquire);
        while until & EXPIRED == 0 {
            let left = Timestamp::from_nanos(until).since(time::now());
            if !left.is_zero() {
                return left;
            }
            let noted = self.valid_until.compare_exchange(
                until,
                until | EXPIRED,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            // It was moved meanwhile, or another thread has seen it too.
            let Err(moved) = noted else { break };
            until = moved;
        }
        Duration::ZERO
    }

    fn deadline(&self) -> u64 {
        self.valid_until.load(Ordering::Acquire) & !EXPIRED
    }

    /// Why the lease was lost, if it was. Past its deadline it is, reported or not, unless it was
    /// released before.
    pub fn loss(&self) -> Option<Loss> {
        // In this order: if it is not released after its deadline, it was not at it.
        let expired = || self.until_deadline().is_zero() && !self.is_released();
        self.reported_loss().or_else(|| expired().then(|| self.expired()))
    }

    /// The loss that the link has reported. Cheaper, and up to a millisecond late.
    #[inline]
    pub fn reported_loss(&self) -> Option<Loss> {
        if self.lost.load(Ordering::Acquire) { self.watchers().rare().loss.clone() } else { None }
    }

    /// Why no renewal moved the deadline.
    #[cold]
    fn expired(&self) -> Loss {
        let until = self.deadline();
        let refused = self.watchers().rare().refused.clone().filter(|(then, _)| *then == until);
        refused.map_or(Loss::Expired, |(_, why)| Loss::Refused(why))
    }

    /// The server refused a renewal. The lease is not lost yet.
    pub fn record_refusal(&self, why: Arc<str>) {
        let until = self.deadline();
        self.watchers().rare().refused = Some((until, why));
    }

    /// Moves the deadline. Returns false if a caller has seen that it had passed.
    #[must_use]
    pub fn set_valid_until(&self, valid_until: Timestamp) -> bool {
        let moved = |until: u64| (until & EXPIRED == 0).then_some(valid_until.as_nanos());
        self.valid_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, moved).is_ok()
    }

    pub fn mark_lost(&self, loss: Loss) {
        let kind = loss.kind();
        let mut watchers = self.watchers();
        watchers.rare().loss = Some(loss);
        self.lost.store(true, Ordering::Release);
        let woken = std::mem::take(&mut watchers.slots);
        drop(watchers);
        woken.into_iter().flatten().for_each(Waker::wake);
        self.metrics.lost(kind);
    }

    /// Ready when the lease is lost. Otherwise the task is woken when the link reports a
    /// loss.
    pub fn poll_lost(&self, slot: &mut LossWatchSlot, context: &Context<'_>) -> Poll<Loss> {
        if let Some(loss) = self.loss() {
            return Poll::Ready(loss);
        }
        if !self.watchers().contains(*slot, context.waker()) {
            // Cloning or dropping a waker may run foreign code, so neither is done with the
            // watchers locked.
            let fresh = user_code::guarded_waker(context.waker());
            let old = self.watchers().insert(slot, fresh);
            drop(old);
        }
        // The loss may have been reported before the waker was stored.
        self.reported_loss().map_or(Poll::Pending, Poll::Ready)
    }

    pub fn stop_watching(&self, slot: LossWatchSlot) {
        let Some(index) = slot else { return };
        let old = self.watchers().slots.get_mut(index as usize).and_then(Option::take);
        drop(old);
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type BoxedLossCallback = Box<dyn FnOnce(Loss) + Send>;

struct LossCallback {
    lease: Weak<Lease>,
    callback: Mutex<Option<BoxedLossCallback>>,
}

impl Wake for LossCallback {
    fn wake(self: Arc<Self>) {
        let callback = self.callback.lock().unwrap_or_else(PoisonError::into_inner).take();
        // If the lease is gone it was released, not lost.
        let (Some(callback), Some(lease)) = (callback, self.lease.upgrade()) else { return };
        if let Some(loss) = lease.reported_loss() {
            lease.backend.run_callback(Box::new(move || callback(loss)));
        }
    }
}

impl Watchers {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn contains(&self, slot: LossWatchSlot, waker: &Waker) -> bool {
        let known = slot.and_then(|index| self.slots.get(index as usize)?.as_ref());
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Returns the waker that was in the slot.
    fn insert(&mut self, slot: &mut LossWatchSlot, waker: Waker) -> Option<Waker> {
        let index = *slot.get_or_insert_with(|| {
            let free = self.slots.iter().position(Option::is_none);
            u32::try_from(free.unwrap_or(self.slots.len())).expect("fewer watchers than that")
        }) as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, None);
        }
        self.slots[index].replace(waker)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Lease");
        out.field("key", &self.key).field("fence", &self.fence);
        out.field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}

/// A counted reference to a lease. Dropping it gives it back.
pub struct LeaseRef {
    /// `None` after [`Self::into_lease`].
    lease: Option<Arc<Lease>>,
}

impl LeaseRef {
    /// Another reference, unless the lease was released.
    pub fn of(lease: &Arc<Lease>) -> Option<Self> {
        lease.add_ref().then(|| Self { lease: Some(Arc::clone(lease)) })
    }

    /// The lease. The caller has to [`Lease::release`] it.
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
