//! The thread-local that points at the innermost frame.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Frame;

thread_local! {
    static CURRENT: Cell<Option<Arc<Frame>>> = const { Cell::new(None) };
}

/// The innermost frame around the running code; none on a thread that is past its destructors.
pub(crate) fn current() -> Option<Arc<Frame>> {
    CURRENT
        .try_with(|current| {
            let frame = current.take();
            current.set(frame.clone());
            frame
        })
        .ok()
        .flatten()
}

fn swap(frame: Option<Arc<Frame>>) -> Option<Arc<Frame>> {
    CURRENT.try_with(|current| current.replace(frame)).ok().flatten()
}

/// While this lives the frame is the innermost one of this thread; then the one before is again, also on panic.
pub(crate) struct Entered {
    before: Option<Arc<Frame>>,
    /// Belongs to the thread whose context it changed.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    pub(crate) fn new(frame: Arc<Frame>) -> Self {
        Self { before: swap(Some(frame)), not_send: PhantomData }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(swap(self.before.take()));
    }
}
