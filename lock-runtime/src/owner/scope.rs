//! A future that runs inside a frame.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::local::lease::{Lease, LossWatchSlot};
use crate::owner::context::Entered;
use crate::owner::frame::Frame;
use crate::protocol::request::Loss;

/// What a scope gets its frame from: the section that is to end with it, or just a frame.
pub trait Slot {
    /// The place of the frame, empty while it is lent to the thread's context.
    fn slot(&mut self) -> &mut Option<Arc<Frame>>;

    /// Other holds under which the same code runs.
    fn others(&self) -> impl Iterator<Item = &Arc<Lease>>;
}

impl Slot for Option<Arc<Frame>> {
    fn slot(&mut self) -> &mut Self {
        self
    }

    fn others(&self) -> impl Iterator<Item = &Arc<Lease>> {
        std::iter::empty()
    }
}

/// A frame that is lent to a scope, with the other holds under which its code runs.
pub struct Lent {
    pub frame: Option<Arc<Frame>>,
    pub others: Vec<Arc<Lease>>,
}

impl Slot for Lent {
    fn slot(&mut self) -> &mut Option<Arc<Frame>> {
        &mut self.frame
    }

    fn others(&self) -> impl Iterator<Item = &Arc<Lease>> {
        self.others.iter()
    }
}

/// A future in its place.
///
/// A scope takes it as a trait object: the code around a body is then compiled once for each type of value, not once for
/// each annotated function.
pub trait Work {
    /// What the future yields.
    type Value;

    /// Polls the future.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Self::Value>;

    /// Drops the future, if it is there.
    fn clear(&mut self);
}

impl<F: Future> Work for Pin<&mut Option<F>> {
    type Value = F::Output;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.as_mut().as_pin_mut() {
            Some(future) => future.poll(context),
            None => panic!("polled after it was ready"),
        }
    }

    fn clear(&mut self) {
        self.set(None);
    }
}

/// Polls a future, and drops it, with its frame as the innermost one. Ends early when the hold is lost, if
/// it is to heed that: the future is then dropped, inside the frame, where it last waited.
pub struct Scope<S> {
    // Taken out at the end.
    owner: Option<S>,
    heed: Heed,
}

/// What a scope heeds beside its future.
pub enum Heed {
    /// Nothing: it runs to the end, whatever becomes of the hold.
    Nothing,
    /// The loss of a hold: it ends at the next await after it. With the places among the watchers of the others, if any.
    Loss(LossWatchSlot, Others),
}

type Others = Vec<LossWatchSlot>;

impl Heed {
    /// The loss, with no place among its watchers yet.
    pub const LOSS: Self = Self::Loss(None, Vec::new());
}

impl<S: Slot> Scope<S> {
    pub const fn new(owner: S, heed: Heed) -> Self {
        Self { owner: Some(owner), heed }
    }

    /// Kept small: it stays on the stack once for every level of nesting. A loss is boxed for that.
    pub fn poll<V>(
        &mut self,
        work: &mut dyn Work<Value = V>,
        context: &mut Context<'_>,
    ) -> Poll<Result<V, Box<Loss>>> {
        if let Some(loss) = self.known_loss() {
            self.abandon(work);
            return Poll::Ready(Err(loss));
        }
        let entered = self.enter();
        let polled = work.poll(context);
        drop(entered);
        match polled {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_lost(work, context),
        }
    }

    /// Ends the scope of a future that is ready, and gives its owner back. What is left of the future has nothing to do
    /// under the lock any more.
    pub fn finish<V>(&mut self, work: &mut dyn Work<Value = V>) -> Option<S> {
        work.clear();
        self.unwatch();
        self.owner.take()
    }

    /// Drops the future inside the frame, and leaves the watchers of the loss.
    pub fn abandon<V>(&mut self, work: &mut dyn Work<Value = V>) {
        self.unwatch();
        let _inside = self.enter();
        work.clear();
    }

    fn unwatch(&mut self) {
        let (Some(owner), Heed::Loss(slot, others)) = (&mut self.owner, &mut self.heed) else {
            return;
        };
        for (lease, slot) in owner.others().zip(others) {
            lease.stop_watching(slot.take());
        }
        if let Some(frame) = owner.slot() {
            frame.lease().stop_watching(slot.take());
        }
    }

    /// The loss of a hold, if it is heeded and has come.
    fn known_loss(&mut self) -> Option<Box<Loss>> {
        let (Some(owner), Heed::Loss(..)) = (&mut self.owner, &self.heed) else {
            return None;
        };
        let own = owner.slot().as_ref().and_then(|frame| frame.lease().loss());
        own.or_else(|| owner.others().find_map(|lease| lease.loss())).map(Box::new)
    }

    /// The loss of a hold, which ends the future; else, if it is heeded, the task is woken when it comes.
    fn poll_lost<V>(
        &mut self,
        work: &mut dyn Work<Value = V>,
        context: &Context<'_>,
    ) -> Poll<Result<V, Box<Loss>>> {
        let lost = match (&mut self.owner, &mut self.heed) {
            (Some(owner), Heed::Loss(slot, others)) => watch(owner, slot, others, context),
            _ => Poll::Pending,
        };
        if lost.is_ready() {
            self.abandon(work);
        }
        lost.map(|loss| Err(Box::new(loss)))
    }

    fn enter(&mut self) -> Option<Entered<'_>> {
        self.owner.as_mut().map(|owner| Entered::new(owner.slot()))
    }
}

fn watch<S: Slot>(
    owner: &mut S,
    slot: &mut LossWatchSlot,
    places: &mut Others,
    context: &Context<'_>,
) -> Poll<Loss> {
    for (number, lease) in owner.others().enumerate() {
        if number == places.len() {
            places.push(None);
        }
        if let lost @ Poll::Ready(_) = lease.poll_lost(&mut places[number], context) {
            return lost;
        }
    }
    match owner.slot() {
        Some(frame) => frame.lease().poll_lost(slot, context),
        None => Poll::Pending,
    }
}

pin_project! {
    /// A scope with its future.
    pub struct Scoped<S: Slot, F: Future> {
        scope: Scope<S>,
        #[pin]
        future: Option<F>,
    }

    impl<S: Slot, F: Future> PinnedDrop for Scoped<S, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.scope.abandon(&mut this.future);
        }
    }
}

impl<S: Slot, F: Future> Scoped<S, F> {
    pub const fn new(owner: S, heed: Heed, future: F) -> Self {
        Self { scope: Scope::new(owner, heed), future: Some(future) }
    }
}

impl<S: Slot, F: Future> Future for Scoped<S, F> {
    type Output = Result<F::Output, Box<Loss>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        this.scope.poll(&mut this.future, context)
    }
}
