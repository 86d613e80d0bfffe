//! The thread-local that points at the innermost frame.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use super::Frame;
use crate::sync::thread_local;

thread_local! {
    /// Without a destructor, it can be reached to the end of its thread, from the destructors of other thread-locals too. It is
    /// empty by then: whoever puts a frame here takes it out again.
    static CURRENT: Cell<Option<ManuallyDrop<Arc<Frame>>>> = const { Cell::new(None) };
}

/// Looks at the innermost frame around the running code.
///
/// The frame is out of its place meanwhile, so `look` must not run code that is not ours.
pub(crate) fn with_current<R>(look: impl FnOnce(Option<&Arc<Frame>>) -> R) -> R {
    let frame = swap(None);
    let seen = look(frame.as_ref());
    swap(frame);
    seen
}

/// The innermost frame around the running code.
pub(crate) fn current() -> Option<Arc<Frame>> {
    with_current(|frame| frame.map(Arc::clone))
}

fn swap(frame: Option<Arc<Frame>>) -> Option<Arc<Frame>> {
    let frame = frame.map(ManuallyDrop::new);
    // Fails only where the platform has no thread-locals of its own, late in a thread's end.
    let before = CURRENT.try_with(|current| current.replace(frame)).ok().flatten();
    before.map(ManuallyDrop::into_inner)
}

/// While this lives, a frame is the innermost one of this thread; then the one before is again, also on panic, and
/// the frame is back in the slot it was lent from.
pub(crate) struct Entered<'a> {
    slot: &'a mut Option<Arc<Frame>>,
    before: Option<Arc<Frame>>,
    /// Belongs to the thread whose context it changed.
    not_send: PhantomData<*const ()>,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(slot: &'a mut Option<Arc<Frame>>) -> Self {
        let before = swap(slot.take());
        Self { slot, before, not_send: PhantomData }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.slot = swap(self.before.take());
    }
}
