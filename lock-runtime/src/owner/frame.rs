//! One hold around running code.

use std::sync::{Arc, Weak};

use tokio::sync::Semaphore;

use crate::lease::{Lease, LeaseCell};

/// Which manager's keys these are: the same text in two managers is two locks.
pub(crate) type ManagerId = u64;

/// A link of the chain. It never changes; what it holds may end.
#[derive(Debug)]
pub(crate) struct Frame {
    parent: Option<Arc<Frame>>,
    manager: ManagerId,
    cell: Arc<LeaseCell>,
    /// Gone when the last section of the hold is over: from then on the frame is no owner any more, even for
    /// a future that started under it and lives on.
    lease: Weak<Lease>,
    /// Taken by one child section of the same key at a time.
    turn: Semaphore,
}

impl Frame {
    pub(crate) fn new(
        parent: Option<Arc<Self>>,
        manager: ManagerId,
        lease: &Arc<Lease>,
    ) -> Arc<Self> {
        let (cell, lease) = (Arc::clone(lease.cell()), Arc::downgrade(lease));
        Arc::new(Self { parent, manager, cell, lease, turn: Semaphore::new(1) })
    }

    pub(crate) fn cell(&self) -> &Arc<LeaseCell> {
        &self.cell
    }

    pub(crate) fn manager(&self) -> ManagerId {
        self.manager
    }

    pub(crate) fn lease(&self) -> Option<Arc<Lease>> {
        self.lease.upgrade()
    }

    pub(super) fn turn(&self) -> &Semaphore {
        &self.turn
    }

    /// The innermost frame of the chain, from `self` outwards, that holds this key.
    pub(crate) fn find(
        self: &Arc<Self>,
        manager: ManagerId,
        key: &str,
    ) -> Option<(Arc<Self>, Arc<Lease>)> {
        let mut frame = self;
        loop {
            if frame.manager == manager
                && frame.cell.key() == key
                && let Some(lease) = frame.lease()
            {
                return Some((Arc::clone(frame), lease));
            }
            frame = frame.parent.as_ref()?;
        }
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
