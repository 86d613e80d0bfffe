//! The list of waiters, compared with a plain queue.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

proptest! {
    /// Compares the list with a plain `VecDeque`.
    #[test]
    fn any_waiter_can_be_removed(
        steps in vec((0_u8..4, any::<prop::sample::Index>()), 1..200),
    ) {
        let (mut waiters, mut plain) = (WaiterList::new(), VecDeque::new());
        let mut next = 0;
        for (step, which) in steps {
            match step {
                0 | 1 => {
                    waiters.push_back(next, next);
                    plain.push_back(next);
                    next += 1;
                }
                2 => {
                    let first = waiters.pop_front();
                    prop_assert_eq!(first, plain.pop_front());
                }
                _ if next > 0 => {
                    let id = which.index(usize::try_from(next).unwrap()) as u64;
                    let position = plain.iter().position(|&other| other == id);
                    prop_assert_eq!(waiters.remove(id), position.map(|position| position == 0));
                    position.and_then(|position| plain.remove(position));
                }
                _ => {}
            }
            let slots: Vec<u64> = waiters.iter().copied().collect();
            prop_assert_eq!(&slots, &plain.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(waiters.len(), plain.len());
            prop_assert_eq!(waiters.is_empty(), plain.is_empty());
            prop_assert_eq!(waiters.front(), plain.front());
            prop_assert_eq!(waiters.back(), plain.back());
            prop_assert!(waiters.gaps <= waiters.len(), "gaps keep memory");
        }
    }
}
