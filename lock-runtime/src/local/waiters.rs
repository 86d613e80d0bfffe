//! The callers that wait for one key, in the order in which they came.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

/// Identifies a waiter of one queue. Ids increase.
pub(super) type WaiterId = u64;

/// A queue from which any waiter can be removed in logarithmic time: its slot stays as a gap.
/// There are never more gaps than waiters, and none at either end.
///
/// A `BTreeMap` would do the same in less code. It allocates a node for eleven waiters for each key
/// that is locked, and takes half as long again to remove 100,000 waiters in random order.
#[derive(Debug)]
pub(super) struct WaiterList<W> {
    slots: VecDeque<WaiterSlot<W>>,
    gaps: usize,
}

#[derive(Debug)]
struct WaiterSlot<W> {
    id: WaiterId,
    waiter: Option<W>,
}

impl<W> WaiterList<W> {
    pub(super) const fn new() -> Self {
        Self { slots: VecDeque::new(), gaps: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.gaps
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &W> {
        self.slots.iter().filter_map(|slot| slot.waiter.as_ref())
    }

    pub(super) fn front(&self) -> Option<&W> {
        self.slots.front()?.waiter.as_ref()
    }

    pub(super) fn back(&self) -> Option<&W> {
        self.slots.back()?.waiter.as_ref()
    }

    pub(super) fn back_mut(&mut self) -> Option<&mut W> {
        self.slots.back_mut()?.waiter.as_mut()
    }

    /// `id` has to be higher than that of every waiter before.
    pub(super) fn push_back(&mut self, id: WaiterId, waiter: W) {
        self.slots.push_back(WaiterSlot { id, waiter: Some(waiter) });
    }

    pub(super) fn pop_front(&mut self) -> Option<W> {
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
    pub(super) fn remove_where(&mut self, mut remove: impl FnMut(usize, &mut W) -> bool) -> Vec<W> {
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
        let is_gap = |slot: Option<&WaiterSlot<W>>| slot.is_some_and(|slot| slot.waiter.is_none());
        while is_gap(self.slots.front()) {
            self.slots.pop_front();
            self.gaps -= 1;
        }
        while is_gap(self.slots.back()) {
            self.slots.pop_back();
            self.gaps -= 1;
        }
        if self.slots.is_empty() {
            // A key that is held for long keeps no memory of those who have waited.
            self.slots = VecDeque::new();
        } else if self.gaps > self.slots.len() / 2 {
            self.slots.retain(|slot| slot.waiter.is_some());
            self.gaps = 0;
        }
    }
}
