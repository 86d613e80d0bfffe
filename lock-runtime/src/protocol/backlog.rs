//! What is to be sent when calls that are under way were answered.
//!
//! An overloaded server would receive each call too late: so many calls are under way at the most, and the
//! others wait here. Renewals are few, as each is for many holds, and never wait.

use std::collections::VecDeque;

use crate::protocol::claim::{Claim, Phase};
use crate::protocol::machine::Machine;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;

/// What was known before has this part of the window: a request that is new finds most of it empty.
const KNOWN_PART: usize = 8;

/// The requests that wait, those of a kind in their order.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Ends, and whether they end a hold: they free what others wait for.
    ends: VecDeque<(Nonce, bool)>,
    /// Requests that the server has not said to wait.
    new: VecDeque<Nonce>,
    /// Requests that are asked again, many at a time after a connection was lost.
    known: VecDeque<Nonce>,
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
    pub(crate) fn clear(&mut self) -> Vec<Nonce> {
        let Self { ends, new, known } = std::mem::take(self);
        ends.into_iter().map(|(nonce, _)| nonce).chain(new).chain(known).collect()
    }
}

impl Machine {
    /// Whether as many calls are under way as may be.
    pub(crate) fn is_full(&self, is_new: bool) -> bool {
        let part = if is_new { 1 } else { KNOWN_PART };
        self.calls.len() >= (self.timing.window / part).max(1)
    }

    /// Has a request asked when its turn comes.
    pub(crate) fn line_up(&mut self, nonce: Nonce, is_new: bool) {
        let Some(claim) = self.claims.get_mut(&nonce) else { return };
        if claim.lined_up {
            return;
        }
        claim.lined_up = true;
        if let Phase::Pausing { .. } = claim.phase {
            claim.phase = Phase::Unsent;
        }
        let waiting = if is_new { &mut self.backlog.new } else { &mut self.backlog.known };
        waiting.push_back(nonce);
    }

    /// Sends the end of a request, when its turn comes.
    pub(crate) fn end_in_turn(&mut self, now: Timestamp, nonce: Nonce, was_held: bool) {
        if self.is_full(true) {
            self.backlog.ends.push_back((nonce, was_held));
        } else {
            self.send_end(now, nonce, was_held);
        }
    }

    /// Sends as much of what waits as may be under way.
    pub(crate) fn send_backlog(&mut self, now: Timestamp) {
        if self.down_since.is_some() {
            return;
        }
        while !self.is_full(true) {
            if let Some((nonce, was_held)) = self.backlog.ends.pop_front() {
                self.send_end(now, nonce, was_held);
            } else if let Some(nonce) = self.backlog.new.pop_front() {
                self.ask_lined_up(now, nonce);
            } else {
                break;
            }
        }
        while !self.is_full(false)
            && let Some(nonce) = self.backlog.known.pop_front()
        {
            self.ask_lined_up(now, nonce);
        }
    }

    fn ask_lined_up(&mut self, now: Timestamp, nonce: Nonce) {
        // A claim that is no longer wanted is gone or ends.
        let Some(claim) = self.claims.get_mut(&nonce) else { return };
        claim.lined_up = false;
        if claim.is_wanted() && !claim.is_called() {
            self.ask_now(now, nonce);
        }
        self.rearm(nonce);
    }
}

impl Claim {
    /// Whether a call about this request is under way whose reply says what to do.
    fn is_called(&self) -> bool {
        match &self.phase {
            Phase::Asking => true,
            Phase::Queued(queued) => queued.calling,
            _ => false,
        }
    }
}
