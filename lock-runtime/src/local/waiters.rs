//! The requests that wait in one line, in the order of their coming.

use std::collections::VecDeque;

use crate::local::waiting::{LocalWaiter, WaiterId};

/// A queue that any request can leave in logarithmic time: a gap stays where it was. There are never more gaps than requests,
/// and none at either end.
#[derive(Debug)]
pub(crate) struct WaiterList<S> {
    places: VecDeque<WaiterSlot<S>>,
    gaps: usize,
}

#[derive(Debug)]
struct WaiterSlot<S> {
    number: WaiterId,
    waiting: Option<LocalWaiter<S>>,
}

impl<S> WaiterList<S> {
    pub(crate) const fn new() -> Self {
        Self { places: VecDeque::new(), gaps: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.gaps
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocalWaiter<S>> {
        self.places.iter().filter_map(|place| place.waiting.as_ref())
    }

    pub(crate) fn front(&self) -> Option<&LocalWaiter<S>> {
        self.places.front()?.waiting.as_ref()
    }

    pub(crate) fn back(&self) -> Option<&LocalWaiter<S>> {
        self.places.back()?.waiting.as_ref()
    }

    pub(crate) fn back_mut(&mut self) -> Option<&mut LocalWaiter<S>> {
        self.places.back_mut()?.waiting.as_mut()
    }

    /// Numbers rise with each request.
    pub(crate) fn push_back(&mut self, number: WaiterId, waiting: LocalWaiter<S>) {
        self.places.push_back(WaiterSlot { number, waiting: Some(waiting) });
    }

    pub(crate) fn pop_front(&mut self) -> Option<LocalWaiter<S>> {
        let first = self.places.pop_front()?.waiting;
        self.trim();
        first
    }

    /// Takes this request out. Whether it was the first; `None` if it is not here.
    pub(crate) fn remove(&mut self, number: WaiterId) -> Option<bool> {
        let index = self.places.binary_search_by_key(&number, |place| place.number).ok()?;
        self.places[index].waiting.take()?;
        self.gaps += 1;
        self.trim();
        Some(index == 0)
    }

    /// Takes out those for which `is_over` holds. It sees each with how many are ahead of it.
    pub(crate) fn take_out(
        &mut self,
        mut is_over: impl FnMut(usize, &mut LocalWaiter<S>) -> bool,
    ) -> Vec<LocalWaiter<S>> {
        let waiting = self.places.iter_mut().filter(|place| place.waiting.is_some());
        let over = waiting
            .enumerate()
            .filter_map(|(ahead, place)| place.waiting.take_if(|waiting| is_over(ahead, waiting)));
        let over: Vec<_> = over.collect();
        self.gaps += over.len();
        self.trim();
        over
    }

    fn trim(&mut self) {
        let is_gap =
            |place: Option<&WaiterSlot<S>>| place.is_some_and(|place| place.waiting.is_none());
        while is_gap(self.places.front()) {
            self.places.pop_front();
            self.gaps -= 1;
        }
        while is_gap(self.places.back()) {
            self.places.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.places.len() / 2 {
            self.places.retain(|place| place.waiting.is_some());
            self.gaps = 0;
        }
    }
}

impl<S> Default for WaiterList<S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::local::line_test::params;

    proptest! {
        /// The same as a queue that closes its gaps at once.
        #[test]
        fn it_is_a_queue_that_any_request_can_leave(steps in vec((0_u8..4, any::<prop::sample::Index>()), 1..200)) {
            let (mut waiters, mut plain) = (WaiterList::new(), VecDeque::new());
            let mut next = 0;
            for (step, which) in steps {
                match step {
                    0 | 1 => {
                        waiters.push_back(next, LocalWaiter::new(params(0), next));
                        plain.push_back(next);
                        next += 1;
                    }
                    2 => prop_assert_eq!(waiters.pop_front().map(|waiting| waiting.slot), plain.pop_front()),
                    _ if next > 0 => {
                        let number = which.index(usize::try_from(next).unwrap()) as u64;
                        let place = plain.iter().position(|&other| other == number);
                        prop_assert_eq!(waiters.remove(number), place.map(|place| place == 0));
                        place.and_then(|place| plain.remove(place));
                    }
                    _ => {}
                }
                let slots: Vec<u64> = waiters.iter().map(|waiting| waiting.slot).collect();
                prop_assert_eq!(&slots, &plain.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!((waiters.len(), waiters.is_empty()), (plain.len(), plain.is_empty()));
                prop_assert_eq!(waiters.front().map(|waiting| waiting.slot), plain.front().copied());
                prop_assert_eq!(waiters.back().map(|waiting| waiting.slot), plain.back().copied());
                prop_assert!(waiters.gaps <= waiters.len(), "a gap takes memory");
            }
        }
    }
}
