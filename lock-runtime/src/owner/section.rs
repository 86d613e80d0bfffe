//! A critical section: the code that runs under a key, or under several; and the scope that polls
//! the body of an async one.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::local::lease::{Lease, LeaseRef, LossWatchSlot};
use crate::owner::context::{BodyContext, ContextGuard, ErasedFuture};
use crate::owner::frame::{Frame, ManagerId};
use crate::protocol::request::{Loss, ReleaseOutcome};
use crate::types::owner_info::CallSite;

/// A section that may run. Its drop releases the lock, or unlocks the ancestor's sibling mutex if
/// the section is re-entrant.
pub struct Section {
    /// Taken when the section ends.
    frame: Option<Arc<Frame>>,
    /// The section of the key before, if several are held together. It ends after this one.
    outer: Option<Box<Section>>,
}

impl Section {
    /// The section of a new lease, nested in `here`.
    pub fn outermost(
        here: Option<Arc<Frame>>,
        manager: ManagerId,
        share: LeaseRef,
        call_site: CallSite,
    ) -> Self {
        let frame = Frame::outermost(here, manager, share.into_lease(), call_site);
        Self { frame: Some(frame), outer: None }
    }

    /// A section within `here` that re-enters the lease of `ancestor`. `None` while a sibling runs.
    #[inline]
    pub fn try_reenter(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if !ancestor.siblings().try_lock() {
            return None;
        }
        Self::reenter_locked(here, ancestor)
    }

    /// The same, after the siblings that asked before. `None` if the lease has ended by then.
    pub async fn reenter(here: Arc<Frame>, ancestor: Arc<Frame>) -> Option<Self> {
        ancestor.siblings().lock().await;
        Self::reenter_locked(&here, &ancestor)
    }

    /// Re-enters with the sibling mutex locked. Unlocks it if the lease has ended.
    #[inline]
    fn reenter_locked(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if ancestor.lease().add_ref() {
            return Some(Self { frame: Some(here.reentrant_child(ancestor)), outer: None });
        }
        ancestor.siblings().unlock();
        None
    }

    /// The same section on top of one whose frame is around its own.
    pub fn stacked_on(mut self, outer: Option<Self>) -> Self {
        self.outer = outer.map(Box::new);
        self
    }

    pub fn frame(&self) -> &Arc<Frame> {
        self.frame.as_ref().expect("a section has its frame until it ends")
    }

    pub fn lease(&self) -> &Arc<Lease> {
        self.frame().lease()
    }

    pub fn is_outermost(&self) -> bool {
        !self.frame().is_reentrant()
    }

    /// This section and those that it is stacked on.
    pub fn stack(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |section| section.outer.as_deref())
    }

    /// The first loss among its leases. An outermost section reads the clock; a re-entrant one
    /// leaves that to the section around it.
    pub fn loss(&self) -> Option<(&Arc<Lease>, Loss)> {
        self.stack().find_map(|section| {
            let lease = section.lease();
            let outermost = section.is_outermost();
            let loss = if outermost { lease.loss() } else { lease.reported_loss() };
            Some((lease, loss?))
        })
    }

    /// Runs a closure inside the section.
    pub fn run<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let _guard = ContextGuard::enter(&mut self.frame);
        body()
    }

    /// What a loss does to the body, if it is a future. Only an outermost section cancels its body:
    /// the re-entrant ones inside are dropped with it.
    pub fn on_loss(&self, finish_when_lost: bool) -> OnLoss {
        let outermost = self.stack().any(Self::is_outermost);
        if outermost && !finish_when_lost { OnLoss::cancel() } else { OnLoss::Ignore }
    }

    /// Ends the section and those that it is stacked on. For each lease that this releases, the
    /// receiver gets the server's confirmation.
    pub fn end_confirmed(mut self) -> Vec<(Arc<Lease>, oneshot::Receiver<ReleaseOutcome>)> {
        let mut released = Vec::new();
        loop {
            if let Some(frame) = self.frame.take() {
                unlock_siblings(&frame);
                let confirmed = frame.lease().release_and_confirm();
                released.extend(confirmed.map(|answer| (Arc::clone(frame.lease()), answer)));
            }
            match self.outer.take() {
                Some(outer) => self = *outer,
                None => return released,
            }
        }
    }
}

#[inline]
fn unlock_siblings(frame: &Frame) {
    if frame.is_reentrant() {
        frame.reentered().expect("a re-entrant section has an ancestor").siblings().unlock();
    }
}

impl FrameSource for Section {
    fn frame_slot(&mut self) -> &mut Option<Arc<Frame>> {
        &mut self.frame
    }

    fn other_leases(&self) -> impl Iterator<Item = &Arc<Lease>> {
        let outer = self.outer.as_deref().into_iter().flat_map(Self::stack);
        outer.filter(|section| section.is_outermost()).map(Self::lease)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            unlock_siblings(&frame);
            frame.lease().release();
        }
        // Iteratively: the compiler's drop glue would recurse once per key.
        let mut next = self.outer.take();
        while let Some(mut section) = next {
            next = section.outer.take();
        }
    }
}

/// What a scope gets its frame from: a section, which ends with the scope, or a borrowed frame.
pub trait FrameSource {
    /// The frame. `None` while the thread's context has it.
    fn frame_slot(&mut self) -> &mut Option<Arc<Frame>>;

    /// Further leases that the code in the frame runs under.
    fn other_leases(&self) -> impl Iterator<Item = &Arc<Lease>>;
}

impl FrameSource for Option<Arc<Frame>> {
    fn frame_slot(&mut self) -> &mut Self {
        self
    }

    fn other_leases(&self) -> impl Iterator<Item = &Arc<Lease>> {
        std::iter::empty()
    }
}

/// The frame of a section that a guard keeps, and its further leases.
pub struct BorrowedFrame {
    pub frame: Option<Arc<Frame>>,
    pub other_leases: Vec<Arc<Lease>>,
}

impl FrameSource for BorrowedFrame {
    fn frame_slot(&mut self) -> &mut Option<Arc<Frame>> {
        &mut self.frame
    }

    fn other_leases(&self) -> impl Iterator<Item = &Arc<Lease>> {
        self.other_leases.iter()
    }
}

/// Whether the loss of a lease cancels the body.
pub enum OnLoss {
    /// The body runs to completion.
    Ignore,
    /// The body is dropped at its next await. With the slots of its waker: in the lease of the
    /// frame, and in each of the others once it has waited.
    Cancel(LossWatchSlot, Box<[LossWatchSlot]>),
}

impl OnLoss {
    pub fn cancel() -> Self {
        Self::Cancel(None, Box::default())
    }
}

/// Polls a body with a frame as the innermost one, until it completes or a loss cancels it.
pub struct OwnerScope<S> {
    // Taken by `finish`.
    owner: Option<S>,
    on_loss: OnLoss,
}

impl<S: FrameSource, V> BodyContext<V> for OwnerScope<S> {
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
        let guard = self.enter();
        let polled = body.poll(context);
        drop(guard);
        match polled {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_loss(body, context),
        }
    }

    fn drop_body(&mut self, body: &mut dyn ErasedFuture<Value = V>) {
        self.unwatch();
        let _guard = self.enter();
        body.drop_future();
    }
}

impl<S: FrameSource> OwnerScope<S> {
    pub const fn new(owner: S, on_loss: OnLoss) -> Self {
        Self { owner: Some(owner), on_loss }
    }

    /// Ends the scope after its body has completed. The body is dropped outside of the frame.
    pub fn finish<V>(&mut self, body: &mut dyn ErasedFuture<Value = V>) -> Option<S> {
        body.drop_future();
        self.unwatch();
        self.owner.take()
    }

    fn unwatch(&mut self) {
        let (Some(owner), OnLoss::Cancel(slot, others)) = (&mut self.owner, &mut self.on_loss)
        else {
            return;
        };
        for (lease, slot) in owner.other_leases().zip(others) {
            lease.stop_watching(slot.take());
        }
        if let Some(frame) = owner.frame_slot() {
            frame.lease().stop_watching(slot.take());
        }
    }

    /// The loss of a lease, if it cancels the body and has happened.
    fn known_loss(&mut self) -> Option<Box<Loss>> {
        let (Some(owner), OnLoss::Cancel(..)) = (&mut self.owner, &self.on_loss) else {
            return None;
        };
        let own = owner.frame_slot().as_ref().and_then(|frame| frame.lease().loss());
        own.or_else(|| owner.other_leases().find_map(|lease| lease.loss())).map(Box::new)
    }

    /// Cancels the body if a lease is lost, else has the task woken when that happens.
    fn poll_loss<V>(
        &mut self,
        body: &mut dyn ErasedFuture<Value = V>,
        context: &Context<'_>,
    ) -> Poll<Result<V, Box<Loss>>> {
        let lost = match (&mut self.owner, &mut self.on_loss) {
            (Some(owner), OnLoss::Cancel(slot, others)) => watch(owner, slot, others, context),
            _ => Poll::Pending,
        };
        if lost.is_ready() {
            self.drop_body(body);
        }
        lost.map(|loss| Err(Box::new(loss)))
    }

    fn enter(&mut self) -> Option<ContextGuard<'_>> {
        self.owner.as_mut().map(|owner| ContextGuard::enter(owner.frame_slot()))
    }
}

fn watch<S: FrameSource>(
    owner: &mut S,
    slot: &mut LossWatchSlot,
    others: &mut Box<[LossWatchSlot]>,
    context: &Context<'_>,
) -> Poll<Loss> {
    if others.is_empty() {
        // Does not allocate if there are none.
        *others = owner.other_leases().map(|_| None).collect();
    }
    for (lease, slot) in owner.other_leases().zip(others) {
        if let lost @ Poll::Ready(_) = lease.poll_lost(slot, context) {
            return lost;
        }
    }
    match owner.frame_slot() {
        Some(frame) => frame.lease().poll_lost(slot, context),
        None => Poll::Pending,
    }
}
