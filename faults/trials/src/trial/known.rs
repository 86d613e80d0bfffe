//! What the documentation says is not promised, told apart from what is wrong.

use std::collections::HashMap;

use history::{Event, Nanos, Property, Request, Violation, What};

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
            if let What::Asked { request, key, .. } = event.what {
                keys.insert(request, key);
            }
        }
        let entry = |event: &Event| match event.what {
            What::Entered { request, fence, .. } => {
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
