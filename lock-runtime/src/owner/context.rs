//! The context of the running code: the thread-local that points at the innermost frame, and
//! futures that run inside a context.
//!
//! [`InContext`] polls a body inside its context and drops it there. The code around a body takes
//! it as a trait object, so that it is compiled once per type of value instead of once per
//! annotated function. What is on the stack while the body is polled is there once per level of
//! nesting, so those functions are kept small.

use std::cell::Cell;
use std::iter::successors;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::owner::frame::Frame;
use crate::types::environment::{self, TaskId, thread_local};

thread_local! {
    /// Without a destructor it stays accessible until its thread ends, also from destructors of
    /// other thread-locals. Nothing leaks: each guard takes its frame out again.
    static CONTEXT: ThreadContext = const {
        ThreadContext { frame: Cell::new(None), task: Cell::new(None), suspended: Cell::new(None) }
    };
}

struct ThreadContext {
    /// The innermost frame.
    frame: Cell<Option<ManuallyDrop<Arc<Frame>>>>,
    /// The tokio task that entered it, if any. `block_on` of a current-thread runtime and
    /// `LocalSet::run_until` run other tasks further up on the same stack, which are not inside the
    /// frame.
    task: Cell<Option<TaskId>>,
    /// The frames further down on the stack that the innermost one is not nested in.
    suspended: Cell<Option<ManuallyDrop<Box<SuspendedFrame>>>>,
}

/// A frame whose code does not run while unrelated code runs on top of its stack.
struct SuspendedFrame {
    frame: Arc<Frame>,
    task: Option<TaskId>,
    below: Option<ManuallyDrop<Box<SuspendedFrame>>>,
}

impl ThreadContext {
    fn put(&self, frame: Option<Arc<Frame>>) {
        self.frame.set(frame.map(ManuallyDrop::new));
    }

    fn take(&self) -> Option<Arc<Frame>> {
        self.frame.take().map(ManuallyDrop::into_inner)
    }

    fn suspend(&self, frame: Arc<Frame>) {
        let suspended =
            SuspendedFrame { frame, task: self.task.get(), below: self.suspended.take() };
        self.suspended.set(Some(ManuallyDrop::new(Box::new(suspended))));
    }

    fn resume(&self) {
        let Some(suspended) = self.suspended.take() else { return };
        let SuspendedFrame { frame, task, below } = *ManuallyDrop::into_inner(suspended);
        self.suspended.set(below);
        self.task.set(task);
        self.put(Some(frame));
    }
}

/// Calls `look` with the innermost frame around the running code.
///
/// The frame is out of the thread-local meanwhile, so `look` must not run code of users.
pub fn with_current<R>(look: impl FnOnce(Option<&Arc<Frame>>) -> R) -> R {
    let mut look = Some(look);
    // Fails only on platforms without native thread-locals, while a thread ends.
    let seen = CONTEXT.try_with(|current| {
        let look = look.take()?;
        let frame = current.take();
        let around = frame.as_ref().filter(|_| current.task.get() == environment::current_task());
        let seen = look(around);
        current.put(frame);
        Some(seen)
    });
    match (seen, look) {
        (Ok(Some(seen)), _) => seen,
        (_, Some(look)) => look(None),
        (_, None) => unreachable!("it was called"),
    }
}

/// The innermost frame around the running code.
pub fn current() -> Option<Arc<Frame>> {
    with_current(|frame| frame.map(Arc::clone))
}

/// The frame for code that runs here under the lease of `frame`: the frame itself, if that code is
/// called by its section or in the same place as it.
pub(crate) fn frame_for_current_task(frame: &Arc<Frame>) -> Arc<Frame> {
    let is = |other: Option<&Arc<Frame>>| other.is_some_and(|other| Arc::ptr_eq(frame, other));
    let in_place = match &current() {
        Some(here) => {
            is(Some(here)) || frame.parent().is_some_and(|parent| Arc::ptr_eq(here, parent))
        }
        None => frame.parent().is_none(),
    };
    if in_place { Arc::clone(frame) } else { frame.shared_child() }
}

/// The first frame on this thread's stack that `matches`, including suspended ones. Its code
/// continues only after the current call has returned.
pub fn find_on_stack(matches: impl Fn(&Frame) -> bool) -> Option<Arc<Frame>> {
    let find = |frame: &Arc<Frame>| frame.ancestors().find(|frame| matches(frame)).cloned();
    let found = CONTEXT.try_with(|current| {
        let (frame, suspended) = (current.take(), current.suspended.take());
        let stack = successors(suspended.as_deref(), |suspended| suspended.below.as_deref());
        let mut frames = frame.iter().chain(stack.map(|suspended| &suspended.frame));
        let found = frames.find_map(find);
        current.put(frame);
        current.suspended.set(suspended);
        found
    });
    found.ok().flatten()
}

/// Makes a frame the innermost one of this thread until it is dropped, also by a panic. The frame
/// then goes back into the slot that it was taken from.
pub struct ContextGuard<'a> {
    slot: &'a mut Option<Arc<Frame>>,
    /// The previous frame, if the chain of this one leads to it.
    before: Option<Arc<Frame>>,
    /// Whether the previous frame was suspended instead.
    suspends: bool,
    /// Not `Send`: it restores the context of its own thread.
    not_send: PhantomData<*const ()>,
}

impl<'a> ContextGuard<'a> {
    pub fn enter(slot: &'a mut Option<Arc<Frame>>) -> Self {
        let mut guard = Self { slot, before: None, suspends: false, not_send: PhantomData };
        let _ = CONTEXT.try_with(|current| guard.install(current));
        guard
    }

    fn install(&mut self, current: &ThreadContext) {
        let task = environment::current_task();
        match current.take() {
            None => current.task.set(task),
            Some(before) => {
                let is_nested = |frame: &Arc<Frame>| {
                    let inside = frame.parent().is_some_and(|parent| Arc::ptr_eq(parent, &before));
                    inside || Arc::ptr_eq(frame, &before)
                };
                if current.task.get() == task && self.slot.as_ref().is_some_and(is_nested) {
                    self.before = Some(before);
                } else {
                    current.suspend(before);
                    current.task.set(task);
                    self.suspends = true;
                }
            }
        }
        current.put(self.slot.take());
    }

    fn restore(&mut self, current: &ThreadContext) {
        *self.slot = current.take();
        if self.suspends {
            current.resume();
        } else {
            current.put(self.before.take());
        }
    }
}

impl Drop for ContextGuard<'_> {
    fn drop(&mut self) {
        let _ = CONTEXT.try_with(|current| self.restore(current));
    }
}

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
