//! The stretch of code that runs under a key, from its turn to its exit.

use std::sync::Arc;

use super::context::current;
use super::{Entered, Frame};
use crate::lease::{Lease, LeaseCell};
use crate::owner::frame::ManagerId;

/// A section that may run: its frame, its share of the hold, and for a re-entrant one its turn.
pub(crate) struct Section {
    frame: Arc<Frame>,
    lease: Arc<Lease>,
    /// The ancestor whose turn this section has.
    ancestor: Option<Arc<Frame>>,
}

impl Section {
    /// The section of a new hold, nested in whatever runs here.
    pub(crate) fn outermost(manager: ManagerId, lease: Lease) -> Self {
        let lease = Arc::new(lease);
        Self { frame: Frame::new(current(), manager, &lease), lease, ancestor: None }
    }

    /// A section that re-enters `ancestor`'s hold, if no sibling runs under it now.
    pub(crate) fn try_nested(
        here: &Arc<Frame>,
        ancestor: &Arc<Frame>,
        lease: &Arc<Lease>,
    ) -> Option<Self> {
        ancestor.turn().try_acquire().ok()?.forget();
        Some(Self::with_turn(here, ancestor, lease))
    }

    /// The same, after the siblings that asked before. Cancelled, it leaves the line.
    pub(crate) async fn nested(here: Arc<Frame>, ancestor: Arc<Frame>, lease: Arc<Lease>) -> Self {
        ancestor.turn().acquire().await.expect("turns are never closed").forget();
        Self::with_turn(&here, &ancestor, &lease)
    }

    fn with_turn(here: &Arc<Frame>, ancestor: &Arc<Frame>, lease: &Arc<Lease>) -> Self {
        Self {
            frame: Frame::new(Some(Arc::clone(here)), ancestor.manager(), lease),
            lease: Arc::clone(lease),
            ancestor: Some(Arc::clone(ancestor)),
        }
    }

    pub(crate) fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    pub(crate) fn cell(&self) -> &Arc<LeaseCell> {
        self.lease.cell()
    }

    pub(crate) fn is_outermost(&self) -> bool {
        self.ancestor.is_none()
    }

    pub(crate) fn enter(&self) -> Entered {
        Entered::new(Arc::clone(&self.frame))
    }

    /// The hold itself, if this was its last share: of a nested or shared one others still have theirs.
    pub(crate) fn into_last(mut self) -> Option<Lease> {
        let ancestor = self.ancestor.take();
        let lease = Arc::clone(&self.lease);
        drop(self);
        give_back(ancestor);
        Arc::into_inner(lease)
    }
}

fn give_back(ancestor: Option<Arc<Frame>>) {
    if let Some(ancestor) = ancestor {
        ancestor.turn().add_permits(1);
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        give_back(self.ancestor.take());
    }
}
