//! The callers of this process that wait for one key, and the lease they hand to each other.
//!
//! Pure: events come in with the time, and each returns [`Actions`] for its owner to carry out.
//!
//! # Handoff
//!
//! Only the first waiter is known to the server. It has a request there, `pending_request`; there
//! is never more than one, and none while this process has a lease. The others wait here.
//!
//! A grant brings a lease and a range of fencing tokens. The first waiter's section runs under the
//! first token. When it ends, the next waiter's section starts under the next token, without a
//! round trip (lock cohorting: Dice, Marathe and Shavit, `PPoPP` 2012). A handoff needs all of:
//!
//! - equal terms (ttl, renewal, `max_hold`), and renewal switched on;
//! - a fencing token that is left;
//! - enough validity: 250 ms, or half of the ttl if that is less;
//! - less than 1 s since the grant. Once another process is known to wait: at most `max_handoffs`
//!   more handoffs, and at most 50 ms.
//!
//! Otherwise the lease is released and the first waiter asks the server, behind the other
//! processes.
//!
//! How many tokens to reserve adapts. It doubles when a lease has used all of them, and halves when
//! it has used less than a quarter.
//!
//! With `linger` a lease is kept idle after its last section, for the next caller of this process.
//! It is released when another process starts to wait.
//!
//! When the first waiter is cancelled, the request of the next one replaces it and keeps its
//! position in the server's queue.

#[cfg(test)]
pub(super) mod tests;
pub(super) mod timeouts;

use std::time::Duration;

use crate::local::actions::{AcquireAction, Actions, LongSection};
use crate::local::params::AcquireParams;
use crate::local::process_lease::{MAX_LOCAL_STREAK, Occupancy, ProcessLease, RunningSection};
use crate::local::waiters::{LocalWaiter, WaiterId, WaiterList};
use crate::protocol::timing::claim_ttl;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::limits::MAX_FENCE_RANGE;
use crate::wire::reply::Grant;

/// How many tokens a grant reserves at first. The server's counter starts from its clock in
/// microseconds, and unused tokens must not make it overtake the clock.
const MIN_FENCE_COUNT: u32 = 4;

/// Shorter sections take less time than falling asleep and being woken.
const SHORT_SECTION: Duration = Duration::from_micros(50);
/// How many waiters a grant nudges.
const MAX_NUDGED: usize = 8;

/// `S` reports the outcome to a waiter.
#[derive(Debug)]
pub(super) struct LocalQueue<S> {
    /// The limit of handoffs while another process waits.
    max_handoffs: u32,
    lease: Option<ProcessLease>,
    /// The id of the first waiter's request to the server.
    pending_request: Option<RequestId>,
    /// The id of the request after that. It is provided: nothing here is random.
    next_request_id: Option<RequestId>,
    /// Another process started to wait before the grant of `pending_request` arrived.
    pending_contended: bool,
    /// Other processes wanted this lock recently. Until this instant the handoff limit applies from
    /// the start of a grant, not only after the server reports contention.
    contention_until: Timestamp,
    waiters: WaiterList<S>,
    /// The server grants this key to nobody before, as far as it said.
    no_grant_before: Timestamp,
    next_waiter_id: WaiterId,
    /// How many tokens the next grant reserves.
    fence_count: u32,
    /// Moving average of the length of a section.
    avg_section: Duration,
    /// When the next tick is needed.
    next_wake: Option<Timestamp>,
    /// The ticks that were requested and have not come, the earliest last.
    scheduled_wakes: Vec<Timestamp>,
}

impl<S> LocalQueue<S> {
    pub(super) const fn new(max_handoffs: u32) -> Self {
        Self {
            max_handoffs,
            lease: None,
            pending_request: None,
            next_request_id: None,
            pending_contended: false,
            contention_until: Timestamp::ZERO,
            waiters: WaiterList::new(),
            no_grant_before: Timestamp::ZERO,
            next_waiter_id: 0,
            fence_count: MIN_FENCE_COUNT,
            avg_section: Duration::ZERO,
            next_wake: None,
            scheduled_wakes: Vec::new(),
        }
    }

    /// Whether there is no lease, request or waiter.
    pub(super) fn is_vacant(&self) -> bool {
        self.lease.is_none() && self.pending_request.is_none() && self.waiters.is_empty()
    }

    /// Whether a lease lingers.
    pub(super) fn is_idle(&self) -> bool {
        self.lease.as_ref().is_some_and(ProcessLease::is_idle)
    }

    /// Starts a section under a lease that lingers.
    pub(super) fn take_idle(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
    ) -> Option<Actions<()>> {
        let lease = self.lease.as_mut()?;
        if !lease.is_idle()
            || !self.waiters.is_empty()
            || !lease.can_start_section(now, params.terms)
        {
            return None;
        }
        let reset_max_hold = lease.record_handoff().then_some(lease.id);
        Some(Actions {
            reset_max_hold,
            start: Some(lease.start(now, params, ())?),
            ..Actions::none()
        })
    }

    /// Adds a waiter. One that tries once has to be the first: see [`Self::is_open`].
    pub(super) fn join(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        sender: S,
    ) -> (WaiterId, Actions<S>) {
        let mut actions = Actions::none();
        let waiter_id = self.next_waiter_id;
        self.next_waiter_id += 1;
        self.waiters.push_back(waiter_id, LocalWaiter::new(params, sender));
        self.advance(now, &mut actions);
        let known = usize::from(self.pending_request.is_some());
        if self.waiters.len() > known
            && let Some(last) = self.waiters.back_mut()
        {
            last.queued_locally = true;
        }
        self.arm(&mut actions);
        (waiter_id, actions)
    }

    /// Whether the next event may send a request, and has no id for it. Any event may while waiters
    /// are unknown to the server; `comes` says that a waiter joins.
    pub(super) fn needs_request_id(&self, comes: bool) -> bool {
        let unknown = self.waiters.len() > usize::from(self.pending_request.is_some());
        self.next_request_id.is_none() && (unknown || comes && self.pending_request.is_none())
    }

    pub(super) const fn provide_request_id(&mut self, next_request_id: RequestId) {
        self.next_request_id = Some(next_request_id);
    }

    /// Whether spinning until one's turn is cheaper than sleeping.
    pub(super) fn sections_are_short(&self) -> bool {
        self.avg_section < SHORT_SECTION
    }

    /// The waiters to nudge.
    pub(super) fn next_waiters(&self) -> impl Iterator<Item = &S> {
        let few = if self.sections_are_short() { MAX_NUDGED } else { 0 };
        self.waiters.iter().take(few).map(|waiter| &waiter.sender)
    }

    /// Whether a caller that joins now would be the first.
    pub(super) fn is_open(&self) -> bool {
        self.waiters.is_empty() && self.lease.as_ref().is_none_or(ProcessLease::is_idle)
    }

    /// The future of this waiter was dropped.
    pub(super) fn cancel(&mut self, waiter_id: WaiterId) -> Actions<S> {
        let mut actions = Actions::none();
        let Some(was_first) = self.waiters.remove(waiter_id) else {
            return actions;
        };
        if let (true, Some(withdrawn)) = (was_first, self.pending_request) {
            self.pending_request = None;
            self.acquire(&mut actions, Some(withdrawn));
        }
        self.arm(&mut actions);
        actions
    }

    pub(super) fn granted(
        &mut self,
        now: Timestamp,
        id: RequestId,
        grant: Grant,
        valid_until: Timestamp,
    ) -> Actions<S> {
        let mut actions = Actions::none();
        let first = self.waiters.front().filter(|_| self.pending_request == Some(id));
        let Some(terms) = first.map(|waiter| waiter.params.terms) else {
            actions.release = Some(id);
            return actions;
        };
        self.pending_request = None;
        self.no_grant_before = Timestamp::ZERO;
        let mut lease = ProcessLease::new(now, id, terms, grant.fences, valid_until);
        if std::mem::take(&mut self.pending_contended) || grant.contended {
            lease.mark_contended(now, self.max_handoffs);
            self.contention_until = now.plus(MAX_LOCAL_STREAK);
        } else if now < self.contention_until {
            lease.limit_handoffs(now, self.max_handoffs);
        }
        self.lease = Some(lease);
        self.start(now, &mut actions);
        self.arm(&mut actions);
        actions
    }

    /// A request ended without a grant. Returns its waiter, unless that one is gone.
    pub(super) fn failed(&mut self, now: Timestamp, id: RequestId) -> (Option<S>, Actions<S>) {
        let mut actions = Actions::none();
        if self.pending_request != Some(id) {
            return (None, actions);
        }
        self.pending_request = None;
        let first = self.waiters.pop_front();
        self.advance(now, &mut actions);
        self.arm(&mut actions);
        (first.map(|waiter| waiter.sender), actions)
    }

    /// The section that ran under this fencing token has ended.
    pub(super) fn released(&mut self, now: Timestamp, id: RequestId, fence: Fence) -> Actions<S> {
        let mut actions = Actions::none();
        let Some(lease) = self.lease.as_mut().filter(|lease| lease.runs(fence)) else {
            // The lease was lost meanwhile, and is not this queue's any more.
            actions.release = Some(id);
            return actions;
        };
        let linger = lease.running().map_or(Duration::ZERO, |running| running.params.linger);
        self.avg_section = (self.avg_section * 3 + now.since(lease.section_started)) / 4;
        lease.occupancy = Occupancy::Idle { until: now.plus(linger).min(lease.handoff_until) };
        if self.waiters.is_empty() {
            let keep = !linger.is_zero()
                && !lease.is_contended()
                && lease.can_start_section(now, lease.terms);
            if !keep {
                self.release(&mut actions);
            }
        } else {
            self.advance(now, &mut actions);
        }
        self.arm(&mut actions);
        actions
    }

    /// The section releases its lease itself, to wait for the confirmation.
    pub(super) fn released_directly(&mut self, id: RequestId) -> Actions<S> {
        let mut actions = Actions::none();
        if self.lease.take_if(|lease| lease.id == id).is_some() {
            self.acquire(&mut actions, None);
        }
        self.arm(&mut actions);
        actions
    }

    /// The lease was lost. The waiters need a new one.
    pub(super) fn lost(&mut self, id: RequestId) -> Actions<S> {
        let mut actions = Actions::none();
        let Some(lease) = self.lease.take_if(|lease| lease.id == id) else {
            return actions;
        };
        if lease.is_idle() {
            actions.release = Some(id);
        }
        self.acquire(&mut actions, None);
        self.arm(&mut actions);
        actions
    }

    /// Another process waits for this lease or request.
    pub(super) fn contended(&mut self, now: Timestamp, id: RequestId) -> Actions<S> {
        self.pending_contended |= self.pending_request == Some(id);
        let max_handoffs = self.max_handoffs;
        if let Some(lease) = self.lease_by_id(id) {
            lease.mark_contended(now, max_handoffs);
            self.contention_until = now.plus(MAX_LOCAL_STREAK);
            return self.release_idle();
        }
        Actions::none()
    }

    /// The server grants this key to nobody before `until`. Waiters with an earlier deadline fail.
    pub(super) fn no_grant_before(&mut self, id: RequestId, until: Timestamp) -> Actions<S> {
        let mut actions = Actions::none();
        if self.pending_request == Some(id) {
            self.no_grant_before = until;
            self.next_wake = None;
            self.arm(&mut actions);
        }
        actions
    }

    pub(super) fn renewed(&mut self, id: RequestId, valid_until: Timestamp) {
        if let Some(lease) = self.lease_by_id(id) {
            lease.valid_until = valid_until;
        }
    }

    /// Whether others wait for the lease, in this process or another.
    pub(super) fn is_contended(&self) -> bool {
        !self.waiters.is_empty() || self.lease.as_ref().is_some_and(ProcessLease::is_contended)
    }

    /// A nested call needs a longer ttl.
    pub(super) fn ttl_raised(&mut self, id: RequestId, ttl: Duration) {
        if let Some(lease) = self.lease_by_id(id) {
            lease.terms.ttl = lease.terms.ttl.max(ttl);
        }
    }

    /// Releases a lease that lingers.
    pub(super) fn release_idle(&mut self) -> Actions<S> {
        let mut actions = Actions::none();
        if self.is_idle() {
            self.release(&mut actions);
        }
        actions
    }

    /// Removes all waiters. Drop them with the queue unlocked: that wakes their tasks.
    #[must_use]
    pub(super) fn clear(&mut self) -> WaiterList<S> {
        self.pending_request = None;
        self.lease = None;
        std::mem::take(&mut self.waiters)
    }

    pub(super) fn waiter_count(&self) -> usize {
        self.waiters.len()
    }

    /// A section that runs for at least `long` while a waiter has waited as long. Many short
    /// sections are normal.
    pub(super) fn long_section(&self, now: Timestamp, long: Duration) -> Option<LongSection> {
        let (lease, first) = (self.lease.as_ref()?, self.waiters.front()?);
        let (held, waited) = (now.since(lease.section_started), now.since(first.params.since));
        let function = lease.running()?.params.call_site.name();
        let calls = self.waiters.len();
        (held.min(waited) >= long).then_some(LongSection { function, held, calls, waited })
    }

    /// The section that runs, and the waiters that the server does not know.
    pub(super) fn local_view(
        &self,
    ) -> (Option<&RunningSection>, impl Iterator<Item = &AcquireParams>) {
        let known = usize::from(self.pending_request.is_some());
        let waiter = self.waiters.iter().skip(known).map(|waiter| &waiter.params);
        (self.lease.as_ref().and_then(ProcessLease::running), waiter)
    }

    /// When an unclaimed grant of this lease is taken back.
    pub(super) fn claim_deadline(&self, id: RequestId) -> Option<Timestamp> {
        let lease = self.lease.as_ref().filter(|lease| lease.id == id)?;
        let running = lease.running()?;
        Some(lease.section_started.plus(claim_ttl(running.params.terms.ttl)))
    }

    fn lease_by_id(&mut self, id: RequestId) -> Option<&mut ProcessLease> {
        self.lease.as_mut().filter(|lease| lease.id == id)
    }

    /// Hands the lock to the first waiter, or sends its request, if either can be done.
    fn advance(&mut self, now: Timestamp, actions: &mut Actions<S>) {
        let Some(first) = self.waiters.front() else { return };
        match &mut self.lease {
            Some(lease) if !lease.is_idle() => {}
            Some(lease) if lease.can_start_section(now, first.params.terms) => {
                if lease.record_handoff() {
                    actions.reset_max_hold = Some(lease.id);
                }
                self.start(now, actions);
            }
            Some(_) => {
                self.release(actions);
                self.acquire(actions, None);
            }
            None => self.acquire(actions, None),
        }
    }

    fn start(&mut self, now: Timestamp, actions: &mut Actions<S>) {
        let Some(lease) = &mut self.lease else { return };
        let Some(LocalWaiter { params, sender, .. }) = self.waiters.pop_front() else { return };
        let start = lease.start(now, params, sender);
        actions.start = Some(start.expect("a block has a token for its section"));
    }

    /// Sends the first waiter's request, unless there is one. It replaces a cancelled one.
    fn acquire(&mut self, actions: &mut Actions<S>, withdrawn: Option<RequestId>) {
        let first =
            self.waiters.front().filter(|_| self.pending_request.is_none() && self.lease.is_none());
        let Some(first) = first else {
            actions.release = actions.release.or(withdrawn);
            return;
        };
        let (params, queued_locally) = (first.params, first.queued_locally);
        let fence_count = match (params.terms.renew, params.linger.is_zero()) {
            (false, _) => 1,
            (true, true) => self.fence_count,
            (true, false) => MAX_FENCE_RANGE,
        };
        let id = self.next_request_id.take().expect("a line that may ask was supplied with a name");
        self.pending_request = Some(id);
        self.pending_contended = false;
        // If several wait here, other processes may wait too.
        let likely_free = withdrawn.is_none() && self.waiters.len() == 1;
        actions.acquire = Some(AcquireAction {
            id,
            params,
            queued_locally,
            likely_free,
            fence_count,
            replaces: withdrawn,
        });
    }

    fn release(&mut self, actions: &mut Actions<S>) {
        let Some(lease) = self.lease.take() else { return };
        actions.release = Some(lease.id);
        if !lease.terms.renew {
            return;
        }
        let left = lease.fences.size();
        if left == 0 {
            self.fence_count = (self.fence_count * 2).min(MAX_FENCE_RANGE);
        } else if left > self.fence_count / 4 * 3 {
            self.fence_count = (self.fence_count / 2).max(MIN_FENCE_COUNT);
        }
    }
}
