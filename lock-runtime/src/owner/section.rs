//! A critical section: the code that runs under a key, or under several; and the scope that polls
//! the body of an async one.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::local::lease::{Answer, Lease, LeaseRef, LossWatchSlot};
use crate::owner::context::{BodyContext, ContextGuard, ErasedFuture, current};
use crate::owner::frame::{Frame, FrameKind, ManagerId, SiblingMutex};
use crate::protocol::request::{Loss, ReleaseOutcome};
use crate::types::fence::Fence;
use crate::types::owner_info::CallSite;
use crate::user_code::spans::{self, HoldSpan};

/// A section that may run. Its drop releases the lock, or unlocks the ancestor's sibling mutex if
/// the section is re-entrant.
pub struct Section {
    /// Taken when the section ends.
    frame: Option<Arc<Frame>>,
    /// How many frames belong to it, from that one outwards: one for each key that it holds.
    keys: usize,
}

impl Section {
    /// The section of a new lease, nested in `here`.
    #[inline]
    pub fn outermost(
        here: Option<Arc<Frame>>,
        manager: ManagerId,
        share: LeaseRef,
        call_site: CallSite,
    ) -> Self {
        let lease = share.into_lease();
        lease.metrics.begin();
        let frame = Frame {
            parent: here,
            manager,
            lease,
            call_site,
            kind: FrameKind::Outermost(SiblingMutex::default()),
        };
        Self { frame: Some(Arc::new(frame)), keys: 1 }
    }

    /// A section within `here` that re-enters the lease of `ancestor`. `None` while a sibling runs.
    #[inline]
    pub fn try_reenter(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if ancestor.siblings().try_lock() { Self::reenter_locked(here, ancestor) } else { None }
    }

    /// The same, after the siblings that asked before. `None` if the lease has ended by then.
    pub async fn reenter(here: Arc<Frame>, ancestor: Arc<Frame>) -> Option<Self> {
        ancestor.siblings().lock().await;
        Self::reenter_locked(&here, &ancestor)
    }

    /// Re-enters with the sibling mutex locked. Unlocks it if the lease has ended.
    #[inline]
    fn reenter_locked(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if !ancestor.lease.add_ref() {
            ancestor.siblings().unlock();
            return None;
        }
        let frame = here.reentrant_child(ancestor);
        Some(Self { frame: Some(frame), keys: 1 })
    }

    /// A re-entrant section whose frame was made after it began. The section around it is on the
    /// stack and has a reference to the lease.
    pub(super) fn of_made_frame(frame: Arc<Frame>) -> Self {
        assert!(frame.lease.add_ref(), "the section around it has a reference");
        Self { frame: Some(frame), keys: 1 }
    }

    /// The same section on top of one whose frame is directly around its own. It ends both.
    pub fn stacked_on(mut self, outer: Option<Self>) -> Self {
        if let Some(mut outer) = outer {
            outer.frame = None;
            self.keys += outer.keys;
        }
        self
    }

    pub fn frame(&self) -> &Arc<Frame> {
        self.frame.as_ref().expect("a section has its frame until it ends")
    }

    pub fn lease(&self) -> &Arc<Lease> {
        &self.frame().lease
    }

    /// The frame of each key that it holds, from inside out.
    pub fn frames(&self) -> impl Iterator<Item = &Arc<Frame>> {
        self.frame().ancestors().take(self.keys)
    }

    /// The frame for code that runs here inside of it: its own, if that code is called by it, or in
    /// the place where it was acquired.
    pub fn frame_here(&self) -> Arc<Frame> {
        let (own, here) = (self.frame(), current());
        let outermost = self.frames().last();
        let in_place = outermost.is_some_and(|frame| frame.is_directly_in(here.as_ref()));
        if in_place || here.as_ref().is_some_and(|here| Arc::ptr_eq(here, own)) {
            return Arc::clone(own);
        }
        let others: Vec<_> = self.frames().skip(1).collect();
        let enter = |around, frame: &Arc<Frame>| Some(frame.elsewhere(around, true));
        own.elsewhere(others.into_iter().rev().fold(here, enter), true)
    }

    /// Whether it has acquired no lease.
    pub fn is_reentrant(&self) -> bool {
        self.outermost_frames().next().is_none()
    }

    /// The fencing token, if it holds one key.
    pub fn single_fence(&self) -> Option<Fence> {
        (self.keys == 1).then(|| self.lease().fence())
    }

    /// The first loss among its leases. An outermost section reads the clock; a re-entrant one
    /// leaves that to the section around it.
    pub fn loss(&self) -> Option<(&Arc<Lease>, Loss)> {
        self.frames().find_map(|frame| {
            let Frame { lease, .. } = &**frame;
            let loss = if frame.is_reentrant() { lease.reported_loss() } else { lease.loss() };
            Some((lease, loss?))
        })
    }

    /// The caller has the section, with all its keys: what it holds is kept for `min_hold`. A lock
    /// that was acquired and given up before is not.
    /// `label`: of the request, for its spans.
    #[inline]
    pub fn begin(&self, label: Option<&'static str>) {
        for frame in self.outermost_frames() {
            frame.lease.begin();
        }
        if spans::are_wanted() {
            self.open_spans(label);
        }
    }

    /// The frames of the leases that were acquired for it.
    pub fn outermost_frames(&self) -> impl Iterator<Item = &Arc<Frame>> {
        self.frames().filter(|frame| !frame.is_reentrant())
    }

    /// The span of each further key is a child of the one before.
    #[cold]
    fn open_spans(&self, label: Option<&'static str>) {
        let open = |frame: &Arc<Frame>, around: Option<&HoldSpan>| {
            frame.lease.open_span(frame.call_site.template(label), around)
        };
        if self.keys == 1 {
            return self.outermost_frames().for_each(|frame| drop(open(frame, None)));
        }
        let mut around = None;
        let frames: Vec<_> = self.outermost_frames().collect();
        for frame in frames.into_iter().rev() {
            around = open(frame, around.as_deref()).or(around);
        }
    }

    /// Runs a closure inside the section.
    pub fn run<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let _guard = ContextGuard::enter(&mut self.frame);
        body()
    }

    /// What a loss does to the body, if it is a future. Only an outermost section cancels its body:
    /// the re-entrant ones inside are dropped with it.
    pub fn on_loss(&self, finish_when_lost: bool) -> OnLoss {
        if !self.is_reentrant() && !finish_when_lost {
            self.cancel_on_loss()
        } else {
            OnLoss::Ignore
        }
    }

    /// The loss of any lease of an outermost section cancels the body.
    pub fn cancel_on_loss(&self) -> OnLoss {
        let others = self.frames().skip(1).filter(|frame| !frame.is_reentrant());
        OnLoss::Cancel(None, others.map(|frame| (Arc::clone(&frame.lease), None)).collect())
    }

    /// Ends the section. For each lease that this releases, with the answer whether it
    /// was valid until then.
    pub fn end_confirmed(mut self) -> Vec<(Arc<Lease>, Answer<ReleaseOutcome>)> {
        let mut released = Vec::new();
        self.end(|lease| {
            let confirmed = lease.release_and_confirm();
            released.extend(confirmed.map(|answer| (Arc::clone(lease), answer)));
        });
        released
    }

    #[inline]
    fn end(&mut self, mut release: impl FnMut(&Arc<Lease>)) {
        let Some(innermost) = self.frame.take() else { return };
        for frame in innermost.ancestors().take(self.keys) {
            if frame.is_reentrant() {
                let ancestor = frame.reentered().expect("a re-entrant section has an ancestor");
                ancestor.siblings().unlock();
            }
            release(&frame.lease);
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        self.end(|lease| lease.release());
    }
}

/// What a scope gets its frame from: a section, which ends with the scope, or a frame that a guard
/// lends.
pub trait FrameSlot {
    /// The frame. `None` while the thread's context has it.
    fn frame_slot(&mut self) -> &mut Option<Arc<Frame>>;
}

impl FrameSlot for Section {
    fn frame_slot(&mut self) -> &mut Option<Arc<Frame>> {
        &mut self.frame
    }
}

impl FrameSlot for Option<Arc<Frame>> {
    fn frame_slot(&mut self) -> &mut Self {
        self
    }
}

/// Whether the loss of a lease cancels the body.
pub enum OnLoss {
    /// The body runs to completion.
    Ignore,
    /// The body is dropped at its next await. With the slot of its waker in the lease of the frame,
    /// and further leases that it runs under, each with its slot.
    Cancel(LossWatchSlot, Box<[(Arc<Lease>, LossWatchSlot)]>),
}

/// Polls a body with a frame as the innermost one, until it completes or a loss cancels it.
pub struct OwnerScope<S> {
    owner: S,
    on_loss: OnLoss,
}

impl<S: FrameSlot, V> BodyContext<V> for OwnerScope<S> {
    // The loss is boxed because each level of nesting has room for it on the stack.
    type Output = Result<V, Box<Loss>>;

    fn poll(
        &mut self,
        body: &mut dyn ErasedFuture<Value = V>,
        context: &mut Context<'_>,
    ) -> Poll<Self::Output> {
        if let Some(loss) = self.known_loss() {
            self.drop_body(body);
            return Poll::Ready(Err(loss));
        }
        let guard = ContextGuard::enter(self.owner.frame_slot());
        let polled = body.poll(context);
        drop(guard);
        match polled {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_loss(body, context),
        }
    }

    fn drop_body(&mut self, body: &mut dyn ErasedFuture<Value = V>) {
        self.unwatch();
        let _guard = ContextGuard::enter(self.owner.frame_slot());
        body.drop_future();
    }
}

impl OwnerScope<Section> {
    /// Its body is dropped before it has completed.
    pub fn trace_cancelled(&self) {
        for span in self.owner.outermost_frames().filter_map(|frame| frame.lease.span()) {
            span.set_cancelled();
        }
    }
}

impl<S: FrameSlot> OwnerScope<S> {
    pub const fn new(owner: S, on_loss: OnLoss) -> Self {
        Self { owner, on_loss }
    }

    /// Ends the scope after its body has completed.
    pub fn finish<V>(mut self, body: &mut dyn ErasedFuture<Value = V>) -> S {
        self.drop_body(body);
        self.owner
    }

    /// The leases whose loss cancels the body, each with the slot of its waker.
    fn watched(&mut self) -> impl Iterator<Item = (&Arc<Lease>, &mut LossWatchSlot)> {
        let (own, others) = match &mut self.on_loss {
            OnLoss::Ignore => (None, [].iter_mut()),
            OnLoss::Cancel(own, others) => (Some(own), others.iter_mut()),
        };
        let own = self.owner.frame_slot().as_ref().map(|frame| &frame.lease).zip(own);
        own.into_iter().chain(others.map(|(lease, slot)| (&*lease, slot)))
    }

    fn unwatch(&mut self) {
        self.watched().for_each(|(lease, slot)| lease.stop_watching(slot.take()));
    }

    /// The loss of a lease, if it cancels the body and has happened.
    fn known_loss(&mut self) -> Option<Box<Loss>> {
        self.watched().find_map(|(lease, _)| lease.loss()).map(Box::new)
    }

    /// Cancels the body if a lease is lost, else has the task woken when that happens.
    fn poll_loss<V>(
        &mut self,
        body: &mut dyn ErasedFuture<Value = V>,
        context: &Context<'_>,
    ) -> Poll<Result<V, Box<Loss>>> {
        let poll = |(lease, slot): (&Arc<Lease>, &mut _)| lease.poll_lost(slot, context);
        let lost = self.watched().map(poll).find(Poll::is_ready).unwrap_or(Poll::Pending);
        if lost.is_ready() {
            self.drop_body(body);
        }
        lost.map(|loss| Err(Box::new(loss)))
    }
}
