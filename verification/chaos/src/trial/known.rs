//! What the documentation says is not promised, told apart from what is wrong.

use std::collections::HashMap;

use checker::{Event, EventKind, Nanos, Property, Request, Violation};

use crate::schedule::Schedule;

/// The most tokens that one grant reserves for its process.
const LARGEST_BLOCK: u64 = 1024;

/// Tells whether a violation is a hole that is documented.
pub(super) struct Known<'a> {
    schedule: &'a Schedule,
    holds: HashMap<Request, Entry>,
}

/// A request that had the lock.
struct Entry {
    key: u32,
    process: u32,
    at: Nanos,
    fence: u64,
}

impl<'a> Known<'a> {
    pub(super) fn of(schedule: &'a Schedule, history: &[Event]) -> Self {
        let mut keys = HashMap::new();
        for event in history {
            if let EventKind::Requested { request, key, .. } = event.kind {
                keys.insert(request, key);
            }
        }
        let entry = |event: &Event| match event.kind {
            EventKind::Acquired { request, fence, .. } => {
                let (key, process) = (*keys.get(&request)?, event.process);
                Some((request, Entry { key, process, at: event.at, fence }))
            }
            _ => None,
        };
        Self { schedule, holds: history.iter().filter_map(entry).collect() }
    }

    pub(super) fn names(&self, violation: &Violation) -> bool {
        let of_tokens =
            matches!(violation.property, Property::TokensRise | Property::TokensDistinct);
        of_tokens && self.schedule.may_repeat_tokens()
            || violation.property == Property::TokensRise && self.is_handed_on(violation)
    }

    /// The lower token was reserved with a grant before the higher one was drawn: a process that does not know yet that its
    /// hold is lost hands it on to its next request. Storage that has seen the higher one refuses it.
    fn is_handed_on(&self, violation: &Violation) -> bool {
        let [earlier, later] = violation.requests[..] else { return false };
        let (Some(earlier), Some(later)) = (self.holds.get(&earlier), self.holds.get(&later))
        else {
            return false;
        };
        let reserved = |first: &Entry| {
            (first.key, first.process) == (later.key, later.process)
                && first.at < earlier.at
                && first.fence < later.fence
                && later.fence - first.fence < LARGEST_BLOCK
        };
        !self.schedule.is_lossless() && self.holds.values().any(reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Kind;
    use crate::schedule::Wishes;

    fn schedule(kind: Kind) -> Schedule {
        Schedule::of(1, &Wishes { faults: vec![kind], ..Wishes::default() })
    }

    /// A process enters under these tokens, the second time after the other process has under token 100.
    fn history(fences: [u64; 2]) -> Vec<Event> {
        let [first, second] = fences;
        let mut events = Vec::new();
        for (at, process, request, fence) in
            [(1, 1, 11, first), (2, 2, 21, 100), (3, 1, 12, second)]
        {
            let event = |kind| Event { at, process, task: 0, kind };
            events.push(event(EventKind::Requested {
                request,
                key: 0,
                deadline: None,
                must_succeed: false,
            }));
            events.push(event(EventKind::Acquired { request, fence, valid_until: 9, outer: None }));
        }
        events
    }

    fn rise() -> Violation {
        let property = Property::TokensRise;
        Violation { property, at: 3, text: String::new(), requests: vec![21, 12] }
    }

    #[test]
    fn only_a_token_that_was_reserved_before_and_only_where_holds_are_lost_is_no_surprise() {
        let (lossy, lossless) = (schedule(Kind::DeleteHold), schedule(Kind::ScriptFlush));
        let handed_on = history([50, 51]);
        assert!(Known::of(&lossy, &handed_on).names(&rise()));
        assert!(!Known::of(&lossless, &handed_on).names(&rise()));
        assert!(!Known::of(&lossy, &history([50, 49])).names(&rise()));
        let other = Violation { property: Property::FencedRegister, ..rise() };
        assert!(!Known::of(&lossy, &handed_on).names(&other));
    }
}
