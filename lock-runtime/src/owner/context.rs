//! The thread-local that points at the innermost frame.

use std::cell::Cell;
use std::iter::successors;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::owner::frame::Frame;
use crate::types::sync::thread_local;
use crate::types::task;
use crate::types::task::TaskId;

thread_local! {
    /// Without a destructor, it can be reached to the end of its thread, from the destructors of other thread-locals too. It is
    /// empty by then: whoever puts a frame here takes it out again.
    static CURRENT: Current = const {
        Current { frame: Cell::new(None), task: Cell::new(None), below: Cell::new(None) }
    };
}

/// What a thread runs.
struct Current {
    /// The innermost frame.
    frame: Cell<Option<ManuallyDrop<Arc<Frame>>>>,
    /// The task that entered it; `None` outside of tokio's tasks. An executor may run another task further up on the same stack,
    /// which this frame is not around: `block_on` of a current-thread runtime does, and `LocalSet::run_until`.
    task: Cell<Option<TaskId>>,
    /// The frame further down on the stack to which the chain of the innermost one does not lead.
    below: Cell<Option<ManuallyDrop<Box<Covered>>>>,
}

/// A frame that another one covers.
struct Covered {
    frame: Arc<Frame>,
    task: Option<TaskId>,
    below: Option<ManuallyDrop<Box<Covered>>>,
}

impl Current {
    fn put(&self, frame: Option<Arc<Frame>>) {
        self.frame.set(frame.map(ManuallyDrop::new));
    }

    fn take(&self) -> Option<Arc<Frame>> {
        self.frame.take().map(ManuallyDrop::into_inner)
    }

    fn cover(&self, frame: Arc<Frame>) {
        let below = Covered { frame, task: self.task.get(), below: self.below.take() };
        self.below.set(Some(ManuallyDrop::new(Box::new(below))));
    }

    fn uncover(&self) {
        let Some(covered) = self.below.take() else { return };
        let Covered { frame, task, below } = *ManuallyDrop::into_inner(covered);
        self.below.set(below);
        self.task.set(task);
        self.put(Some(frame));
    }
}

/// Looks at the innermost frame around the running code.
///
/// The frame is out of its place meanwhile, so `look` must not run code that is not ours.
pub fn with_current<R>(look: impl FnOnce(Option<&Arc<Frame>>) -> R) -> R {
    let mut look = Some(look);
    // Fails only where the platform has no thread-locals of its own, late in a thread's end.
    let seen = CURRENT.try_with(|current| {
        let look = look.take()?;
        let frame = current.take();
        let around = frame.as_ref().filter(|_| current.task.get() == task::current());
        let seen = look(around);
        current.put(frame);
        Some(seen)
    });
    match (seen, look) {
        (Ok(Some(seen)), _) => seen,
        (_, Some(look)) => look(None),
        (_, None) => unreachable!("it has looked"),
    }
}

/// The innermost frame around the running code.
pub fn current() -> Option<Arc<Frame>> {
    with_current(|frame| frame.map(Arc::clone))
}

/// A frame further down on this thread's stack that keeps what a call waits for, and whose code goes on only when that call has
/// returned.
pub fn below(keeps: impl Fn(&Frame) -> bool) -> Option<Arc<Frame>> {
    let find = |frame: &Arc<Frame>| frame.outwards().find(|frame| keeps(frame)).cloned();
    let found = CURRENT.try_with(|current| {
        let (frame, covered) = (current.take(), current.below.take());
        let stack = successors(covered.as_deref(), |covered| covered.below.as_deref());
        let mut frames = frame.iter().chain(stack.map(|covered| &covered.frame));
        let found = frames.find_map(find);
        current.put(frame);
        current.below.set(covered);
        found
    });
    found.ok().flatten()
}

/// While this lives, a frame is the innermost one of this thread, around the code of the task that entered it; then the one
/// before is again, also on panic, and the frame is back in the slot it was lent from.
pub struct Entered<'a> {
    slot: &'a mut Option<Arc<Frame>>,
    /// The frame before, to which the chain of this one leads.
    before: Option<Arc<Frame>>,
    /// Whether the frame before is covered instead.
    covers: bool,
    /// Belongs to the thread whose context it changed.
    not_send: PhantomData<*const ()>,
}

impl<'a> Entered<'a> {
    pub fn new(slot: &'a mut Option<Arc<Frame>>) -> Self {
        let mut entered = Self { slot, before: None, covers: false, not_send: PhantomData };
        let _ = CURRENT.try_with(|current| entered.enter(current));
        entered
    }

    fn enter(&mut self, current: &Current) {
        let task = task::current();
        match current.take() {
            None => current.task.set(task),
            Some(before) => {
                let leads = |frame: &Arc<Frame>| {
                    let inside = frame.parent().is_some_and(|parent| Arc::ptr_eq(parent, &before));
                    inside || Arc::ptr_eq(frame, &before)
                };
                if current.task.get() == task && self.slot.as_ref().is_some_and(leads) {
                    self.before = Some(before);
                } else {
                    current.cover(before);
                    current.task.set(task);
                    self.covers = true;
                }
            }
        }
        current.put(self.slot.take());
    }

    fn leave(&mut self, current: &Current) {
        *self.slot = current.take();
        if self.covers {
            current.uncover();
        } else {
            current.put(self.before.take());
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| self.leave(current));
    }
}
