//! The callers that wait for one key, in the order in which they came.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::local::params::AcquireParams;
use crate::protocol::timing::warn_at;
use crate::types::time::Timestamp;

/// Identifies a waiter of one queue. Ids increase.
pub(super) type WaiterId = u64;

#[derive(Debug)]
pub(super) struct LocalWaiter<S> {
    pub(super) params: AcquireParams,
    pub(super) warn_at: Timestamp,
    /// Whether it came behind other callers of this process.
    pub(super) queued_locally: bool,
    pub(super) sender: S,
}

impl<S> LocalWaiter<S> {
    pub(super) fn new(params: AcquireParams, sender: S) -> Self {
        Self { warn_at: warn_at(params.since), queued_locally: false, params, sender }
    }

    /// When this waiter has to be looked at next. The server grants nothing before
    /// `no_grant_before`: a waiter with an earlier deadline fails at once.
    pub(super) fn due(&self, no_grant_before: Timestamp) -> Timestamp {
        match self.params.deadline {
            Some(deadline) if deadline < no_grant_before => self.params.since,
            Some(deadline) => deadline.min(self.warn_at),
            None => self.warn_at,
        }
    }
}

/// A queue from which any waiter can be removed in logarithmic time: its slot stays as a gap.
/// There are never more gaps than waiters, and none at either end.
#[derive(Debug)]
pub(super) struct WaiterList<S> {
    slots: VecDeque<WaiterSlot<S>>,
    gaps: usize,
}

#[derive(Debug)]
struct WaiterSlot<S> {
    id: WaiterId,
    waiter: Option<LocalWaiter<S>>,
}

impl<S> WaiterList<S> {
    pub(super) const fn new() -> Self {
        Self { slots: VecDeque::new(), gaps: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.gaps
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LocalWaiter<S>> {
        self.slots.iter().filter_map(|slot| slot.waiter.as_ref())
    }

    pub(super) fn front(&self) -> Option<&LocalWaiter<S>> {
        self.slots.front()?.waiter.as_ref()
    }

    pub(super) fn back(&self) -> Option<&LocalWaiter<S>> {
        self.slots.back()?.waiter.as_ref()
    }

    pub(super) fn back_mut(&mut self) -> Option<&mut LocalWaiter<S>> {
        self.slots.back_mut()?.waiter.as_mut()
    }

    /// `id` has to be higher than that of every waiter before.
    pub(super) fn push_back(&mut self, id: WaiterId, waiter: LocalWaiter<S>) {
        self.slots.push_back(WaiterSlot { id, waiter: Some(waiter) });
    }

    pub(super) fn pop_front(&mut self) -> Option<LocalWaiter<S>> {
        let first = self.slots.pop_front()?.waiter;
        self.trim();
        first
    }

    /// Removes a waiter. Returns whether it was the first, or `None` if it is not here.
    pub(super) fn remove(&mut self, id: WaiterId) -> Option<bool> {
        let index = self.slots.binary_search_by_key(&id, |slot| slot.id).ok()?;
        self.slots[index].waiter.take()?;
        self.gaps += 1;
        self.trim();
        Some(index == 0)
    }

    /// Removes the waiters for which `remove` returns true. It gets how many are ahead of each.
    pub(super) fn remove_where(
        &mut self,
        mut remove: impl FnMut(usize, &mut LocalWaiter<S>) -> bool,
    ) -> Vec<LocalWaiter<S>> {
        let slots = self.slots.iter_mut().filter(|slot| slot.waiter.is_some());
        let removed = slots
            .enumerate()
            .filter_map(|(ahead, slot)| slot.waiter.take_if(|waiter| remove(ahead, waiter)));
        let removed: Vec<_> = removed.collect();
        self.gaps += removed.len();
        self.trim();
        removed
    }

    fn trim(&mut self) {
        let is_gap = |slot: Option<&WaiterSlot<S>>| slot.is_some_and(|slot| slot.waiter.is_none());
        while is_gap(self.slots.front()) {
            self.slots.pop_front();
            self.gaps -= 1;
        }
        while is_gap(self.slots.back()) {
            self.slots.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.slots.len() / 2 {
            self.slots.retain(|slot| slot.waiter.is_some());
            self.gaps = 0;
        }
    }
}

impl<S> Default for WaiterList<S> {
    fn default() -> Self {
        Self::new()
    }
}
