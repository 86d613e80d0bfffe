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

use std::time::Duration;

use crate::local::params::{AcquireParams, LeaseTerms};
use crate::local::waiters::{LocalWaiter, WaiterId, WaiterList};
use crate::protocol::request::Failure;
use crate::protocol::timing::{claim_ttl, warn_again_at};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::HolderInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::keyspace::MAX_FENCE_RANGE;
use crate::wire::reply::{BlockedBy, BusyReply, Grant};

/// How long a process keeps handing the lock to its own callers while another process waits.
pub(super) const MAX_STREAK_CONTENDED: Duration = Duration::from_millis(50);
/// The same while no other process is known to wait. Bounds the harm of a lost notification.
pub(super) const MAX_LOCAL_STREAK: Duration = Duration::from_secs(1);
/// The validity that a lease needs for a handoff, unless half of its ttl is less.
const MIN_VALIDITY_FOR_HANDOFF: Duration = Duration::from_millis(250);
/// A shorter `max_hold` restarts with each section. For a longer one the error of at most
/// [`MAX_LOCAL_STREAK`] does not matter.
const SHORT_MAX_HOLD: Duration = Duration::from_secs(60 * 60);
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

/// What the owner of a queue does after an event, in the order of the fields.
#[derive(Debug)]
pub(super) struct Actions<S> {
    /// Call the queue's `tick` at this instant.
    pub(super) wake_at: Option<Timestamp>,
    /// Restart the `max_hold` of this lease.
    pub(super) reset_max_hold: Option<RequestId>,
    /// Release this lease, or cancel this request.
    pub(super) release: Option<RequestId>,
    /// Send this request to the server.
    pub(super) acquire: Option<AcquireAction>,
    /// Grant this section.
    pub(super) start: Option<StartSection<S>>,
}

#[derive(Debug)]
pub(super) struct AcquireAction {
    pub(super) id: RequestId,
    pub(super) params: AcquireParams,
    /// Whether it waited behind other callers of this process.
    pub(super) queued_locally: bool,
    pub(super) likely_free: bool,
    /// How many fencing tokens to reserve.
    pub(super) fence_count: u32,
    /// A cancelled request whose position in the server's queue this one takes over.
    pub(super) replaces: Option<RequestId>,
}

/// A section that has the lock. `sender` reports it to its caller.
#[derive(Debug)]
pub(super) struct StartSection<S> {
    pub(super) sender: S,
    pub(super) id: RequestId,
    pub(super) fence: Fence,
    pub(super) valid_until: Timestamp,
}

#[derive(Debug)]
pub(super) struct TickResult<S> {
    pub(super) actions: Actions<S>,
    /// Waiters that timed out, and why they did not get the lock.
    pub(super) timed_out: Vec<(S, Failure)>,
    pub(super) slow_waits: Vec<SlowWait>,
}

/// A long wait that is worth a warning.
#[derive(Debug)]
pub struct SlowWait {
    pub waited: Duration,
    pub busy: Option<BusyReply>,
}

/// What a tick found that is worth logging.
#[derive(Debug)]
pub struct TickReport {
    pub slow_waits: Vec<SlowWait>,
    pub long_section: Option<LongSection>,
    /// How many waiters timed out.
    pub timed_out: usize,
}

/// A section of this process that other callers of this process wait for.
#[derive(Debug)]
pub struct LongSection {
    /// The function that runs it.
    pub function: String,
    pub held: Duration,
    /// How many calls wait.
    pub calls: usize,
    /// How long the first of them has waited.
    pub waited: Duration,
}

impl<S> Actions<S> {
    pub(super) const fn none() -> Self {
        Self { wake_at: None, reset_max_hold: None, release: None, acquire: None, start: None }
    }
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
        let fence_count = match (params.alone || !params.terms.renew, params.linger.is_zero()) {
            (true, _) => 1,
            (false, true) => self.fence_count,
            (false, false) => MAX_FENCE_RANGE,
        };
        let id = self.next_request_id.take().expect("a line that may ask was supplied with a name");
        self.pending_request = Some(id);
        self.pending_contended = false;
        // If several wait here, other processes may wait too.
        let likely_free = !params.alone && withdrawn.is_none() && self.waiters.len() == 1;
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

/// What is done when time passes: timeouts, warnings of slow waits, the end of a lingering lease.
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

/// The lease that this process got from the server, over one section or several.
#[derive(Debug)]
pub(super) struct ProcessLease {
    pub(super) id: RequestId,
    pub(super) terms: LeaseTerms,
    /// The fencing tokens that the grant reserved and no section has used.
    pub(super) fences: FenceRange,
    pub(super) valid_until: Timestamp,
    /// No handoff from this instant on.
    pub(super) handoff_until: Timestamp,
    /// `None` while no other process is expected to wait.
    handoffs_left: Option<u32>,
    /// Whether another process is known to wait.
    contended: bool,
    /// When the latest section started.
    pub(super) section_started: Timestamp,
    pub(super) occupancy: Occupancy,
}

#[derive(Debug)]
pub(super) enum Occupancy {
    Running(RunningSection),
    /// No section runs. The lease is kept until then.
    Idle {
        until: Timestamp,
    },
}

/// What others see of the section that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningSection {
    pub(super) id: RequestId,
    pub(super) fence: Fence,
    pub(super) params: AcquireParams,
    pub(super) since: Timestamp,
}

impl ProcessLease {
    /// A lease that was just granted. No section runs yet.
    pub(super) fn new(
        now: Timestamp,
        id: RequestId,
        terms: LeaseTerms,
        fences: FenceRange,
        valid_until: Timestamp,
    ) -> Self {
        Self {
            id,
            terms,
            fences,
            valid_until,
            handoff_until: now.plus(MAX_LOCAL_STREAK),
            handoffs_left: None,
            contended: false,
            section_started: now,
            occupancy: Occupancy::Idle { until: now },
        }
    }

    /// Another process waits.
    pub(super) fn mark_contended(&mut self, now: Timestamp, max_handoffs: u32) {
        self.contended = true;
        self.limit_handoffs(now, max_handoffs);
    }

    /// Another process waits or soon may: allows at most `max_handoffs` handoffs from now on.
    pub(super) fn limit_handoffs(&mut self, now: Timestamp, max_handoffs: u32) {
        if self.handoffs_left.is_none() {
            self.handoffs_left = Some(max_handoffs);
            self.handoff_until = self.handoff_until.min(now.plus(MAX_STREAK_CONTENDED));
        }
    }

    pub(super) const fn is_contended(&self) -> bool {
        self.contended
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.idle_until().is_some()
    }

    pub(super) const fn idle_until(&self) -> Option<Timestamp> {
        match self.occupancy {
            Occupancy::Idle { until } => Some(until),
            Occupancy::Running(_) => None,
        }
    }

    pub(super) fn runs(&self, fence: Fence) -> bool {
        self.running().is_some_and(|running| running.fence == fence)
    }

    /// Whether another section with these terms may run under this lease.
    pub(super) fn can_start_section(&self, now: Timestamp, terms: LeaseTerms) -> bool {
        let enough = MIN_VALIDITY_FOR_HANDOFF.min(self.terms.ttl / 2);
        self.terms == terms
            // Without renewals each section is entitled to a ttl of its own.
            && terms.renew
            && self.handoffs_left != Some(0)
            && !self.fences.is_empty()
            && now < self.handoff_until
            && self.valid_until.since(now) >= enough
    }

    /// Starts a section. `None` if no fencing token is left.
    pub(super) fn start<S>(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        sender: S,
    ) -> Option<StartSection<S>> {
        let (id, fence) = (self.id, self.fences.take()?);
        self.section_started = now;
        self.occupancy = Occupancy::Running(RunningSection { id, fence, params, since: now });
        Some(StartSection { sender, id, fence, valid_until: self.valid_until })
    }

    /// Counts a handoff. Returns whether `max_hold` restarts with it.
    pub(super) fn record_handoff(&mut self) -> bool {
        self.handoffs_left = self.handoffs_left.map(|left| left.saturating_sub(1));
        self.terms.max_hold.is_some_and(|span| span < SHORT_MAX_HOLD)
    }

    pub(super) const fn running(&self) -> Option<&RunningSection> {
        match &self.occupancy {
            Occupancy::Running(running) => Some(running),
            Occupancy::Idle { .. } => None,
        }
    }
}
