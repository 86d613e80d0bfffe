//! What the machine does when time passes.

use std::sync::Arc;

use crate::protocol::claim::{Claim, Failure, Loss, Phase};
use crate::protocol::machine::{Machine, Output};
use crate::protocol::timing::warn_again_at;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::reply::Busy;

impl Machine {
    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Timestamp) {
        if self.stalled_at().is_some_and(|at| at <= now) {
            self.outputs.push_back(Output::Reconnect);
            let silence = self.silence.limit(&self.timing);
            self.disconnected(now, format!("no reply within {silence:?}"));
        }
        self.probe_due(now);
        self.announcement_due(now);
        while let Some(&(due, nonce)) = self.timers.first() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            if let Some(claim) = self.claims.get_mut(&nonce) {
                claim.due = None;
            }
            self.claim_due(now, nonce);
            self.rearm(nonce);
            if self.claims.get(&nonce).is_some_and(|claim| claim.due.is_some_and(|due| due <= now))
            {
                // What is left is a renewal, which goes out with all others that are due.
                self.renew_due(now);
            }
        }
    }

    fn claim_due(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get(&nonce) else {
            return;
        };
        if claim.is_wanted() {
            return self.wait_due(now, nonce);
        }
        match &claim.phase {
            Phase::Held(held) if held.end() <= now => {
                let max_hold = held.ends_at.is_some_and(|end| end <= now);
                let loss = match &held.refused {
                    _ if max_hold => Loss::MaxHold,
                    Some(why) => Loss::Refused(Arc::clone(why)),
                    None => Loss::Expired,
                };
                self.lose(nonce, loss);
            }
            Phase::Held(held) if held.look_at.is_some_and(|at| at <= now) => {
                self.look_again(nonce, None);
                self.outputs.push_back(Output::Look(nonce));
            }
            Phase::Ending(ending) if ending.give_up_at <= now => self.forget(nonce, None),
            Phase::Ending(ending) if ending.retry_at.is_some_and(|at| at <= now) => {
                self.retry_end(now, nonce);
            }
            Phase::Ending(ending) => {
                let due = ending.unconfirmed_at(self.down_since, self.timing.outage);
                if due.is_some_and(|at| at <= now) {
                    self.unconfirmed(nonce);
                }
            }
            _ => {}
        }
    }

    fn wait_due(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get(&nonce) else {
            return;
        };
        if let Some(failure) = self.verdict(now, claim) {
            let queues = claim.request.queue;
            if queues || !self.give_up_group(now, nonce) {
                self.fail(now, nonce, failure);
            }
            return;
        }
        if claim.warn_at <= now {
            self.warn(now, nonce);
        }
        let Some(claim) = self.claims.get(&nonce) else {
            return;
        };
        let ask = match &claim.phase {
            Phase::Pausing { until } => *until <= now,
            Phase::Queued(queued) => {
                let is_over = queued.ask_at.is_some_and(|at| at <= now);
                !queued.calling && (claim.warning || is_over && !self.is_crowded())
            }
            _ => false,
        };
        if ask && !claim.lined_up {
            self.ask(now, nonce);
        }
    }

    /// Whether a wait is over, and how it ended.
    fn verdict(&self, now: Timestamp, claim: &Claim) -> Option<Failure> {
        let too_late = claim.request.deadline.is_some_and(|deadline| deadline <= now);
        let down_since = self.down_since.filter(|_| !self.timing.outage.is_zero());
        let given_up = down_since
            .is_some_and(|since| since.max(claim.request.since).plus(self.timing.outage) <= now);
        if given_up {
            let because = || Failure::Unavailable(self.down_because.clone());
            return Some(self.unreachable.clone().unwrap_or_else(because));
        }
        too_late.then(|| self.reason(claim))
    }

    fn reason(&self, claim: &Claim) -> Failure {
        match (&self.unreachable, &claim.busy) {
            (Some(failure), _) => failure.clone(),
            (None, _) if let Some(unable) = &claim.unable => unable.failure(),
            // It is still so as far as anybody knows, also while the connection is being made again.
            (None, Some(busy)) => Failure::Busy(busy.clone()),
            (None, None) if self.down_since.is_some() => {
                Failure::Unavailable(self.down_because.clone())
            }
            (None, None) if claim.asked => Failure::NoReply,
            (None, None) => Failure::Busy(Busy::by_others()),
        }
    }

    /// Why a request has no lock yet: what those who wait behind it in its process would hear by now.
    #[must_use]
    pub fn why_not(&self, nonce: Nonce) -> Failure {
        self.claims.get(&nonce).map_or(Failure::NoReply, |claim| self.reason(claim))
    }

    /// Tells of a long wait: at once while nobody can be asked, else with the answer to the question who
    /// holds the lock now.
    fn warn(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        claim.warn_at = warn_again_at(claim.request.since, now);
        claim.warning = true;
        if self.down_since.is_some() {
            self.tell_wait(now, nonce);
        }
    }

    pub(crate) fn tell_wait(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        claim.warning = false;
        let waited = now.since(claim.request.since);
        self.outputs.push_back(Output::StillWaiting { nonce, waited, busy: claim.busy.clone() });
    }

    pub(crate) fn lose(&mut self, nonce: Nonce, loss: Loss) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        claim.phase = Phase::Lost { clean: loss == Loss::Gone && claim.asks == 0 };
        self.outputs.push_back(Output::Lost(nonce, loss));
        self.rearm(nonce);
    }

    /// When to look whether a hold was taken up, if it is not sure by then.
    pub fn look_again(&mut self, nonce: Nonce, at: Option<Timestamp>) {
        if let Some(Claim { phase: Phase::Held(held), .. }) = self.claims.get_mut(&nonce) {
            held.look_at = at;
        }
        self.rearm(nonce);
    }

    fn unconfirmed(&mut self, nonce: Nonce) {
        if let Some(Claim { phase: Phase::Ending(ending), .. }) = self.claims.get_mut(&nonce) {
            ending.unconfirmed = true;
            self.outputs.push_back(Output::Unconfirmed(nonce));
        }
    }

    fn retry_end(&mut self, now: Timestamp, nonce: Nonce) {
        if let Some(Claim { phase: Phase::Ending(ending), .. }) = self.claims.get_mut(&nonce) {
            ending.retry_at = None;
        }
        if self.down_since.is_none() {
            self.end_in_turn(now, nonce, false);
        }
    }
}
