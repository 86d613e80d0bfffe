//! A critical section: the code that runs under a key, or under several.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::local::lease::{Lease, LeaseRef};
use crate::owner::context::ContextGuard;
use crate::owner::frame::{Frame, ManagerId};
use crate::owner::scope::{FrameSource, OnLoss};
use crate::protocol::request::{Loss, ReleaseOutcome};
use crate::types::call_site::CallSite;

/// A section that may run. Its drop releases the lock, or unlocks the ancestor's sibling mutex if
/// the section is re-entrant.
pub struct Section {
    /// Taken when the section ends.
    frame: Option<Arc<Frame>>,
    /// The section of the key before, if several are held together. It ends after this one.
    outer: Option<Box<Section>>,
}

impl Section {
    /// The section of a new lease, nested in `here`.
    pub fn outermost(
        here: Option<Arc<Frame>>,
        manager: ManagerId,
        share: LeaseRef,
        call_site: CallSite,
    ) -> Self {
        let frame = Frame::outermost(here, manager, share.into_lease(), call_site);
        Self { frame: Some(frame), outer: None }
    }

    /// A section within `here` that re-enters the lease of `ancestor`. `None` while a sibling runs.
    #[inline]
    pub fn try_reenter(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if !ancestor.siblings().try_lock() {
            return None;
        }
        Self::reenter_locked(here, ancestor)
    }

    /// The same, after the siblings that asked before. `None` if the lease has ended by then.
    pub async fn reenter(here: Arc<Frame>, ancestor: Arc<Frame>) -> Option<Self> {
        ancestor.siblings().lock().await;
        Self::reenter_locked(&here, &ancestor)
    }

    /// Re-enters with the sibling mutex locked. Unlocks it if the lease has ended.
    #[inline]
    fn reenter_locked(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if ancestor.lease().add_ref() {
            return Some(Self { frame: Some(here.reentrant_child(ancestor)), outer: None });
        }
        ancestor.siblings().unlock();
        None
    }

    /// The same section on top of one whose frame is around its own.
    pub fn stacked_on(mut self, outer: Option<Self>) -> Self {
        self.outer = outer.map(Box::new);
        self
    }

    pub fn frame(&self) -> &Arc<Frame> {
        self.frame.as_ref().expect("a section has its frame until it ends")
    }

    pub fn lease(&self) -> &Arc<Lease> {
        self.frame().lease()
    }

    pub fn is_outermost(&self) -> bool {
        !self.frame().is_reentrant()
    }

    /// This section and those that it is stacked on.
    pub fn stack(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |section| section.outer.as_deref())
    }

    /// The first loss among its leases. An outermost section reads the clock; a re-entrant one
    /// leaves that to the section around it.
    pub fn loss(&self) -> Option<(&Arc<Lease>, Loss)> {
        self.stack().find_map(|section| {
            let lease = section.lease();
            let outermost = section.is_outermost();
            let loss = if outermost { lease.loss() } else { lease.reported_loss() };
            Some((lease, loss?))
        })
    }

    /// Runs a closure inside the section.
    pub fn run<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let _guard = ContextGuard::enter(&mut self.frame);
        body()
    }

    /// What a loss does to the body, if it is a future. Only an outermost section cancels its body:
    /// the re-entrant ones inside are dropped with it.
    pub fn on_loss(&self, finish_when_lost: bool) -> OnLoss {
        let outermost = self.stack().any(Self::is_outermost);
        if outermost && !finish_when_lost { OnLoss::cancel() } else { OnLoss::Ignore }
    }

    /// Ends the section and those that it is stacked on. For each lease that this releases, the
    /// receiver gets the server's confirmation.
    pub fn end_confirmed(mut self) -> Vec<(Arc<Lease>, oneshot::Receiver<ReleaseOutcome>)> {
        let mut released = Vec::new();
        loop {
            if let Some(frame) = self.frame.take() {
                unlock_siblings(&frame);
                let confirmed = frame.lease().release_and_confirm();
                released.extend(confirmed.map(|answer| (Arc::clone(frame.lease()), answer)));
            }
            match self.outer.take() {
                Some(outer) => self = *outer,
                None => return released,
            }
        }
    }
}

#[inline]
fn unlock_siblings(frame: &Frame) {
    if frame.is_reentrant() {
        frame.reentered().expect("a re-entrant section has an ancestor").siblings().unlock();
    }
}

impl FrameSource for Section {
    fn frame_slot(&mut self) -> &mut Option<Arc<Frame>> {
        &mut self.frame
    }

    fn other_leases(&self) -> impl Iterator<Item = &Arc<Lease>> {
        let outer = self.outer.as_deref().into_iter().flat_map(Self::stack);
        outer.filter(|section| section.is_outermost()).map(Self::lease)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            unlock_siblings(&frame);
            frame.lease().release();
        }
        // Iteratively: the compiler's drop glue would recurse once per key.
        let mut next = self.outer.take();
        while let Some(mut section) = next {
            next = section.outer.take();
        }
    }
}
