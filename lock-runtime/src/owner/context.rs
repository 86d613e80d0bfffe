//! The context of the running code: the thread-local that points at the innermost frame, and
//! futures that run inside a context.
//!
//! [`InContext`] polls a body inside its context and drops it there. The code around a body takes
//! it as a trait object, so that it is compiled once per type of value instead of once per
//! annotated function. What is on the stack while the body is polled is there once per level of
//! nesting, so those functions are kept small.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::local::lease::Lease;
use crate::owner::frame::{Frame, ManagerId};
use crate::protocol::request::Loss;
use crate::types::environment::{TaskId, current_task, thread_local};
use crate::user_code::spans::EnteredSpan;

thread_local! {
    /// Without a destructor it stays accessible until its thread ends, also from destructors of
    /// other thread-locals. Nothing leaks: each guard takes its frame out again.
    static CONTEXT: ThreadContext = const {
        ThreadContext {
            innermost: Cell::new(None),
            task: Cell::new(None),
            frameless: Cell::new(0),
            suspended: Cell::new(ManuallyDrop::new(Vec::new())),
        }
    };
}

/// Each field that a nested call reads or writes is a cell of its own: what is written in parts and
/// read as a whole right after that is slow.
pub(super) struct ThreadContext {
    innermost: Cell<Option<ManuallyDrop<Arc<Frame>>>>,
    /// The task that entered the innermost frame.
    task: Cell<Option<TaskId>>,
    /// How many sections run inside the innermost frame that have no frame yet, one within the
    /// other. See `frameless.rs`.
    frameless: Cell<u32>,
    /// The frames further down on the stack that the innermost one is not nested in: their code
    /// does not run while unrelated code runs on top of its stack. The topmost is the last.
    suspended: Cell<ManuallyDrop<Vec<Entered>>>,
}

struct Entered {
    frame: Arc<Frame>,
    /// The tokio task that entered it, if any. `block_on` of a current-thread runtime and
    /// `LocalSet::run_until` run other tasks further up on the same stack, which are not inside the
    /// frame.
    task: Option<TaskId>,
}

impl ThreadContext {
    fn put(&self, entered: Option<Entered>) {
        self.task.set(entered.as_ref().and_then(|entered| entered.task));
        self.innermost.set(entered.map(|entered| ManuallyDrop::new(entered.frame)));
    }

    /// Takes the innermost frame, after each section has got its own.
    fn take(&self) -> Option<Entered> {
        let mut frame = ManuallyDrop::into_inner(self.innermost.take()?);
        if self.frameless.get() > 0 {
            frame = self.make_frames(frame);
        }
        Some(Entered { frame, task: self.task.get() })
    }

    #[cold]
    fn make_frames(&self, mut frame: Arc<Frame>) -> Arc<Frame> {
        for level in 0..self.frameless.take() {
            // The outermost section has locked the first. Nobody else knows the others.
            let locked = level == 0 || frame.siblings().try_lock();
            debug_assert!(locked, "a new frame has no other child");
            frame = frame.reentrant_child(&frame);
        }
        frame
    }

    /// Looks at the innermost frame without making others. It is out of its cell meanwhile, so
    /// `look` must not run code of users.
    #[inline]
    fn peek<R>(&self, look: impl FnOnce(&Arc<Frame>) -> R) -> Option<R> {
        let frame = self.innermost.take()?;
        let seen = look(&frame);
        self.innermost.set(Some(frame));
        Some(seen)
    }

    /// Begins a section without a frame. False if the innermost frame is not that of the running
    /// task and of the key, if its lease is lost, or if a sibling runs.
    #[inline]
    pub(super) fn try_begin_frameless(&self, manager: ManagerId, key: &str) -> bool {
        let outer = self.frameless.get();
        let may_begin = |frame: &Arc<Frame>| {
            frame.is_section_of(manager, key)
                && self.task.get() == current_task()
                && frame.lease.reported_loss().is_none()
                && (outer > 0 || frame.siblings().try_lock())
        };
        let begins = self.peek(may_begin) == Some(true);
        if begins {
            self.frameless.set(outer + 1);
        }
        begins
    }

    /// Ends the innermost section without a frame. False if it has to end with one: it has got it
    /// by now, or a sibling waits.
    #[inline]
    pub(super) fn try_end_frameless(&self) -> bool {
        let sections = self.frameless.get();
        let ends = match sections {
            0 => false,
            1 => self.peek(|frame| frame.siblings().unlock_uncontended()) == Some(true),
            _ => true,
        };
        if ends {
            self.frameless.set(sections - 1);
        }
        ends
    }

    /// Why the lease of the innermost frame is lost, if that was reported.
    #[inline]
    pub(super) fn reported_loss(&self) -> Option<(Arc<Lease>, Loss)> {
        let loss = |frame: &Arc<Frame>| {
            let loss = frame.lease.reported_loss()?;
            Some((Arc::clone(&frame.lease), loss))
        };
        self.peek(loss).flatten()
    }

    /// Takes the frame of the innermost section, which is nested in another one of its lease. That
    /// one is innermost then.
    pub(super) fn pop_reentrant(&self) -> Option<Arc<Frame>> {
        let mut entered = self.take()?;
        let popped =
            entered.frame.parent.clone().map(|parent| mem::replace(&mut entered.frame, parent));
        self.put(Some(entered));
        popped
    }

    fn with_suspended<R>(&self, change: impl FnOnce(&mut Vec<Entered>) -> R) -> R {
        let mut suspended = ManuallyDrop::into_inner(self.suspended.take());
        let result = change(&mut suspended);
        // An empty one is dropped, as nothing else frees its memory.
        if !suspended.is_empty() {
            self.suspended.set(ManuallyDrop::new(suspended));
        }
        result
    }
}

/// Calls `look` with the innermost frame around the running code.
///
/// The frame is out of the thread-local meanwhile, so `look` must not run code of users.
pub fn with_current<R>(look: impl FnOnce(Option<&Arc<Frame>>) -> R) -> R {
    // Fails only on platforms without native thread-locals, while a thread ends.
    let entered = CONTEXT.try_with(ThreadContext::take).ok().flatten();
    let around = entered.as_ref().filter(|entered| entered.task == current_task());
    let seen = look(around.map(|entered| &entered.frame));
    let _ = CONTEXT.try_with(|context| context.put(entered));
    seen
}

/// The innermost frame around the running code.
pub fn current() -> Option<Arc<Frame>> {
    with_current(|frame| frame.map(Arc::clone))
}

/// Calls `with` with the context of this thread. `None` only on platforms without native
/// thread-locals, while a thread ends.
#[inline]
pub(super) fn with_context<R>(with: impl FnOnce(&ThreadContext) -> R) -> Option<R> {
    CONTEXT.try_with(with).ok()
}

/// The frame for code that runs here with a share of the lease of `frame`: the frame itself, if
/// that code is called by its section, or in the place where the lease was acquired.
pub(crate) fn frame_of_share(frame: &Arc<Frame>) -> Arc<Frame> {
    let here = current();
    // A share keeps no re-entrant section.
    let in_place = !frame.is_reentrant() && frame.is_directly_in(here.as_ref());
    if in_place || here.as_ref().is_some_and(|here| Arc::ptr_eq(here, frame)) {
        Arc::clone(frame)
    } else {
        frame.elsewhere(here, false)
    }
}

/// The first frame on this thread's stack that `matches`, including suspended ones. Its code
/// continues only after the current call has returned.
pub fn find_on_stack(matches: impl Fn(&Frame) -> bool) -> Option<Arc<Frame>> {
    let find = |entered: &Entered| entered.frame.ancestors().find(|frame| matches(frame)).cloned();
    let found = CONTEXT.try_with(|context| {
        let innermost = context.take();
        let found = context.with_suspended(|suspended| {
            innermost.iter().chain(suspended.iter().rev()).find_map(find)
        });
        context.put(innermost);
        found
    });
    found.ok().flatten()
}

/// Makes a frame the innermost one of this thread until it is dropped, also by a panic. The frame
/// then goes back into the slot that it was taken from.
pub struct ContextGuard<'a> {
    slot: &'a mut Option<Arc<Frame>>,
    before: Before,
    /// Exited after the frame has gone back.
    #[expect(dead_code, reason = "held for its destructor")]
    span: Option<EnteredSpan>,
    /// Not `Send`: it restores the context of its own thread.
    not_send: PhantomData<*const ()>,
}

/// Enters the span of the hold, if it has one, and unless the running code is inside of it.
#[inline]
fn enter_span(frame: &Arc<Frame>) -> Option<EnteredSpan> {
    let span = frame.lease.span()?;
    let is_around = |here: &Arc<Frame>| here.ancestors().any(|around| around.has_lease_of(frame));
    if with_current(|here| here.is_some_and(is_around)) { None } else { span.enter() }
}

/// What was innermost before.
#[derive(Default)]
enum Before {
    #[default]
    Nothing,
    /// A frame of the same task, which the chain of the new one leads to.
    Around(Arc<Frame>),
    Suspended,
}

impl<'a> ContextGuard<'a> {
    pub fn enter(slot: &'a mut Option<Arc<Frame>>) -> Self {
        let span = slot.as_ref().and_then(enter_span);
        let mut guard = Self { slot, before: Before::Nothing, span, not_send: PhantomData };
        let _ = CONTEXT.try_with(|context| guard.install(context));
        guard
    }

    fn install(&mut self, context: &ThreadContext) {
        let task = current_task();
        let is_around = |before: &Entered| {
            let is_nested = |frame: &Arc<Frame>| frame.continues(&before.frame);
            before.task == task && self.slot.as_ref().is_some_and(is_nested)
        };
        match context.take() {
            None => {}
            Some(before) if is_around(&before) => self.before = Before::Around(before.frame),
            Some(before) => {
                context.with_suspended(|suspended| suspended.push(before));
                self.before = Before::Suspended;
            }
        }
        context.put(self.slot.take().map(|frame| Entered { frame, task }));
    }

    fn restore(&mut self, context: &ThreadContext) {
        let entered = context.take();
        let task = entered.as_ref().and_then(|entered| entered.task);
        *self.slot = entered.map(|entered| entered.frame);
        context.put(match mem::take(&mut self.before) {
            Before::Nothing => None,
            Before::Around(frame) => Some(Entered { frame, task }),
            Before::Suspended => context.with_suspended(Vec::pop),
        });
    }
}

impl Drop for ContextGuard<'_> {
    fn drop(&mut self) {
        let _ = CONTEXT.try_with(|context| self.restore(context));
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
    // In this order, so that the context is at a multiple of its alignment, and moved by the word.
    #[repr(C)]
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
