//! Futures that run inside a context: a frame, a locked call, a replaced manager.
//!
//! [`InContext`] polls a body inside its context and drops it there. The code around a body takes
//! it as a trait object, so that it is compiled once per type of value instead of once per
//! annotated function. What is on the stack while the body is polled is there once per level of
//! nesting, so those functions are kept small.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::local::lease::{Lease, LossWatchSlot};
use crate::owner::context::ContextGuard;
use crate::owner::frame::Frame;
use crate::protocol::request::Loss;

/// What is around a body while it runs.
pub trait BodyContext<V> {
    /// What the whole yields.
    type Output;

    /// Polls the body inside this context.
    fn poll(
        &mut self,
        body: &mut dyn ErasedFuture<Value = V>,
        context: &mut Context<'_>,
    ) -> Poll<Self::Output>;

    /// Drops a body that has not completed, inside this context.
    fn drop_body(&mut self, body: &mut dyn ErasedFuture<Value = V>);
}

/// A future without its type. It may have been dropped already.
pub trait ErasedFuture {
    /// What the future yields.
    type Value;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Self::Value>;

    fn drop_future(&mut self);
}

impl<F: Future> ErasedFuture for Pin<&mut Option<F>> {
    type Value = F::Output;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.as_mut().as_pin_mut() {
            Some(future) => future.poll(context),
            None => panic!("polled after completion"),
        }
    }

    fn drop_future(&mut self) {
        self.set(None);
    }
}

pin_project! {
    /// A future that runs, and is dropped, inside a context.
    pub struct InContext<C: BodyContext<F::Output>, F: Future> {
        around: C,
        #[pin]
        body: Option<F>,
    }

    impl<C: BodyContext<F::Output>, F: Future> PinnedDrop for InContext<C, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.around.drop_body(&mut this.body);
        }
    }
}

impl<C: BodyContext<F::Output>, F: Future> InContext<C, F> {
    pub const fn new(around: C, body: F) -> Self {
        Self { around, body: Some(body) }
    }
}

impl<C: BodyContext<F::Output>, F: Future> Future for InContext<C, F> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        this.around.poll(&mut this.body, context)
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
