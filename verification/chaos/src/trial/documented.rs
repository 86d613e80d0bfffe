//! Separates documented exceptions from violations.

use std::collections::HashMap;

use checker::{Event, EventKind, Nanos, Property, Request, Violation};

use crate::failover::APART_US;
use crate::schedule::Schedule;

/// The largest range of tokens that a grant reserves for its process.
const MAX_FENCE_RANGE: u64 = 1024;

/// Decides whether a violation is a documented exception.
pub(super) struct DocumentedHoles<'a> {
    schedule: &'a Schedule,
    holds: HashMap<Request, Entry>,
}

/// A request that succeeded.
struct Entry {
    key: u32,
    process: u32,
    at: Nanos,
    fence: u64,
}

impl<'a> DocumentedHoles<'a> {
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
            || violation.property == Property::TokensRise
                && (self.is_local_handoff(violation) || self.is_of_an_old_primary(violation))
    }

    /// A primary that another one has replaced, and which does not know it yet, goes on with its
    /// own tokens. Storage that has seen a higher one refuses them.
    fn is_of_an_old_primary(&self, violation: &Violation) -> bool {
        let [earlier, later] = violation.requests[..] else { return false };
        let fence = |request| self.holds.get(&request).map(|entry| entry.fence);
        self.schedule.keeps_an_old_primary()
            && fence(earlier) > fence(later).map(|fence| fence + APART_US)
    }

    /// The lower token was reserved with a grant before the higher one was figure: a process that
    /// does not know yet that its hold is lost hands it on to its next request. Storage that has
    /// seen the higher one refuses it.
    fn is_local_handoff(&self, violation: &Violation) -> bool {
        let [earlier, later] = violation.requests[..] else { return false };
        let (Some(earlier), Some(later)) = (self.holds.get(&earlier), self.holds.get(&later))
        else {
            return false;
        };
        let reserved = |first: &Entry| {
            (first.key, first.process) == (later.key, later.process)
                && first.at < earlier.at
                && first.fence < later.fence
                && later.fence - first.fence < MAX_FENCE_RANGE
        };
        !self.schedule.is_lossless() && self.holds.values().any(reserved)
    }
}

#[cfg(test)]
mod tests;
