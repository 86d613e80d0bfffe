//! The stretch of code that runs under a key, or under several, from its turn to its exit.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::local::lease::{Lease, LeaseRef};
use crate::owner::context::Entered;
use crate::owner::frame::{Frame, ManagerId};
use crate::owner::scope::{Heed, Slot};
use crate::protocol::request::ReleaseOutcome;
use crate::types::call_site::CallSite;

/// A section that may run: its frame and, by that, a share of the hold; a nested one also has its ancestor's turn.
pub struct Section {
    /// Taken out where the section ends.
    frame: Option<Arc<Frame>>,
    /// What was entered before, of several keys that are taken together; it ends after this.
    under: Option<Box<Section>>,
}

impl Section {
    /// The section of a new hold, nested in `here`.
    pub fn outermost(
        here: Option<Arc<Frame>>,
        manager: ManagerId,
        share: LeaseRef,
        call_site: CallSite,
    ) -> Self {
        let frame = Frame::of_hold(here, manager, share.into_lease(), call_site);
        Self { frame: Some(frame), under: None }
    }

    /// A section within `here` that re-enters the hold of `ancestor`, if no sibling runs under it now.
    #[inline]
    pub fn try_nested(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if !ancestor.turn().try_take() {
            return None;
        }
        Self::with_turn(here, ancestor)
    }

    /// The same, after the siblings that asked before; `None` if the hold is over by then. Cancelled, it leaves the
    /// line.
    pub async fn nested(here: Arc<Frame>, ancestor: Arc<Frame>) -> Option<Self> {
        ancestor.turn().take().await;
        Self::with_turn(&here, &ancestor)
    }

    /// Enters a hold whose turn is taken; gives it back if the hold is over.
    #[inline]
    fn with_turn(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if ancestor.lease().add_ref() {
            return Some(Self { frame: Some(here.child(ancestor)), under: None });
        }
        ancestor.turn().give_back();
        None
    }

    /// The same section on top of one that was entered before and whose frame is around its own.
    pub fn upon(mut self, under: Option<Self>) -> Self {
        self.under = under.map(Box::new);
        self
    }

    pub fn frame(&self) -> &Arc<Frame> {
        self.frame.as_ref().expect("a section has its frame until its end")
    }

    pub fn lease(&self) -> &Arc<Lease> {
        self.frame().lease()
    }

    pub fn is_outermost(&self) -> bool {
        !self.frame().has_turn()
    }

    /// This section and those it stands on.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |section| section.under.as_deref())
    }

    /// Runs a closure inside the section.
    pub fn run<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let _inside = Entered::new(&mut self.frame);
        body()
    }

    /// What the section's body heeds, if it is a future. The outermost section of a hold watches for its loss: it drops
    /// its body, and with it all nested ones.
    pub fn heed(&self, finish_when_lost: bool) -> Heed {
        let holds = self.all().any(Self::is_outermost);
        if holds && !finish_when_lost { Heed::LOSS } else { Heed::Nothing }
    }

    /// Ends the section and those it stands on. For each hold that is released by that, the receiver hears whether the lock
    /// was ours to the end.
    pub fn end_confirmed(mut self) -> Vec<(Arc<Lease>, oneshot::Receiver<ReleaseOutcome>)> {
        let mut released = Vec::new();
        loop {
            if let Some(frame) = self.frame.take() {
                give_back_turn(&frame);
                let confirmed = frame.lease().release_and_confirm();
                released.extend(confirmed.map(|answer| (Arc::clone(frame.lease()), answer)));
            }
            match self.under.take() {
                Some(under) => self = *under,
                None => return released,
            }
        }
    }
}

#[inline]
fn give_back_turn(frame: &Frame) {
    if frame.has_turn() {
        frame.ancestor().expect("a nested section has an ancestor").turn().give_back();
    }
}

impl Slot for Section {
    fn slot(&mut self) -> &mut Option<Arc<Frame>> {
        &mut self.frame
    }

    fn others(&self) -> impl Iterator<Item = &Arc<Lease>> {
        let under = self.under.as_deref().into_iter().flat_map(Self::all);
        under.filter(|section| section.is_outermost()).map(Self::lease)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            give_back_turn(&frame);
            frame.lease().release();
        }
        // The compiler's own drop would recurse once for each key.
        let mut next = self.under.take();
        while let Some(mut section) = next {
            next = section.under.take();
        }
    }
}
