//! Nested sections of the innermost hold, which have no frame until code looks.
//!
//! Most nested calls of a key end before anybody asks for the chain of owners. Their sections are
//! only a number in the context of their thread: how many run inside the innermost frame, one
//! within the other.
//!
//! - The outermost of them has locked the frame's sibling mutex, and unlocks it when it ends. Those
//!   within it lock nothing: nobody else can know the frames whose mutexes they would lock.
//! - None of them has a reference to the lease. The section of the innermost frame is further down
//!   on the same stack, and has one.
//! - They belong to the task that entered the innermost frame. Code of another task on top of the
//!   same stack finds its task id there, and does not enter.
//!
//! Code that takes the innermost frame out of the context, to look at it or to put another one in
//! its place, gets it from `ThreadContext::take`, which first makes the missing frames and sets the
//! number to zero. That is the case for `current()`, a nested call of another key, a call that
//! waits, and a future or guard that is entered. The chain is then as if each section had had its
//! frame from the beginning: each has locked the mutex of the one around it. So nobody sees the
//! difference, and no frame is made twice.
//!
//! A section of this kind stays on the stack of its thread. The first to end is therefore the last
//! one that is counted or, if the number is zero, the one whose frame is innermost by now. An async
//! section is of this kind during its first poll only. If its body is not ready then, it goes on as
//! a [`Section`] with a frame.

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;

use crate::local::lease::Lease;
use crate::owner::context::{ThreadContext, with_context};
use crate::owner::frame::ManagerId;
use crate::owner::section::Section;
use crate::protocol::request::Loss;

/// A section that re-enters the innermost hold of this thread. Its drop ends it.
pub struct FramelessSection {
    /// Not `Send`: it is counted in the context of its own thread.
    not_send: PhantomData<*const ()>,
}

impl FramelessSection {
    /// Enters if the innermost frame holds the key, belongs to the running task, and neither its
    /// lease is lost nor a sibling runs.
    #[inline]
    pub fn try_enter(manager: ManagerId, key: &str) -> Option<Self> {
        let begins = with_context(|context| context.try_begin_frameless(manager, key));
        // Not `then_some`, which would make and drop it in any case.
        (begins == Some(true)).then(|| Self { not_send: PhantomData })
    }

    /// Ends it. Returns why the lease is lost, if that was reported.
    #[inline]
    pub fn end(self) -> Option<(Arc<Lease>, Loss)> {
        let loss = with_context(ThreadContext::reported_loss).flatten();
        drop(self);
        loss
    }

    /// The same section with a frame, which is not the innermost one any more.
    #[cold]
    pub fn into_section(self) -> Section {
        mem::forget(self);
        let frame = with_context(ThreadContext::pop_reentrant).flatten();
        Section::of_made_frame(frame.expect("its frame is innermost once it has one"))
    }
}

impl Drop for FramelessSection {
    #[inline]
    fn drop(&mut self) {
        if with_context(ThreadContext::try_end_frameless) != Some(true) {
            drop(Self { not_send: PhantomData }.into_section());
        }
    }
}
