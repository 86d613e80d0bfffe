//! The thread-local that points at the innermost frame.

use std::cell::Cell;
use std::iter::successors;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use super::Frame;
use crate::sync::thread_local;
use crate::task::{self, TaskId};

thread_local! {
    /// Without a destructor, it can be reached to the end of its thread, from the destructors of other thread-locals too. It is
    /// empty by then: whoever puts a frame here takes it out again.
    static CURRENT: Cell<Option<ManuallyDrop<Innermost>>> = const { Cell::new(None) };
}

/// The innermost frame of a thread.
struct Innermost {
    frame: Arc<Frame>,
    /// The task that runs in it; `None` outside of tokio's tasks. An executor may run another task further up on the same stack,
    /// which this frame is not around: `block_on` of a current-thread runtime does, and `LocalSet::run_until`.
    task: Option<TaskId>,
    /// The frame below it on this thread's stack, where its own chain does not lead there.
    below: Option<Box<Innermost>>,
}

impl Innermost {
    fn is_around(&self, task: Option<TaskId>) -> bool {
        self.task == task
    }

    /// Whether `frame`, entered by `task`, leads here by its chain.
    fn is_next_to(&self, frame: &Arc<Frame>, task: Option<TaskId>) -> bool {
        let inside = frame.parent().is_some_and(|parent| Arc::ptr_eq(parent, &self.frame));
        self.is_around(task) && (inside || Arc::ptr_eq(frame, &self.frame))
    }
}

/// Looks at the innermost frame around the running code.
///
/// The frame is out of its place meanwhile, so `look` must not run code that is not ours.
pub(crate) fn with_current<R>(look: impl FnOnce(Option<&Arc<Frame>>) -> R) -> R {
    let innermost = replace(None);
    let around = innermost.as_ref().filter(|innermost| innermost.is_around(task::current()));
    let seen = look(around.map(|innermost| &innermost.frame));
    replace(innermost);
    seen
}

/// The innermost frame around the running code.
pub(crate) fn current() -> Option<Arc<Frame>> {
    with_current(|frame| frame.map(Arc::clone))
}

/// A frame further down on this thread's stack that keeps what a call waits for, and whose code goes on only when that call has
/// returned.
pub(crate) fn below(keeps: impl Fn(&Frame) -> bool) -> Option<Arc<Frame>> {
    let innermost = replace(None);
    let find = |entered: &Innermost| entered.frame.outwards().find(|frame| keeps(frame)).cloned();
    let found = successors(innermost.as_ref(), |entered| entered.below.as_deref()).find_map(find);
    replace(innermost);
    found
}

fn replace(innermost: Option<Innermost>) -> Option<Innermost> {
    let innermost = innermost.map(ManuallyDrop::new);
    // Fails only where the platform has no thread-locals of its own, late in a thread's end.
    let before = CURRENT.try_with(|current| current.replace(innermost)).ok().flatten();
    before.map(ManuallyDrop::into_inner)
}

/// While this lives, a frame is the innermost one of this thread, around the code of the task that entered it; then the one
/// before is again, also on panic, and the frame is back in the slot it was lent from.
pub(crate) struct Entered<'a> {
    slot: &'a mut Option<Arc<Frame>>,
    /// The frame before, unless it is below the one that was entered.
    before: Option<Innermost>,
    /// Belongs to the thread whose context it changed.
    not_send: PhantomData<*const ()>,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(slot: &'a mut Option<Arc<Frame>>) -> Self {
        let mut before = replace(None);
        let innermost = slot.take().map(|frame| {
            let task = task::current();
            let below = match &mut before {
                Some(next) if next.is_next_to(&frame, task) => next.below.take(),
                _ => before.take().map(Box::new),
            };
            Innermost { frame, task, below }
        });
        replace(innermost);
        Self { slot, before, not_send: PhantomData }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut below = None;
        if let Some(innermost) = replace(None) {
            *self.slot = Some(innermost.frame);
            below = innermost.below;
        }
        let before = match self.before.take() {
            Some(next) if below.is_some() => Some(Innermost { below, ..next }),
            Some(next) => Some(next),
            None => below.map(|below| *below),
        };
        replace(before);
    }
}
