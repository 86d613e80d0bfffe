//! The stretch of code that runs under a key, from its turn to its exit.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::context::current;
use super::frame::ManagerId;
use super::{Entered, Frame, Heed, Slot};
use crate::lease::{Lease, Share};

/// A section that may run: its frame and, by that, a share of the hold; a nested one also has its ancestor's turn.
pub(crate) struct Section {
    /// Taken out where the section ends.
    frame: Option<Arc<Frame>>,
    nested: bool,
}

impl Section {
    /// The section of a new hold, nested in whatever runs here.
    pub(crate) fn outermost(manager: ManagerId, share: Share) -> Self {
        Self { frame: Some(Frame::new(current(), manager, share.into_lease())), nested: false }
    }

    /// A section within `here` that re-enters the hold of `ancestor`, if no sibling runs under it now.
    #[inline]
    pub(crate) fn try_nested(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if !ancestor.turn().try_take() {
            return None;
        }
        Self::with_turn(here, ancestor)
    }

    /// The same, after the siblings that asked before; `None` if the hold is over by then. Cancelled, it leaves the
    /// line.
    pub(crate) async fn nested(here: Arc<Frame>, ancestor: Arc<Frame>) -> Option<Self> {
        ancestor.turn().take().await;
        Self::with_turn(&here, &ancestor)
    }

    /// Enters a hold whose turn is taken; gives it back if the hold is over.
    #[inline]
    fn with_turn(here: &Arc<Frame>, ancestor: &Arc<Frame>) -> Option<Self> {
        if ancestor.lease().join() {
            return Some(Self { frame: Some(here.child(ancestor)), nested: true });
        }
        ancestor.turn().give_back();
        None
    }

    pub(crate) fn frame(&self) -> &Arc<Frame> {
        self.frame.as_ref().expect("a section has its frame until its end")
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        self.frame().lease()
    }

    pub(crate) fn is_outermost(&self) -> bool {
        !self.nested
    }

    /// Runs a closure inside the section.
    pub(crate) fn run<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let _inside = Entered::new(&mut self.frame);
        body()
    }

    /// What the section's body heeds, if it is a future. The outermost section of a hold watches for its loss: it drops
    /// its body, and with it all nested ones.
    pub(crate) fn heed(&self, finish_when_lost: bool) -> Heed {
        if self.nested || finish_when_lost { Heed::Nothing } else { Heed::LOSS }
    }

    /// Ends the section; the receiver hears whether the lock was ours to the end. `None`: others still share the hold,
    /// so there is nothing to hear.
    pub(crate) fn end_confirmed(mut self) -> Option<oneshot::Receiver<Option<bool>>> {
        let frame = self.frame.take()?;
        self.give_back_turn(&frame);
        frame.lease().leave_confirmed()
    }

    #[inline]
    fn give_back_turn(&self, frame: &Frame) {
        if self.nested {
            frame.ancestor().expect("a nested section has an ancestor").turn().give_back();
        }
    }
}

impl Slot for Section {
    fn slot(&mut self) -> &mut Option<Arc<Frame>> {
        &mut self.frame
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            self.give_back_turn(&frame);
            frame.lease().leave();
        }
    }
}
