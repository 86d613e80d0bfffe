//! What a local queue does when time passes: timeouts, warnings of slow waits, the end of a
//! lingering lease.

use crate::local::actions::{Actions, SlowWait, TickResult};
use crate::local::process_lease::{ProcessLease, RunningSection};
use crate::local::queue::LocalQueue;
use crate::local::waiters::LocalWaiter;
use crate::protocol::request::Failure;
use crate::protocol::timing::warn_again_at;
use crate::types::owner_info::HolderInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::reply::{BlockedBy, BusyReply};

impl<S> LocalQueue<S> {
    /// Does what is due at `now`. `blocked_by` says why the server has not granted a request,
    /// `holder_of` describes the section that runs.
    pub(in crate::local) fn tick(
        &mut self,
        now: Timestamp,
        blocked_by: impl FnOnce(RequestId) -> Failure,
        holder_of: impl FnOnce(&RunningSection) -> HolderInfo,
    ) -> TickResult<S> {
        let mut actions = Actions::none();
        self.next_wake = None;
        while self.scheduled_wakes.pop_if(|wake_at| *wake_at <= now).is_some() {}
        if self.idle_until().is_some_and(|until| until <= now) {
            self.release(&mut actions);
        }
        let (expired, long) = self.overdue(now, blocked_by, holder_of);
        self.arm(&mut actions);
        TickResult { actions, timed_out: expired, slow_waits: long }
    }

    /// Removes waiters that timed out and finds slow waits. The first waiter's request is timed by
    /// the protocol, not here.
    fn overdue(
        &mut self,
        now: Timestamp,
        blocked_by: impl FnOnce(RequestId) -> Failure,
        holder_of: impl FnOnce(&RunningSection) -> HolderInfo,
    ) -> (Vec<(S, Failure)>, Vec<SlowWait>) {
        let known = usize::from(self.pending_request.is_some());
        let no_grant_before = self.no_grant_before;
        if self.waiters.iter().skip(known).all(|waiter| now < waiter.due(no_grant_before)) {
            return (Vec::new(), Vec::new());
        }
        let blocked_by = self.blocked_by(blocked_by, holder_of);
        let (mut failures, mut long) = (Vec::new(), Vec::new());
        let expired = self.waiters.remove_where(|ahead, waiter| {
            let params = waiter.params;
            let is_over = params
                .deadline
                .is_some_and(|deadline| deadline <= now || deadline < no_grant_before);
            if ahead < known {
                return false;
            }
            if is_over {
                failures.push(failure_behind(&blocked_by, ahead));
            } else if waiter.warn_at <= now {
                waiter.warn_at = warn_again_at(params.since, now);
                let busy = match failure_behind(&blocked_by, ahead) {
                    Failure::Busy(busy) => Some(busy),
                    _ => None,
                };
                long.push(SlowWait { waited: now.since(params.since), busy });
            }
            is_over
        });
        let slots = expired.into_iter().map(|waiter| waiter.sender);
        (slots.zip(failures).collect(), long)
    }

    /// What blocks the first waiter.
    fn blocked_by(
        &self,
        blocked_by: impl FnOnce(RequestId) -> Failure,
        holder_of: impl FnOnce(&RunningSection) -> HolderInfo,
    ) -> Failure {
        match (self.pending_request, &self.lease) {
            (Some(id), _) => blocked_by(id),
            (None, lease) => {
                let running = lease.as_ref().and_then(ProcessLease::running);
                let blocked_by = BlockedBy::Holder(running.map(holder_of).map(Box::new));
                Failure::Busy(BusyReply { blocked_by, left: None, ahead: 0, ticket: None })
            }
        }
    }

    fn idle_until(&self) -> Option<Timestamp> {
        self.lease.as_ref().and_then(ProcessLease::idle_until)
    }

    /// Requests a tick for the next instant at which something is due.
    pub(in crate::local) fn arm(&mut self, actions: &mut Actions<S>) {
        let known = usize::from(self.pending_request.is_some());
        let due = |waiter: &LocalWaiter<S>| waiter.due(self.no_grant_before);
        // A tick that is set is early enough for all but perhaps the newest waiter.
        let due = match self.next_wake {
            Some(_) => self.waiters.back().map(due),
            None => self.waiters.iter().skip(known).map(due).min(),
        };
        let Some(due) = [self.idle_until(), due].into_iter().flatten().min() else { return };
        if self.next_wake.is_none_or(|next_wake| due < next_wake) {
            self.next_wake = Some(due);
            // An earlier tick does this one's work too.
            if self.scheduled_wakes.last().is_none_or(|&wake_at| due < wake_at) {
                self.scheduled_wakes.push(due);
                actions.wake_at = Some(due);
            }
        }
    }
}

/// The same for a waiter behind this many others.
fn failure_behind(blocked_by: &Failure, others: usize) -> Failure {
    let busy = match blocked_by.clone() {
        Failure::Busy(busy) => busy,
        // It was not sent: it has only waited.
        Failure::NoReply if others > 0 => BusyReply::by_others(),
        failure => return failure,
    };
    let ahead = busy.ahead + u64::try_from(others).unwrap_or(u64::MAX);
    Failure::Busy(BusyReply { ahead, ..busy })
}
