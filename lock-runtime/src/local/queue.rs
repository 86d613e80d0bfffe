//! The callers of this process that wait for one key, and the lease they hand to each other.
//!
//! Pure: events come in with the time, and each adds to the [`Actions`] that its owner carries out.
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
//! - equal terms (ttl, renewal, `max_hold`), renewal switched on, and no `min_hold`;
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
//!
//! # Short sections
//!
//! To suspend a thread and to wake it takes longer than a short section: with several threads the
//! wake-ups would be most of the time of a handoff. So while the sections of a key take less than
//! 50 µs on average, a thread that waits here stays awake for 50 µs before it sleeps, and is woken
//! when it is the next, to be awake when the section before its own ends. The average is that of
//! this queue, which lives until it is vacant.

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use crate::local::waiters::{WaiterId, WaiterList};
use crate::protocol::request::Failure;
use crate::protocol::timing::{claim_ttl, warn_again_at, warn_at};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::{CallSite, HolderInfo};
use crate::types::request_id::RequestId;
use crate::types::time::{Nanos, Timestamp};
use crate::wire::keyspace::MAX_FENCE_RANGE;
use crate::wire::reply::{BlockedBy, BusyReply, Grant};

/// How long a process keeps handing the lock to its own callers while another process waits.
const MAX_STREAK_CONTENDED: Duration = Duration::from_millis(50);
/// The same while no other process is known to wait. Bounds the harm of a lost notification.
const MAX_LOCAL_STREAK: Duration = Duration::from_secs(1);
/// The validity that a lease needs for a handoff, unless half of its ttl is less.
const MIN_VALIDITY_FOR_HANDOFF: Duration = Duration::from_millis(250);
/// A shorter `max_hold` restarts with each section. For a longer one the error of at most
/// [`MAX_LOCAL_STREAK`] does not matter.
const SHORT_MAX_HOLD: Duration = Duration::from_secs(60 * 60);
/// How many tokens a grant reserves at first. The server's counter starts from its clock in
/// microseconds, and unused tokens must not make it overtake the clock.
const MIN_FENCE_COUNT: u32 = 4;
/// How long a thread stays awake for sections that are shorter on average.
pub(super) const SHORT_SECTION: Duration = Duration::from_micros(50);

/// The parameters of one acquire. They are `Copy` and small: most requests never reach the server.
#[derive(Clone, Copy, Debug)]
pub struct AcquireParams {
    /// When the caller asked.
    pub since: Timestamp,
    /// When to stop waiting; `None` waits without limit.
    pub deadline: Option<Timestamp>,
    /// Whether to wait behind others, or to try once.
    pub queue: bool,
    /// Whether the request goes to the server by itself, so that the server alone decides on the
    /// order. Its lease is not handed to other callers.
    pub alone: bool,
    /// For how many milliseconds a grant waits for replicas, in a queue of such calls.
    pub confirm_ms: u32,
    pub terms: LeaseTerms,
    /// How long the lease is kept for the next caller after the section, if nobody else wants it.
    pub linger: Nanos,
    pub call_site: CallSite,
    /// The label of the request, if it has one of its own.
    pub label: Option<&'static str>,
}

/// The terms of a lease. A handoff needs equal terms on both sides, so that no caller gets less
/// than it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    pub ttl: Nanos,
    pub renew: bool,
    pub max_hold: Option<Nanos>,
    /// For how many milliseconds the key stays taken at least. A number, because each lease and
    /// each waiter has room for it.
    pub min_hold_ms: u32,
}

impl AcquireParams {
    /// The same, alone. A lease that no other caller can take over does not linger.
    pub(crate) fn alone(self) -> Self {
        Self { alone: true, linger: Nanos::ZERO, ..self }
    }
}

#[cfg(test)]
impl AcquireParams {
    /// Of a call of a test that waits without a limit.
    #[track_caller]
    pub(crate) fn with_ttl(ttl: Duration) -> Self {
        let terms = LeaseTerms { ttl: Nanos::of(ttl), renew: true, max_hold: None, min_hold_ms: 0 };
        Self {
            since: crate::types::time::now(),
            deadline: None,
            queue: true,
            alone: false,
            confirm_ms: 0,
            terms,
            linger: Nanos::ZERO,
            call_site: CallSite::Line(std::panic::Location::caller()),
            label: None,
        }
    }
}

/// `S` reports the outcome to a waiter.
#[derive(Debug)]
pub(super) struct LocalQueue<S> {
    /// The limit of handoffs while another process waits.
    max_handoffs: u32,
    new_request_id: fn() -> RequestId,
    lease: Option<ProcessLease>,
    /// The id of the first waiter's request to the server.
    pending_request: Option<RequestId>,
    /// Another process started to wait before the grant of `pending_request` arrived.
    pending_contended: bool,
    /// The link hears of other processes that wait for a lease only after the first handoff was
    /// recorded.
    listens_late: bool,
    /// Other processes wanted this lock recently. Until this instant the handoff limit applies from
    /// the start of a grant, not only after the server reports contention.
    contention_until: Timestamp,
    /// Boxed, because the list has room for twice as many as there are at times.
    waiters: WaiterList<Box<LocalWaiter<S>>>,
    /// The server grants this key to nobody before, as far as it said.
    no_grant_before: Timestamp,
    next_waiter_id: WaiterId,
    /// How many tokens the next grant reserves.
    fence_count: u32,
    /// Moving average of how long sections take, at most 4 s. A number, because each held key has
    /// room for it.
    section_nanos: u32,
    /// When the next tick is needed.
    next_wake: Option<Timestamp>,
    /// The ticks that were requested and have not come, the earliest last.
    scheduled_wakes: Vec<Timestamp>,
}

#[derive(Debug)]
pub(super) struct LocalWaiter<S> {
    params: AcquireParams,
    warn_at: Timestamp,
    /// Whether it came behind other callers of this process.
    queued_locally: bool,
    sender: S,
}

/// What the owner of a queue does after an event, in the order of the fields.
#[derive(Debug)]
pub(super) struct Actions<S> {
    /// Call the queue's `tick` at this instant.
    pub(super) wake_at: Option<Timestamp>,
    /// Restart the `max_hold` of this lease, which goes to another caller of this process or is
    /// kept for one.
    pub(super) reset_max_hold: Option<RequestId>,
    /// Release this lease, or cancel this request.
    pub(super) release: Option<RequestId>,
    /// Send this request to the server.
    pub(super) acquire: Option<AcquireAction>,
    /// Grant the section that runs now to this waiter.
    pub(super) start: Option<S>,
    /// Report to these waiters why they did not get the lock.
    pub(super) failed: Vec<(S, Failure)>,
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

/// What a tick found that is worth logging.
#[derive(Debug, Default)]
pub struct TickReport {
    pub slow_waits: Vec<SlowWait>,
    pub long_section: Option<LongSection>,
    /// How many waiters timed out.
    pub timed_out: usize,
}

/// A long wait that is worth a warning.
#[derive(Debug)]
pub struct SlowWait {
    pub waited: Duration,
    pub busy: Option<BusyReply>,
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

impl<S> LocalQueue<S> {
    pub(super) const fn new(max_handoffs: u32, new_request_id: fn() -> RequestId) -> Self {
        Self {
            max_handoffs,
            new_request_id,
            lease: None,
            pending_request: None,
            pending_contended: false,
            contention_until: Timestamp::ZERO,
            waiters: WaiterList::new(),
            no_grant_before: Timestamp::ZERO,
            next_waiter_id: 0,
            fence_count: MIN_FENCE_COUNT,
            section_nanos: 0,
            listens_late: false,
            next_wake: None,
            scheduled_wakes: Vec::new(),
        }
    }

    /// Whether the link hears of other processes that wait for a lease only after the first handoff
    /// was recorded.
    pub(super) fn listening_late(self, listens_late: bool) -> Self {
        Self { listens_late, ..self }
    }

    /// Whether there is no lease, request or waiter.
    pub(super) fn is_vacant(&self) -> bool {
        self.lease.is_none() && self.pending_request.is_none() && self.waiters.is_empty()
    }

    /// Whether a lease lingers.
    pub(super) fn is_idle(&self) -> bool {
        self.lease.as_ref().is_some_and(ProcessLease::is_idle)
    }

    /// Starts a section under a lease that lingers. Returns whether there is one.
    pub(super) fn take_idle(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        actions: &mut Actions<S>,
    ) -> bool {
        let Some(lease) = &mut self.lease else { return false };
        if !lease.is_idle()
            || !self.waiters.is_empty()
            || !lease.can_start_section(now, params.terms)
        {
            return false;
        }
        actions.reset_max_hold = lease.record_handoff();
        lease.start(now, params);
        true
    }

    /// Adds a waiter. One that tries once has to be the first: see [`Self::is_open`].
    pub(super) fn join(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        sender: S,
        actions: &mut Actions<S>,
    ) -> WaiterId {
        let id = self.next_waiter_id;
        self.next_waiter_id += 1;
        let warn_at = warn_at(params.since);
        let waiter = LocalWaiter { params, warn_at, queued_locally: false, sender };
        self.waiters.push_back(id, Box::new(waiter));
        self.advance(now, actions);
        if self.waiters.len() > self.known()
            && let Some(waiter) = self.waiters.back_mut()
        {
            waiter.queued_locally = true;
        }
        id
    }

    /// Whether a caller that joins now would be the first.
    pub(super) fn is_open(&self) -> bool {
        self.waiters.is_empty() && self.lease.as_ref().is_none_or(ProcessLease::is_idle)
    }

    /// The future of this waiter was dropped.
    pub(super) fn cancel(&mut self, id: WaiterId, actions: &mut Actions<S>) {
        if self.waiters.remove(id) == Some(true)
            && let Some(withdrawn) = self.pending_request.take()
        {
            self.acquire(Some(withdrawn), actions);
        }
    }

    pub(super) fn granted(
        &mut self,
        now: Timestamp,
        id: RequestId,
        grant: Grant,
        valid_until: Timestamp,
        actions: &mut Actions<S>,
    ) {
        let first = self.first().filter(|_| self.pending_request == Some(id));
        let Some(terms) = first.map(|waiter| waiter.params.terms) else {
            actions.release = Some(id);
            return;
        };
        self.pending_request = None;
        self.no_grant_before = Timestamp::ZERO;
        let mut lease = ProcessLease {
            id,
            terms,
            fences: grant.fences,
            valid_until,
            handoff_until: now.plus(MAX_LOCAL_STREAK),
            handoffs_left: None,
            contended: false,
            is_unheard: self.listens_late && !grant.contended,
            running: None,
            idle_until: now,
            was_handed_off: false,
        };
        if std::mem::take(&mut self.pending_contended) || grant.contended {
            lease.mark_contended(now, self.max_handoffs);
            self.contention_until = now.plus(MAX_LOCAL_STREAK);
        } else if now < self.contention_until {
            lease.limit_handoffs(now, self.max_handoffs);
        }
        self.lease = Some(lease);
        self.start(now, actions);
    }

    /// A request ended without a grant.
    pub(super) fn failed(
        &mut self,
        now: Timestamp,
        id: RequestId,
        failure: Failure,
        actions: &mut Actions<S>,
    ) {
        if self.pending_request.take_if(|pending| *pending == id).is_none() {
            return;
        }
        if let Some(first) = self.waiters.pop_front() {
            actions.failed.push((first.sender, failure));
        }
        self.advance(now, actions);
    }

    /// The section that ran under this fencing token has ended.
    pub(super) fn released(
        &mut self,
        now: Timestamp,
        id: RequestId,
        fence: Fence,
        actions: &mut Actions<S>,
    ) {
        let runs = |running: &mut RunningSection| running.fence == fence;
        let ended = self.lease.as_mut().and_then(|lease| lease.running.take_if(runs));
        let (Some(ended), Some(lease)) = (ended, &mut self.lease) else {
            // The lease was lost meanwhile, and is not this queue's any more.
            actions.release = Some(id);
            return;
        };
        let nanos = u32::try_from(now.since(ended.since).as_nanos()).unwrap_or(u32::MAX);
        self.section_nanos = self.section_nanos - self.section_nanos / 4 + nanos / 4;
        let linger = ended.params.linger.get();
        lease.idle_until = now.plus(linger).min(lease.handoff_until);
        if !self.waiters.is_empty() {
            return self.advance(now, actions);
        }
        let keep =
            !linger.is_zero() && !lease.contended && lease.can_start_section(now, lease.terms);
        if keep {
            actions.reset_max_hold = std::mem::take(&mut lease.is_unheard).then_some(id);
        } else {
            self.release(actions);
        }
    }

    /// The section releases its lease itself, to wait for the confirmation.
    pub(super) fn released_directly(&mut self, id: RequestId, actions: &mut Actions<S>) {
        if self.lease.take_if(|lease| lease.id == id).is_some() {
            self.acquire(None, actions);
        }
    }

    /// The lease was lost. The waiters need a new one.
    pub(super) fn lost(&mut self, id: RequestId, actions: &mut Actions<S>) {
        let Some(lease) = self.lease.take_if(|lease| lease.id == id) else { return };
        if lease.is_idle() {
            actions.release = Some(id);
        }
        self.acquire(None, actions);
    }

    /// Another process waits for this lease or request.
    pub(super) fn contended(&mut self, now: Timestamp, id: RequestId, actions: &mut Actions<S>) {
        self.pending_contended |= self.pending_request == Some(id);
        let max_handoffs = self.max_handoffs;
        if let Some(lease) = self.lease_by_id(id) {
            lease.mark_contended(now, max_handoffs);
            self.contention_until = now.plus(MAX_LOCAL_STREAK);
            self.release_idle(actions);
        }
    }

    /// The server grants this key to nobody before `until`. Waiters with an earlier deadline fail.
    pub(super) fn no_grant_before(&mut self, id: RequestId, until: Timestamp) {
        if self.pending_request == Some(id) {
            self.no_grant_before = until;
            self.next_wake = None;
        }
    }

    pub(super) fn renewed(&mut self, id: RequestId, valid_until: Timestamp) {
        if let Some(lease) = self.lease_by_id(id) {
            lease.valid_until = valid_until;
        }
    }

    /// Whether others wait for the lease, in this process or another.
    pub(super) fn is_contended(&self) -> bool {
        !self.waiters.is_empty() || self.lease.as_ref().is_some_and(|lease| lease.contended)
    }

    /// A nested call needs a longer ttl.
    pub(super) fn ttl_raised(&mut self, id: RequestId, ttl: Duration) {
        if let Some(lease) = self.lease_by_id(id) {
            lease.terms.ttl = lease.terms.ttl.max(Nanos::of(ttl));
        }
    }

    /// Releases a lease that lingers.
    pub(super) fn release_idle(&mut self, actions: &mut Actions<S>) {
        if self.is_idle() {
            self.release(actions);
        }
    }

    /// Removes all waiters. Drop them with the queue unlocked: that wakes their tasks.
    #[must_use]
    pub(super) fn clear(&mut self) -> WaiterList<Box<LocalWaiter<S>>> {
        self.pending_request = None;
        self.lease = None;
        std::mem::replace(&mut self.waiters, WaiterList::new())
    }

    pub(super) fn waiter_count(&self) -> usize {
        self.waiters.len()
    }

    /// A section that runs for at least `long` while a waiter has waited as long. Many short
    /// sections are normal.
    pub(super) fn long_section(&self, now: Timestamp, long: Duration) -> Option<LongSection> {
        let (running, first) = (self.running()?, self.first()?);
        let (held, waited) = (now.since(running.since), now.since(first.params.since));
        let function = running.params.call_site.name();
        let calls = self.waiters.len();
        (held.min(waited) >= long).then_some(LongSection { function, held, calls, waited })
    }

    /// The section that runs.
    pub(super) fn running(&self) -> Option<&RunningSection> {
        self.lease.as_ref()?.running.as_ref()
    }

    /// Whether that is not the first one of its lease.
    pub(super) fn was_handed_off(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.was_handed_off)
    }

    pub(super) fn lease_id(&self) -> Option<RequestId> {
        self.lease.as_ref().map(|lease| lease.id)
    }

    /// The deadline of the lease.
    pub(super) fn valid_until(&self) -> Option<Timestamp> {
        self.lease.as_ref().map(|lease| lease.valid_until)
    }

    /// The waiters that the server does not know.
    pub(super) fn unknown_waiters(&self) -> impl Iterator<Item = &AcquireParams> {
        self.waiters.iter().skip(self.known()).map(|waiter| &waiter.params)
    }

    /// When an unclaimed grant of this lease is taken back, and what its caller asked for.
    pub(super) fn claim_deadline(&self, id: RequestId) -> Option<(Timestamp, AcquireParams)> {
        let running = self.running().filter(|_| self.lease_id() == Some(id))?;
        Some((running.since.plus(claim_ttl(running.params.terms.ttl.get())), running.params))
    }

    /// Whether a thread should stay awake for the end of a section.
    pub(super) fn has_short_sections(&self) -> bool {
        Duration::from_nanos(self.section_nanos.into()) < SHORT_SECTION
    }

    pub(super) fn first_sender(&self) -> Option<&S> {
        self.first().map(|waiter| &waiter.sender)
    }

    fn first(&self) -> Option<&LocalWaiter<S>> {
        self.waiters.front().map(Box::as_ref)
    }

    /// How many waiters the server knows: the first, or none.
    fn known(&self) -> usize {
        usize::from(self.pending_request.is_some())
    }

    fn lease_by_id(&mut self, id: RequestId) -> Option<&mut ProcessLease> {
        self.lease.as_mut().filter(|lease| lease.id == id)
    }

    /// Hands the lock to the first waiter, or sends its request, if either can be done.
    fn advance(&mut self, now: Timestamp, actions: &mut Actions<S>) {
        let Some(terms) = self.first().map(|first| first.params.terms) else { return };
        match &mut self.lease {
            Some(lease) if !lease.is_idle() => {}
            Some(lease) if lease.can_start_section(now, terms) => {
                actions.reset_max_hold = lease.record_handoff();
                self.start(now, actions);
            }
            Some(_) => {
                self.release(actions);
                self.acquire(None, actions);
            }
            None => self.acquire(None, actions),
        }
    }

    /// Starts the section of the first waiter.
    fn start(&mut self, now: Timestamp, actions: &mut Actions<S>) {
        let Some(lease) = &mut self.lease else { return };
        let Some(waiter) = self.waiters.pop_front() else { return };
        lease.start(now, waiter.params);
        actions.start = Some(waiter.sender);
    }

    /// Sends the first waiter's request, unless there is one. It replaces a cancelled one.
    fn acquire(&mut self, withdrawn: Option<RequestId>, actions: &mut Actions<S>) {
        let first = self.first().filter(|_| self.pending_request.is_none() && self.lease.is_none());
        let Some(&LocalWaiter { params, queued_locally, .. }) = first else {
            actions.release = actions.release.or(withdrawn);
            return;
        };
        let LeaseTerms { renew, min_hold_ms, .. } = params.terms;
        let is_single = params.alone || !renew || min_hold_ms > 0;
        let fence_count = match (is_single, params.linger == Nanos::ZERO) {
            (true, _) => 1,
            (false, true) => self.fence_count,
            (false, false) => MAX_FENCE_RANGE,
        };
        let id = (self.new_request_id)();
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
        if !lease.terms.renew || lease.terms.min_hold_ms > 0 {
            return;
        }
        let left = lease.fences.size;
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
    pub(super) fn tick(
        &mut self,
        now: Timestamp,
        blocked_by: impl FnOnce(RequestId) -> Failure,
        holder_of: impl FnOnce(RequestId, &RunningSection) -> HolderInfo,
        actions: &mut Actions<S>,
    ) -> TickReport {
        self.next_wake = None;
        while self.scheduled_wakes.pop_if(|wake_at| *wake_at <= now).is_some() {}
        if self.idle_until().is_some_and(|until| until <= now) {
            self.release(actions);
        }
        let (known, no_grant_before) = (self.known(), self.no_grant_before);
        let mut report = TickReport::default();
        if self.waiters.iter().skip(known).all(|waiter| now < waiter.due(no_grant_before)) {
            return report;
        }
        let blocked_by = if let Some(id) = self.pending_request {
            blocked_by(id)
        } else {
            let holder =
                self.lease_id().zip(self.running()).map(|(id, running)| holder_of(id, running));
            let blocked_by = BlockedBy::Holder(holder.map(Box::new));
            Failure::Busy(BusyReply { blocked_by, left: None, ahead: 0, ticket: None })
        };
        let mut failures = Vec::new();
        let timed_out = self.waiters.remove_where(|ahead, waiter| {
            // The protocol watches the time of the request that the server knows.
            if ahead < known {
                return false;
            }
            let AcquireParams { since, deadline, .. } = waiter.params;
            if deadline.is_some_and(|deadline| deadline <= now || deadline < no_grant_before) {
                failures.push(failure_behind(&blocked_by, ahead));
                return true;
            }
            if waiter.warn_at <= now {
                waiter.warn_at = warn_again_at(since, now);
                let failure = failure_behind(&blocked_by, ahead);
                let busy = if let Failure::Busy(busy) = failure { Some(busy) } else { None };
                report.slow_waits.push(SlowWait { waited: now.since(since), busy });
            }
            false
        });
        report.timed_out = timed_out.len();
        let senders = timed_out.into_iter().map(|waiter| waiter.sender);
        actions.failed.extend(senders.zip(failures));
        report
    }

    fn idle_until(&self) -> Option<Timestamp> {
        self.lease.as_ref().filter(|lease| lease.is_idle()).map(|lease| lease.idle_until)
    }

    /// Requests a tick for the next instant at which something is due. To be called after each
    /// event.
    pub(super) fn arm(&mut self, actions: &mut Actions<S>) {
        let due = |waiter: &LocalWaiter<S>| waiter.due(self.no_grant_before);
        // A tick that is set is early enough for all but perhaps the newest waiter.
        let due = match self.next_wake {
            Some(_) => self.waiters.back().map(Box::as_ref).map(due),
            None => self.waiters.iter().skip(self.known()).map(Box::as_ref).map(due).min(),
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

impl<S> LocalWaiter<S> {
    /// When this waiter has to be looked at next. The server grants nothing before
    /// `no_grant_before`: a waiter with an earlier deadline fails at once.
    fn due(&self, no_grant_before: Timestamp) -> Timestamp {
        match self.params.deadline {
            Some(deadline) if deadline < no_grant_before => self.params.since,
            Some(deadline) => deadline.min(self.warn_at),
            None => self.warn_at,
        }
    }
}

impl<S> Actions<S> {
    pub(super) const fn none() -> Self {
        Self {
            wake_at: None,
            reset_max_hold: None,
            release: None,
            acquire: None,
            start: None,
            failed: Vec::new(),
        }
    }
}

/// The lease that this process got from the server, over one section or several.
#[derive(Debug)]
struct ProcessLease {
    id: RequestId,
    terms: LeaseTerms,
    /// The fencing tokens that the grant reserved and no section has used.
    fences: FenceRange,
    valid_until: Timestamp,
    /// No handoff from this instant on.
    handoff_until: Timestamp,
    /// `None` while no other process is expected to wait.
    handoffs_left: Option<u32>,
    /// Whether another process is known to wait.
    contended: bool,
    /// Whether the link does not hear yet if another process waits.
    is_unheard: bool,
    running: Option<RunningSection>,
    /// Until when the lease is kept while no section runs.
    idle_until: Timestamp,
    /// The section that runs is not the first one.
    was_handed_off: bool,
}

/// What others see of the section that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningSection {
    pub(super) fence: Fence,
    pub(super) params: AcquireParams,
    pub(super) since: Timestamp,
}

impl ProcessLease {
    /// Another process waits.
    fn mark_contended(&mut self, now: Timestamp, max_handoffs: u32) {
        self.contended = true;
        self.limit_handoffs(now, max_handoffs);
    }

    /// Another process waits or soon may: allows at most `max_handoffs` handoffs from now on.
    fn limit_handoffs(&mut self, now: Timestamp, max_handoffs: u32) {
        if self.handoffs_left.is_none() {
            self.handoffs_left = Some(max_handoffs);
            self.handoff_until = self.handoff_until.min(now.plus(MAX_STREAK_CONTENDED));
        }
    }

    const fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Whether another section with these terms may run under this lease.
    fn can_start_section(&self, now: Timestamp, terms: LeaseTerms) -> bool {
        let enough = MIN_VALIDITY_FOR_HANDOFF.min(self.terms.ttl.get() / 2);
        self.terms == terms
            // Without renewals each section is entitled to a ttl of its own.
            && terms.renew
            // Its key stays taken after each section.
            && terms.min_hold_ms == 0
            && self.handoffs_left != Some(0)
            && self.fences.size > 0
            && now < self.handoff_until
            && self.valid_until.since(now) >= enough
    }

    /// Starts a section. There has to be a fencing token for it.
    fn start(&mut self, now: Timestamp, params: AcquireParams) {
        let fence = self.fences.take().expect("a lease that starts a section has a token for it");
        self.running = Some(RunningSection { fence, params, since: now });
    }

    /// Counts a handoff. Returns the id if the link has to record it.
    fn record_handoff(&mut self) -> Option<RequestId> {
        self.was_handed_off = true;
        self.handoffs_left = self.handoffs_left.map(|left| left.saturating_sub(1));
        let max_hold = self.terms.max_hold.filter(|max_hold| max_hold.get() < SHORT_MAX_HOLD);
        let is_unheard = std::mem::take(&mut self.is_unheard);
        (is_unheard || max_hold.is_some()).then_some(self.id)
    }
}
