//! One hold around running code.

use std::sync::Arc;

use super::turn::Turn;
use crate::lease::Lease;

/// Which manager's keys these are: the same text in two managers is two locks.
pub(crate) type ManagerId = u64;

/// A link of the chain. It never changes; what it refers to may end: from then on the frame is no owner any more,
/// even for a future that started under it and lives on.
#[derive(Debug)]
pub(crate) struct Frame {
    parent: Option<Arc<Frame>>,
    manager: ManagerId,
    lease: Arc<Lease>,
    /// Taken by one child section of the same key at a time.
    turn: Turn,
}

impl Frame {
    #[inline]
    pub(super) fn new(
        parent: Option<Arc<Self>>,
        manager: ManagerId,
        lease: Arc<Lease>,
    ) -> Arc<Self> {
        Arc::new(Self { parent, manager, lease, turn: Turn::new() })
    }

    pub(crate) const fn manager(&self) -> ManagerId {
        self.manager
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub(super) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// The innermost frame of the chain, from `self` outwards, that holds this key.
    pub(crate) fn find(self: &Arc<Self>, manager: ManagerId, key: &str) -> Option<&Arc<Self>> {
        let is_owner = |frame: &Self| {
            frame.manager == manager && frame.lease.key() == key && !frame.lease.is_over()
        };
        self.outwards().find(|frame| is_owner(frame))
    }

    /// The innermost frame of the chain around this one that shares its hold: whose turn a nested section has.
    #[inline]
    pub(super) fn ancestor(&self) -> Option<&Arc<Self>> {
        let shares_hold = |frame: &Self| Arc::ptr_eq(&frame.lease, &self.lease);
        self.parent.as_ref()?.outwards().find(|frame| shares_hold(frame))
    }

    /// A frame of a section nested in `self` that re-enters the hold of `ancestor`.
    pub(super) fn child(self: &Arc<Self>, ancestor: &Self) -> Arc<Self> {
        Self::new(Some(Arc::clone(self)), ancestor.manager, Arc::clone(&ancestor.lease))
    }

    fn outwards(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |frame| frame.parent())
    }
}

impl Drop for Frame {
    /// Takes a long chain apart link by link: the compiler's own drop would recurse once per level.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut frame) = next.and_then(Arc::into_inner) {
            next = frame.parent.take();
        }
    }
}
