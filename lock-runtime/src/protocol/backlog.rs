//! Limits the commands in flight.
//!
//! An overloaded server would receive every command too late, so only so many are in flight and the
//! others wait here. Renewals never wait: they are few, as each is for many holds.

use std::collections::VecDeque;

use crate::protocol::request::{Phase, RequestState};
use crate::protocol::state::Protocol;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

/// Requests that are sent again use at most this fraction of the window, so that new requests find
/// room.
const KNOWN_PART: usize = 8;

/// Requests that wait to be sent, each kind in its order.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Releases, and whether they release a hold: those come first.
    ends: VecDeque<(RequestId, bool)>,
    /// Requests that are not queued on the server yet.
    new: VecDeque<RequestId>,
    /// Requests that are sent again after a lost connection, many at a time.
    known: VecDeque<RequestId>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.new.is_empty() && self.known.is_empty()
    }

    /// Whether no request of this kind waits already.
    pub(crate) fn is_next(&self, is_new: bool) -> bool {
        if is_new { self.new.is_empty() } else { self.known.is_empty() }
    }

    /// Forgets all of it; the requests among it.
    pub(crate) fn clear(&mut self) -> Vec<RequestId> {
        let Self { ends, new, known } = std::mem::take(self);
        ends.into_iter().map(|(id, _)| id).chain(new).chain(known).collect()
    }
}

impl Protocol {
    /// Whether as many calls are under way as may be.
    pub(crate) fn is_full(&self, is_new: bool) -> bool {
        let part = if is_new { 1 } else { KNOWN_PART };
        self.in_flight.len() >= (self.timing.max_in_flight / part).max(1)
    }

    /// Adds a request to the backlog.
    pub(crate) fn add_to_backlog(&mut self, id: RequestId, is_new: bool) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if request.in_backlog {
            return;
        }
        request.in_backlog = true;
        if let Phase::BackingOff { .. } = request.phase {
            request.phase = Phase::Pending;
        }
        let waiting = if is_new { &mut self.backlog.new } else { &mut self.backlog.known };
        waiting.push_back(id);
    }

    /// Sends a release, or adds it to the backlog.
    pub(crate) fn release_in_turn(&mut self, now: Timestamp, id: RequestId, was_held: bool) {
        if self.is_full(true) {
            self.backlog.ends.push_back((id, was_held));
        } else {
            self.send_release(now, id, was_held);
        }
    }

    /// Sends as much of what waits as may be under way.
    pub(crate) fn send_backlog(&mut self, now: Timestamp) {
        if self.down_since.is_some() {
            return;
        }
        while !self.is_full(true) {
            if let Some((id, was_held)) = self.backlog.ends.pop_front() {
                self.send_release(now, id, was_held);
            } else if let Some(id) = self.backlog.new.pop_front() {
                self.send_from_backlog(now, id);
            } else {
                break;
            }
        }
        while !self.is_full(false)
            && let Some(id) = self.backlog.known.pop_front()
        {
            self.send_from_backlog(now, id);
        }
    }

    fn send_from_backlog(&mut self, now: Timestamp, id: RequestId) {
        // A request that was withdrawn is gone or being released.
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.in_backlog = false;
        if request.is_wanted() && !request.is_called() {
            self.send_acquire(now, id);
        }
        self.rearm(id);
    }
}

impl RequestState {
    /// Whether a command is in flight whose reply decides what happens next.
    fn is_called(&self) -> bool {
        match &self.phase {
            Phase::Acquiring => true,
            Phase::Queued(queued) => queued.call_in_flight,
            _ => false,
        }
    }
}
