//! What time brings to a line: deadlines, long waits, the end of a hold that is kept.

use crate::local::moves::{Actions, SlowWait, TickResult};
use crate::local::queue::LocalQueue;
use crate::local::tenure::{ProcessLease, RunningSection};
use crate::local::waiting::LocalWaiter;
use crate::protocol::claim::Failure;
use crate::protocol::timing::warn_again_at;
use crate::types::owner_info::Holder;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::reply::{Busy, Obstacle};

impl<S> LocalQueue<S> {
    /// Does what is due at `now`. `why_not`: why the server has not granted what was asked; `show`: who is inside, as
    /// others see it.
    pub(crate) fn tick(
        &mut self,
        now: Timestamp,
        why_not: impl FnOnce(Nonce) -> Failure,
        show: impl FnOnce(&RunningSection) -> Holder,
    ) -> TickResult<S> {
        let mut moves = Actions::none();
        self.armed = None;
        while self.alarms.pop_if(|alarm| *alarm <= now).is_some() {}
        if self.idle_until().is_some_and(|until| until <= now) {
            self.end(&mut moves);
        }
        let (expired, long) = self.overdue(now, why_not, show);
        self.arm(&mut moves);
        TickResult { moves, expired, long }
    }

    /// Takes out whose deadline is over, and finds whose wait is long. The protocol sees to the one that the server knows.
    fn overdue(
        &mut self,
        now: Timestamp,
        why_not: impl FnOnce(Nonce) -> Failure,
        show: impl FnOnce(&RunningSection) -> Holder,
    ) -> (Vec<(S, Failure)>, Vec<SlowWait>) {
        let known = usize::from(self.asked.is_some());
        let nothing_before = self.nothing_before;
        if self.waiting.iter().skip(known).all(|waiting| now < waiting.due(nothing_before)) {
            return (Vec::new(), Vec::new());
        }
        let obstacle = self.obstacle(why_not, show);
        let (mut failures, mut long) = (Vec::new(), Vec::new());
        let expired = self.waiting.take_out(|ahead, waiting| {
            let params = waiting.params;
            let is_over = params
                .deadline
                .is_some_and(|deadline| deadline <= now || deadline < nothing_before);
            if ahead < known {
                return false;
            }
            if is_over {
                failures.push(behind(&obstacle, ahead));
            } else if waiting.warn_at <= now {
                waiting.warn_at = warn_again_at(params.since, now);
                let busy = match behind(&obstacle, ahead) {
                    Failure::Busy(busy) => Some(busy),
                    _ => None,
                };
                long.push(SlowWait { waited: now.since(params.since), busy });
            }
            is_over
        });
        let slots = expired.into_iter().map(|waiting| waiting.slot);
        (slots.zip(failures).collect(), long)
    }

    /// What the line waits for, as seen by its first.
    fn obstacle(
        &self,
        why_not: impl FnOnce(Nonce) -> Failure,
        show: impl FnOnce(&RunningSection) -> Holder,
    ) -> Failure {
        match (self.asked, &self.tenure) {
            (Some(nonce), _) => why_not(nonce),
            (None, tenure) => {
                let inside = tenure.as_ref().and_then(ProcessLease::inside);
                let obstacle = Obstacle::Holder(inside.map(show).map(Box::new));
                Failure::Busy(Busy { obstacle, left: None, ahead: 0, ticket: None })
            }
        }
    }

    fn idle_until(&self) -> Option<Timestamp> {
        self.tenure.as_ref().and_then(ProcessLease::idle_until)
    }

    /// Sees to it that the line is looked at when something is due.
    pub(crate) fn arm(&mut self, moves: &mut Actions<S>) {
        let known = usize::from(self.asked.is_some());
        let due = |waiting: &LocalWaiter<S>| waiting.due(self.nothing_before);
        // While an alarm is set it is early enough for all but perhaps the newest.
        let due = match self.armed {
            Some(_) => self.waiting.back().map(due),
            None => self.waiting.iter().skip(known).map(due).min(),
        };
        let Some(due) = [self.idle_until(), due].into_iter().flatten().min() else { return };
        if self.armed.is_none_or(|armed| due < armed) {
            self.armed = Some(due);
            // One that rings earlier anyway does for it.
            if self.alarms.last().is_none_or(|&alarm| due < alarm) {
                self.alarms.push(due);
                moves.alarm = Some(due);
            }
        }
    }
}

/// The same for one who waits behind so many others of its process.
fn behind(obstacle: &Failure, others: usize) -> Failure {
    let busy = match obstacle.clone() {
        Failure::Busy(busy) => busy,
        // Nothing was sent for it: it has just waited.
        Failure::NoReply if others > 0 => Busy::by_others(),
        failure => return failure,
    };
    let ahead = busy.ahead + u64::try_from(others).unwrap_or(u64::MAX);
    Failure::Busy(Busy { ahead, ..busy })
}
