//! One lease around the running code, and the mutex that its children take turns with.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::iter::successors;
use std::pin::pin;
use std::sync::{Arc, LazyLock};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::local::lease::Lease;
use crate::types::environment::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::types::owner_info::CallSite;
use crate::types::request_id::RequestId;
use crate::user_code;

/// The manager that a key belongs to: the same key of two managers is two locks.
pub type ManagerId = u64;

/// A link of the chain of owners. It is immutable, but its lease may end while code still refers to
/// the frame. The frame then owns nothing.
#[derive(Debug)]
pub struct Frame {
    pub(super) parent: Option<Arc<Frame>>,
    pub manager: ManagerId,
    pub lease: Arc<Lease>,
    /// Where the lease was acquired.
    pub call_site: CallSite,
    pub(super) kind: FrameKind,
}

/// A section has a mutex, which the child section of the same key locks that runs.
#[derive(Debug)]
pub(super) enum FrameKind {
    /// The lease was acquired for this section.
    Outermost(SiblingMutex),
    /// The section re-entered the lease of an ancestor and holds its sibling mutex.
    Reentrant(SiblingMutex),
    /// Code in another place than its parent's section runs under its parent's lease: inside of a
    /// guard, or with a share. The sections around the parent do not wait for this code.
    Elsewhere {
        /// What this code runs inside of.
        around: Option<Arc<Frame>>,
        /// Whether the parent's section does not end before this code: a guard keeps it. A share
        /// keeps only the lease.
        keeps_section: bool,
    },
}

impl Frame {
    /// A frame nested in `self` with the lease of `ancestor`.
    #[inline]
    fn child(self: &Arc<Self>, ancestor: &Self, kind: FrameKind) -> Arc<Self> {
        Arc::new(Self {
            parent: Some(Arc::clone(self)),
            manager: ancestor.manager,
            lease: Arc::clone(&ancestor.lease),
            call_site: ancestor.call_site,
            kind,
        })
    }

    /// A frame for code inside of `around` that runs under the lease of `self`.
    pub(super) fn elsewhere(
        self: &Arc<Self>,
        around: Option<Arc<Self>>,
        keeps_section: bool,
    ) -> Arc<Self> {
        self.child(self, FrameKind::Elsewhere { around, keeps_section })
    }

    pub(super) const fn is_section(&self) -> bool {
        !matches!(self.kind, FrameKind::Elsewhere { .. })
    }

    pub(super) const fn is_reentrant(&self) -> bool {
        matches!(self.kind, FrameKind::Reentrant(_))
    }

    /// The mutex of the sections that re-enter this one.
    #[inline]
    pub(super) fn siblings(&self) -> &SiblingMutex {
        match &self.kind {
            FrameKind::Outermost(siblings) | FrameKind::Reentrant(siblings) => siblings,
            FrameKind::Elsewhere { .. } => unreachable!("what is re-entered is a section"),
        }
    }

    /// The frame that the code in this one runs directly inside of.
    pub(super) fn around(&self) -> Option<&Arc<Self>> {
        match &self.kind {
            FrameKind::Outermost(_) | FrameKind::Reentrant(_) => self.parent.as_ref(),
            FrameKind::Elsewhere { around, .. } => around.as_ref(),
        }
    }

    /// Whether its code runs directly inside of `here`, or of nothing.
    pub(super) fn is_directly_in(&self, here: Option<&Arc<Self>>) -> bool {
        self.around().map(Arc::as_ptr) == here.map(Arc::as_ptr)
    }

    /// This frame and all that its code runs inside of.
    fn all_around(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        successors(Some(self), |frame| frame.around())
    }

    /// Whether it is `around` itself, or directly inside of it.
    pub(super) fn continues(self: &Arc<Self>, around: &Arc<Self>) -> bool {
        let is = |frame| Arc::ptr_eq(frame, around);
        is(self) || self.parent.as_ref().is_some_and(is)
    }

    /// This frame and those around it.
    pub(super) fn ancestors(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        successors(Some(self), |frame| frame.parent.as_ref())
    }

    /// The sections among them. Code elsewhere is part of its parent's section.
    fn sections(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        self.ancestors().filter(|frame| frame.is_section())
    }

    /// Whether a section of this key that is called here re-enters this frame's lease, and not that
    /// of a frame around it.
    #[inline]
    pub(super) fn is_section_of(&self, manager: ManagerId, key: &str) -> bool {
        self.is_section() && self.holds(manager, key)
    }

    /// The frame of a section nested in `self`, which re-enters the lease of `ancestor` and has
    /// locked its sibling mutex.
    #[inline]
    pub(super) fn reentrant_child(self: &Arc<Self>, ancestor: &Self) -> Arc<Self> {
        let frame = self.child(ancestor, FrameKind::Reentrant(SiblingMutex::default()));
        ancestor.siblings().set_holder(Arc::as_ptr(&frame).addr());
        frame
    }

    /// The innermost section that owns this key, from `self` outwards.
    pub fn find(self: &Arc<Self>, manager: ManagerId, key: &str) -> Option<&Arc<Self>> {
        self.sections().find(|frame| frame.holds(manager, key))
    }

    /// Whether its lease is for this key and has not ended.
    #[inline]
    pub fn holds(&self, manager: ManagerId, key: &str) -> bool {
        self.manager == manager && self.lease.key() == key && !self.lease.is_released()
    }

    pub(super) fn has_lease_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lease, &other.lease)
    }

    /// How many sections of this lease are nested here.
    pub fn depth(self: &Arc<Self>) -> usize {
        self.sections().filter(|frame| frame.has_lease_of(self)).count()
    }

    /// The innermost section around this frame with the same lease: the one whose sibling mutex a
    /// re-entrant section holds.
    #[inline]
    pub(super) fn reentered(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()?.sections().find(|frame| frame.has_lease_of(self))
    }

    /// Whether its section holds the sibling mutex of `ancestor`.
    pub fn is_running_child_of(&self, ancestor: &Arc<Self>) -> bool {
        self.is_reentrant() && self.reentered().is_some_and(|frame| Arc::ptr_eq(frame, ancestor))
    }

    /// The locks around the code in this frame: the call site and the key of each. Also those that
    /// were around the place where one of them was acquired, if it was entered elsewhere.
    pub fn held_locks(self: &Arc<Self>) -> impl Iterator<Item = (CallSite, &str)> {
        let held = self.all_around().flat_map(|frame| {
            let length = if frame.is_section() { 1 } else { usize::MAX };
            frame.ancestors().take(length)
        });
        let held = held.filter(|frame| matches!(frame.kind, FrameKind::Outermost(_)));
        held.map(|frame| (frame.call_site, frame.lease.key()))
    }

    /// The ids of the sections that cannot end before the code in this frame does. Deadlock
    /// detection compares them with those that others wait for.
    pub fn blocked_sections(self: &Arc<Self>) -> Vec<RequestId> {
        let mut sections = Vec::new();
        for frame in self.all_around().filter(|frame| !frame.lease.is_released()) {
            let section = match frame.kind {
                FrameKind::Outermost(_) | FrameKind::Reentrant(_) => Some(frame),
                FrameKind::Elsewhere { keeps_section, .. } => {
                    frame.parent.as_ref().filter(|_| keeps_section)
                }
            };
            let reentrant = section.filter(|section| section.is_reentrant());
            sections.extend(reentrant.map(|frame| reentrant_section_id(Arc::as_ptr(frame).addr())));
            if !frame.is_reentrant() {
                sections.push(frame.lease.request_id());
            }
        }
        sections
    }

    fn take_around(&mut self) -> Option<Arc<Self>> {
        match &mut self.kind {
            FrameKind::Outermost(_) | FrameKind::Reentrant(_) => None,
            FrameKind::Elsewhere { around, .. } => around.take(),
        }
    }

    /// The id of the child section that holds the sibling mutex, if one does.
    pub fn running_child(&self) -> Option<RequestId> {
        self.siblings().holder().map(reentrant_section_id)
    }
}

/// An id for a re-entrant section, from the address of its frame, which is unique while it runs.
fn reentrant_section_id(address: usize) -> RequestId {
    static PROCESS: LazyLock<u128> = LazyLock::new(|| Uuid::new_v4().as_u128());
    RequestId::from_bits(*PROCESS ^ address as u128)
}

impl Drop for Frame {
    /// Iteratively: the compiler's drop glue would recurse once per level.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        let mut others = Vec::from_iter(self.take_around());
        loop {
            while let Some(mut frame) = next.and_then(Arc::into_inner) {
                next = frame.parent.take();
                others.extend(frame.take_around());
            }
            match others.pop() {
                None => break,
                other => next = other,
            }
        }
    }
}

/// Runs the children of one frame one at a time.
///
/// A mutex for tasks and threads, without a guard: it stays locked for longer than the call that
/// locks it.
///
/// With its third state, "locked, and another section may wait", an uncontended lock and unlock
/// cost one atomic exchange each (Drepper, "Futexes Are Tricky", the second mutex). Tokio's
/// `Notify` does the waiting: it passes a wake-up on if the waiter that it was for is gone.
#[derive(Debug, Default)]
pub struct SiblingMutex {
    state: AtomicU8,
    /// The address of the frame whose section holds it, or zero. A section without a frame does not
    /// set it.
    holder: AtomicUsize,
    waiters: Notify,
}

/// The initial state.
const UNLOCKED: u8 = 0;
const LOCKED: u8 = 1;
const CONTENDED: u8 = 2;

impl SiblingMutex {
    pub fn set_holder(&self, frame: usize) {
        // Other threads read it only to detect deadlocks, repeatedly.
        self.holder.store(frame, Ordering::Relaxed);
    }

    /// The address of the frame that holds it, as far as known.
    pub fn holder(&self) -> Option<usize> {
        Some(self.holder.load(Ordering::Relaxed)).filter(|&holder| holder != 0)
    }

    #[must_use]
    #[inline]
    pub fn try_lock(&self) -> bool {
        self.state.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Cancel safe: a dropped future has not locked it.
    pub async fn lock(&self) {
        loop {
            let mut woken = pin!(self.waiters.notified());
            // Registered before the state is read, so that an unlock after that wakes it.
            woken.as_mut().enable();
            if self.state.swap(CONTENDED, Ordering::Acquire) == UNLOCKED {
                return;
            }
            poll_fn(|context| user_code::poll_guarded(woken.as_mut(), context)).await;
        }
    }

    /// Unlocks it unless another section may wait. For a holder that has not called
    /// [`Self::set_holder`].
    #[must_use]
    #[inline]
    pub fn unlock_uncontended(&self) -> bool {
        self.state.compare_exchange(LOCKED, UNLOCKED, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Wakes the longest waiter. Another caller may lock it before that one runs.
    pub fn unlock(&self) {
        self.set_holder(0);
        if self.state.swap(UNLOCKED, Ordering::Release) == CONTENDED {
            self.waiters.notify_one();
        }
    }
}
