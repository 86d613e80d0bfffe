//! One hold around running code.

use std::sync::{Arc, LazyLock};

use uuid::Uuid;

use crate::local::lease::Lease;
use crate::owner::context::current;
use crate::owner::turn::Turn;
use crate::types::call_site::CallSite;
use crate::types::request_id::RequestId;

/// Which manager's keys these are: the same text in two managers is two locks.
pub type ManagerId = u64;

/// A link of the chain. It never changes; what it refers to may end: from then on the frame is no owner any more,
/// even for a future that started under it and lives on.
#[derive(Debug)]
pub struct Frame {
    parent: Option<Arc<Frame>>,
    manager: ManagerId,
    lease: Arc<Lease>,
    call_site: CallSite,
    kind: Kind,
    /// Taken by one child section of the same key at a time.
    turn: Turn,
}

/// Why there is a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The hold was taken for it.
    Hold,
    /// It has a turn under the hold of an ancestor.
    Turn,
    /// Code elsewhere was let into the hold of its parent. The sections around that one do not wait for this code.
    Elsewhere,
}

impl Frame {
    /// The frame of a new hold, inside of `parent`.
    #[inline]
    pub(crate) fn of_hold(
        parent: Option<Arc<Self>>,
        manager: ManagerId,
        lease: Arc<Lease>,
        call_site: CallSite,
    ) -> Arc<Self> {
        Arc::new(Self { parent, manager, lease, call_site, kind: Kind::Hold, turn: Turn::new() })
    }

    /// The frame for code that is let into this hold: itself where that code runs inside the section or in its place.
    pub fn for_code_here(self: &Arc<Self>) -> Arc<Self> {
        let same = |one: &Arc<Self>, other: Option<&Arc<Self>>| {
            other.is_some_and(|other| Arc::ptr_eq(one, other))
        };
        let here = current();
        let natural = match &here {
            Some(here) => same(here, Some(self)) || same(here, self.parent()),
            None => self.parent.is_none(),
        };
        if natural {
            return Arc::clone(self);
        }
        Arc::new(Self {
            parent: Some(Arc::clone(self)),
            manager: self.manager,
            lease: Arc::clone(&self.lease),
            call_site: self.call_site,
            kind: Kind::Elsewhere,
            turn: Turn::new(),
        })
    }

    /// How many sections of its hold are inside each other here.
    pub fn depth(self: &Arc<Self>) -> usize {
        let shares_hold = |frame: &&Arc<Self>| Arc::ptr_eq(&frame.lease, &self.lease);
        let frames = self.outwards().filter(shares_hold);
        frames.filter(|frame| frame.kind != Kind::Elsewhere).count()
    }

    /// The sections that cannot end before the code in this frame does, as others know them.
    pub fn sections(self: &Arc<Self>) -> Vec<RequestId> {
        let mut sections = Vec::new();
        for frame in self.outwards().filter(|frame| !frame.lease.is_released()) {
            sections.push(frame.section());
            if frame.kind == Kind::Elsewhere {
                break;
            }
        }
        sections
    }

    /// Whether it is that of a section which has a turn under the hold of an ancestor.
    pub(crate) fn has_turn(&self) -> bool {
        self.kind == Kind::Turn
    }

    /// Whether it is that of the section which has the turn under `ancestor`.
    pub fn has_turn_under(&self, ancestor: &Arc<Self>) -> bool {
        self.has_turn() && self.ancestor().is_some_and(|holder| Arc::ptr_eq(holder, ancestor))
    }

    fn section(self: &Arc<Self>) -> RequestId {
        match self.kind {
            Kind::Hold | Kind::Elsewhere => self.lease.request_id(),
            Kind::Turn => turn_of(Arc::as_ptr(self).addr()),
        }
    }

    /// The section that has the turn under this frame, if one has.
    pub fn inside(&self) -> Option<RequestId> {
        self.turn.holder().map(turn_of)
    }

    /// The locks around the code in this frame: where each was taken, and its key.
    pub fn taken(self: &Arc<Self>) -> impl Iterator<Item = (CallSite, &str)> {
        let taken = self.outwards().filter(|frame| frame.kind == Kind::Hold);
        taken.map(|frame| (frame.call_site, frame.lease.key()))
    }

    /// Where the hold was taken.
    pub const fn call_site(&self) -> CallSite {
        self.call_site
    }

    pub const fn manager(&self) -> ManagerId {
        self.manager
    }

    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    pub(crate) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    pub(crate) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// The innermost frame of the chain, from `self` outwards, that holds this key.
    pub fn find(self: &Arc<Self>, manager: ManagerId, key: &str) -> Option<&Arc<Self>> {
        let is_owner = |frame: &Self| frame.kind != Kind::Elsewhere && frame.keeps(manager, key);
        self.outwards().find(|frame| is_owner(frame))
    }

    /// The innermost frame of the chain around this one that shares its hold: whose turn a nested section has.
    #[inline]
    pub(crate) fn ancestor(&self) -> Option<&Arc<Self>> {
        let shares_hold =
            |frame: &Self| frame.kind != Kind::Elsewhere && Arc::ptr_eq(&frame.lease, &self.lease);
        self.parent.as_ref()?.outwards().find(|frame| shares_hold(frame))
    }

    /// A frame of a section nested in `self` that re-enters the hold of `ancestor`.
    #[inline]
    pub(crate) fn child(self: &Arc<Self>, ancestor: &Self) -> Arc<Self> {
        let child = Arc::new(Self {
            parent: Some(Arc::clone(self)),
            manager: ancestor.manager,
            lease: Arc::clone(&ancestor.lease),
            call_site: ancestor.call_site,
            kind: Kind::Turn,
            turn: Turn::new(),
        });
        ancestor.turn.held_by(Arc::as_ptr(&child).addr());
        child
    }

    /// Whether code in this frame keeps this key from others.
    pub fn keeps(&self, manager: ManagerId, key: &str) -> bool {
        self.manager == manager && self.lease.key() == key && !self.lease.is_released()
    }

    pub(crate) fn outwards(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |frame| frame.parent())
    }
}

/// The name of the section that has a turn, by the address of its frame: no other has that while it runs.
fn turn_of(address: usize) -> RequestId {
    static PROCESS: LazyLock<u128> = LazyLock::new(|| Uuid::new_v4().as_u128());
    RequestId::from_bits(*PROCESS ^ address as u128)
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
