//! The machine: its inputs, its outputs and its books.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::backlog::Backlog;
use crate::protocol::bound::Bound;
use crate::protocol::claim::{Claim, Ending, Failure, Loss, Phase, Request};
use crate::protocol::signal::Signal;
use crate::protocol::silence::Silence;
use crate::protocol::timing::Timing;
use crate::protocol::watch::Watches;
use crate::types::fence::Fence;
use crate::types::request_id::{Nonce, NonceMap};
use crate::types::time::Timestamp;
use crate::wire::call::Call;
use crate::wire::reply::{Busy, Grant, Inspection};

/// Numbers the calls of one machine in the order of their sending.
pub type CallId = u64;

/// What the machine wants done, and what it has to tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this call and report its reply under the number.
    Send(CallId, Call),
    /// The lock is held.
    Granted {
        /// Whose request it was.
        nonce: Nonce,
        /// What it was given.
        grant: Grant,
        /// Until when, unless it is extended.
        valid_until: Timestamp,
    },
    /// Others have begun to wait for what this nonce holds.
    WaitedFor(Nonce),
    /// The key of this request is granted to no request before then.
    NothingBefore(Nonce, Timestamp),
    /// The request ended without a hold.
    Failed(Nonce, Failure),
    /// A renewal moved the end of a hold.
    Extended(Nonce, Timestamp),
    /// A hold ended before its owner let go.
    Lost(Nonce, Loss),
    /// Nothing of this request is left to do. Whether it held the lock to the end, if the server said.
    Ended(Nonce, Option<bool>),
    /// The server refused to renew these holds, which will be lost if it goes on to: its words.
    RenewalsRefused(Vec<Nonce>, Arc<str>),
    /// The server refused the end of a request, which is tried again.
    EndRefused {
        /// Whose.
        nonce: Nonce,
        /// For which key.
        key: Arc<str>,
        /// What the server said.
        why: Arc<str>,
    },
    /// The end of a request is still to be sent, and the server has not been reached for as long as callers wait for that.
    Unconfirmed(Nonce),
    /// Look whether this hold was taken up; if not, end it.
    Look(Nonce),
    /// A request has waited long.
    StillWaiting {
        /// Whose.
        nonce: Nonce,
        /// How long.
        waited: Duration,
        /// What the server said last.
        busy: Option<Busy>,
    },
    /// The connection does not answer: drop it and make another.
    Reconnect,
}

/// A call that got no reply of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The server said no; nothing was done and asking again will not help.
    Refused(String),
    /// The server had forgotten the script, which is on its way to it again; nothing was done.
    Unloaded,
    /// It could not be done together with others; nothing was done.
    Alone,
    /// The server cannot just now; nothing was done.
    NotNow(String),
    /// The server refuses until it is repaired, which may be soon; nothing was done.
    Hindered(String),
    /// The server is not the primary any more, another may be at its address; nothing was done.
    Elsewhere(String),
    /// The reply made no sense: anything may have been done.
    Garbled(String),
    /// The connection died first: anything may have been done.
    Broken,
}

/// What may come of further attempts to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The server may be reached any moment.
    Unreachable,
    /// The server was reached, and cannot grant locks as it is now.
    Unfit,
    /// The next attempt will fail the same way until the configuration is fixed.
    Hopeless,
}

/// The protocol of one process with one server.
#[derive(Debug)]
pub struct Machine {
    pub(crate) timing: Timing,
    pub(crate) inbox: Arc<str>,
    pub(crate) claims: NonceMap<Claim>,
    pub(crate) timers: BTreeSet<(Timestamp, Nonce)>,
    pub(crate) calls: BTreeMap<CallId, Sent>,
    pub(crate) next_call: CallId,
    pub(crate) backlog: Backlog,
    /// Entries of waiters in the renewals that are under way.
    pub(crate) refreshing: usize,
    pub(crate) silence: Silence,
    /// Since when there is no connection; `None` while there is one.
    pub(crate) down_since: Option<Timestamp>,
    /// Why the latest attempt to connect failed.
    pub(crate) down_because: String,
    /// What a request hears that cannot wait for the next attempt to connect: set while there is no connection and the latest
    /// attempt failed.
    pub(crate) unreachable: Option<Failure>,
    pub(crate) floor: Fence,
    /// Of this process.
    pub(crate) longest_ttl: Duration,
    pub(crate) bound: Bound,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) watches: Watches,
    pub(crate) signals: VecDeque<Signal>,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) at: Timestamp,
    pub(crate) purpose: Purpose,
}

/// A ttl that a call wrote, and when that was sent: what the validity of a hold counts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) sent: Timestamp,
    pub(crate) ttl: Duration,
}

#[derive(Debug)]
pub(crate) enum Purpose {
    /// With the ttl that it writes: a nested call may have asked for a longer one since.
    Acquire(Nonce, Duration),
    AcquireAll(Vec<Nonce>),
    End(Nonce),
    Renew {
        /// With the ttl that it writes for each.
        renewals: Vec<(Nonce, Duration)>,
        /// How many of them are waiters.
        refreshes: usize,
    },
    Probe(Nonce),
    Raise,
}

impl Machine {
    /// A machine whose process receives grants on `inbox`. `longest_ttl`: of the requests that do not say.
    #[must_use]
    pub fn new(now: Timestamp, timing: Timing, inbox: String, longest_ttl: Duration) -> Self {
        let longest_ttl = timing.server_ttl(longest_ttl);
        Self {
            timing,
            inbox: inbox.into(),
            claims: NonceMap::default(),
            timers: BTreeSet::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            backlog: Backlog::default(),
            refreshing: 0,
            silence: Silence::new(now),
            down_since: Some(now),
            down_because: "no connection yet".to_owned(),
            unreachable: None,
            floor: Fence::ZERO,
            longest_ttl,
            bound: Bound::new(longest_ttl),
            outputs: VecDeque::new(),
            watches: Watches::default(),
            signals: VecDeque::new(),
        }
    }

    /// The next thing to do or tell, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_tick(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|&(at, _)| at);
        let stalled = self.stalled_at();
        let others = crate::protocol::claim::earliest(self.next_probe(), self.next_announcement());
        crate::protocol::claim::earliest(crate::protocol::claim::earliest(timer, stalled), others)
    }

    /// An inspection as its reader understands it: a hold ends for its owner before its key does.
    #[must_use]
    pub fn seen_by_its_owner(&self, found: Inspection) -> Inspection {
        let ttl = found.holder.as_ref().map(|holder| holder.who.ttl);
        let left =
            found.left.map(|left| ttl.map_or(left, |ttl| self.timing.without_guard(left, ttl)));
        Inspection { left, ..found }
    }

    /// Whether nothing is held, waited for or being undone.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.claims.is_empty()
    }

    /// The highest fencing token seen.
    #[must_use]
    pub const fn floor(&self) -> Fence {
        self.floor
    }

    /// A new request.
    pub fn request(&mut self, now: Timestamp, request: Request) {
        self.take_on(now, request, None);
    }

    /// A new request in the place of one that nobody wants any more: it keeps that one's place in the queue.
    pub fn replace(&mut self, now: Timestamp, old: Nonce, request: Request) {
        let ticket = self.claims.get(&old).and_then(Claim::ticket);
        self.take_on(now, request, ticket);
        self.end(now, old);
    }

    fn take_on(&mut self, now: Timestamp, request: Request, ticket: Option<u64>) {
        let nonce = request.nonce;
        let waits = request.queue && !self.timing.outage.is_zero();
        let too_late = request.deadline.is_some_and(|deadline| deadline <= now);
        self.admit(now, Claim::new(self.floor, request, ticket));
        match self.unreachable.clone().filter(|_| !waits) {
            Some(failure) => self.fail(now, nonce, failure),
            // Its next tick says so: what was never asked need not be undone.
            None if too_late => {}
            None => self.ask(now, nonce),
        }
        self.rearm(nonce);
    }

    /// Why the server cannot be reached, if an attempt to connect has failed since there was a connection.
    #[must_use]
    pub const fn unreachable(&self) -> Option<&Failure> {
        self.unreachable.as_ref()
    }

    /// Enters a new claim into the books.
    pub(crate) fn admit(&mut self, now: Timestamp, claim: Claim) {
        self.will_write(now, claim.request.ttl);
        self.silence.begin(claim.request.ttl);
        self.claims.insert(claim.request.nonce, claim);
    }

    fn will_write(&mut self, now: Timestamp, ttl: Duration) {
        let lease = self.timing.server_ttl(ttl);
        self.longest_ttl = self.longest_ttl.max(lease);
        self.cover(now, lease);
    }

    /// The hold was handed on within the process at `now`: its `max_hold` counts from then.
    pub fn handed_on(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        let ends_at = claim.request.max_hold.map(|span| now.plus(span));
        if let Phase::Held(held) = &mut claim.phase {
            held.ends_at = ends_at;
            self.outputs.push_back(Output::Extended(nonce, held.end()));
        }
        self.rearm(nonce);
    }

    /// A nested call wants the hold to last longer per renewal; it never gets shorter. One without renewals is renewed this once.
    pub fn lengthen(&mut self, now: Timestamp, nonce: Nonce, ttl: Duration) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        if ttl <= claim.request.ttl {
            return;
        }
        let shorter = std::mem::replace(&mut claim.request.ttl, ttl);
        self.silence.end(shorter);
        self.silence.begin(ttl);
        self.will_write(now, ttl);
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        if let Phase::Held(held) = &mut claim.phase {
            held.renew_at = Some(now);
        }
        self.rearm(nonce);
    }

    /// A caller wants the hold renewed now, to last at least `ttl`. Returns from when on the hold is to be valid: a renewal that
    /// is under way was sent too early for that. `None` if it is not held.
    pub fn renew_now(&mut self, now: Timestamp, nonce: Nonce, ttl: Duration) -> Option<Timestamp> {
        self.lengthen(now, nonce, ttl);
        let claim = self.claims.get_mut(&nonce)?;
        let end = self.timing.valid_until(now, claim.request.ttl);
        let Phase::Held(held) = &mut claim.phase else { return None };
        // Also without renewals: this one is asked for.
        held.renew_at = Some(now);
        let end = held.ends_at.map_or(end, |last| last.min(end));
        self.rearm(nonce);
        Some(end)
    }

    /// The owner lets go, or nobody wants the request any more.
    pub fn end(&mut self, now: Timestamp, nonce: Nonce) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        match claim.phase {
            _ if !claim.asked => return self.forget(nonce, Some(false)),
            Phase::Lost { clean: true } if !claim.stray => return self.forget(nonce, Some(false)),
            Phase::Ending(_) => return,
            _ => {}
        }
        let lease = self.timing.server_ttl(claim.request.ttl).max(claim.lease);
        let was_held = matches!(claim.phase, Phase::Held(_) | Phase::Lost { .. });
        claim.phase = Phase::Ending(Ending::new(now, now.plus(lease)));
        if self.down_since.is_none() {
            self.end_in_turn(now, nonce, was_held);
        }
        self.rearm(nonce);
    }

    /// Lets go of everything.
    pub fn end_all(&mut self, now: Timestamp) {
        self.watches.clear();
        let nonces: Vec<_> = self.claims.keys().copied().collect();
        for nonce in nonces {
            self.end(now, nonce);
        }
    }

    /// What is being released or undone.
    pub fn ending(&self) -> impl Iterator<Item = Nonce> {
        let is_ending = |claim: &Claim| matches!(claim.phase, Phase::Ending(_));
        self.claims.iter().filter(move |(_, claim)| is_ending(claim)).map(|(&nonce, _)| nonce)
    }

    /// A connection is there and its inbox is subscribed. `bound`: what its server knows of the longest lease.
    pub fn connected(&mut self, now: Timestamp, bound: Duration) {
        self.down_since = None;
        self.unreachable = None;
        self.silence.heard(now);
        self.meet_bound(now, bound);
        self.renew_all(now);
        let mut order: Vec<_> =
            self.claims.iter().map(|(&nonce, claim)| (claim.request.since, nonce)).collect();
        order.sort_unstable();
        for (_, nonce) in order {
            self.resume(now, nonce);
            self.rearm(nonce);
        }
    }

    /// The connection is gone; whatever was under way may or may not have been done.
    pub fn disconnected(&mut self, now: Timestamp, because: String) {
        if self.down_since.is_some() {
            return;
        }
        self.down_since = Some(now);
        self.down_because = because;
        self.refreshing = 0;
        for nonce in self.backlog.clear() {
            if let Some(claim) = self.claims.get_mut(&nonce) {
                claim.lined_up = false;
            }
        }
        for (_, sent) in std::mem::take(&mut self.calls) {
            self.answered(&sent.purpose);
            self.unanswered(now, &sent.purpose);
        }
        self.rearm_all();
    }

    /// An attempt to connect failed. A request that tries once, or whose outage is zero, does not wait for the next one,
    /// and none does if that is hopeless.
    pub fn connect_failed(&mut self, now: Timestamp, because: String, outlook: Outlook) {
        let hopeless = outlook == Outlook::Hopeless;
        let failure = match outlook {
            Outlook::Unreachable => Failure::Unavailable,
            Outlook::Unfit | Outlook::Hopeless => Failure::Refused,
        };
        let failure = failure(because.clone());
        let tries_once = |claim: &Claim| !claim.request.queue || self.timing.outage.is_zero();
        let is_over = |claim: &Claim| claim.is_wanted() && (hopeless || tries_once(claim));
        let over = self.claims.iter().filter(|(_, claim)| is_over(claim));
        let over: Vec<_> = over.map(|(&nonce, _)| nonce).collect();
        for nonce in over {
            self.fail(now, nonce, failure.clone());
        }
        self.down_because = because;
        self.unreachable = Some(failure);
    }

    pub(crate) fn forget(&mut self, nonce: Nonce, held: Option<bool>) {
        if let Some(claim) = self.claims.remove(&nonce) {
            if let Some(due) = claim.due {
                self.timers.remove(&(due, nonce));
            }
            self.silence.end(claim.request.ttl);
            self.outputs.push_back(Output::Ended(nonce, held));
        }
    }

    /// Tells the caller and undoes what may have been done.
    pub(crate) fn fail(&mut self, now: Timestamp, nonce: Nonce, failure: Failure) {
        self.outputs.push_back(Output::Failed(nonce, failure));
        self.end(now, nonce);
    }

    /// Brings the claim's timer in line with its state; to be called after every change of a claim.
    pub(crate) fn rearm(&mut self, nonce: Nonce) {
        let Some(claim) = self.claims.get_mut(&nonce) else {
            return;
        };
        let due = claim.next_due(self.down_since, self.timing.outage);
        if due == claim.due {
            return;
        }
        if let Some(old) = std::mem::replace(&mut claim.due, due) {
            self.timers.remove(&(old, nonce));
        }
        if let Some(due) = due {
            self.timers.insert((due, nonce));
        }
    }

    fn rearm_all(&mut self) {
        let nonces: Vec<_> = self.claims.keys().copied().collect();
        for nonce in nonces {
            self.rearm(nonce);
        }
    }
}
