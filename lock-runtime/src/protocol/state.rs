//! The state of one request, from its acquire to its release.
//!
//! Everything that happens to a request is a method that changes its state, and puts into the
//! [`Context`] what to report and what to do next. The protocol calls these methods by way of
//! `Protocol::update`, which also updates the timer of the request.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::replicas::{Unconfirmed, ask_again_at};
use crate::protocol::request::{
    CommandError, Failure, Loss, Output, ReleaseOutcome, RequestParams,
};
use crate::protocol::timing::{
    CONFIRM_DELAY, LATE_ANSWER, LONGEST_FOLLOWED, MIN_CLAIM_LEFT, RETRY, SHORTEST_PAUSE, TOMBSTONE,
    Timing, TtlWrite, claim_ttl, earliest, warn_again_at, warn_at, whole_millis,
};
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::{Nanos, Timestamp};
use crate::wire::command::{Enqueue, Renewal};
use crate::wire::keyspace::{Mark, WAITER_LEASE};
use crate::wire::reply::{AcquireReply, BlockedBy, BusyReply, Grant, ReclaimReply, RenewalReply};
use crate::wire::slot::Slot;

/// A request fails after this many grants in a row that had expired when they arrived.
const MAX_SLOW_REPLIES: u32 = 3;
/// When a waiter is refreshed for which there was no room.
const REFRESH_RETRY: Duration = Duration::from_millis(20);

/// A hold with less left than this is not put back: the answer would come too late.
const MIN_LEFT_TO_RECLAIM: Duration = Duration::from_millis(250);

/// Whether the server can be reached.
#[derive(Debug)]
pub(crate) struct Reachability {
    /// Since when there is no connection; `None` while there is one.
    pub(crate) down_since: Option<Timestamp>,
    /// Why there is none.
    pub(crate) why: Failure,
    /// The latest attempt to connect failed.
    pub(crate) attempt_failed: bool,
}

impl Reachability {
    /// The failure of requests that cannot wait for the next attempt to connect. Set while there is
    /// no connection and the latest attempt failed.
    pub(crate) fn failed_attempt(&self) -> Option<&Failure> {
        self.attempt_failed.then_some(&self.why)
    }

    /// Until when something that began at `since` tolerates that there is no connection.
    fn tolerated_until(&self, since: Timestamp, timing: &Timing) -> Option<Timestamp> {
        Some(self.down_since?.max(since).plus(timing.outage_timeout))
    }
}

/// What a decision about a request depends on besides its state, and what it leads to.
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) timing: &'a Timing,
    pub(crate) server: &'a Reachability,
    /// Of the server.
    pub(crate) mark: Mark,
    /// Whether nobody confirms that it is the primary.
    pub(crate) in_doubt: bool,
    /// Whether replicas have to confirm a hold.
    pub(crate) confirms: bool,
    /// How often this process refreshes each of its waiters.
    pub(crate) refresh_every: Duration,
    /// What to report.
    pub(crate) outputs: &'a mut VecDeque<Output>,
    /// What to do.
    pub(crate) next: Next,
}

impl Context<'_> {
    fn report(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn is_past(&self, at: impl Into<Option<Timestamp>>) -> bool {
        at.into().is_some_and(|at| at <= self.now)
    }

    /// Whether this process has so many requests that waiters are refreshed less often. A waiter
    /// whose holder's TTL ran out is then refreshed in a batch instead of sending its own acquire.
    fn is_crowded(&self) -> bool {
        self.refresh_every > Timing::refresh_every(0)
    }
}

/// What the protocol has to do for a request.
pub(crate) enum Next {
    Nothing,
    /// Send an acquire in turn.
    Acquire,
    /// Send a release in turn.
    Release {
        was_held: bool,
    },
    /// Forget the request.
    Remove(ReleaseOutcome),
    /// Forget the request, although no server has confirmed its end.
    GiveUp,
}

/// A request and what has become of it. What only a wait needs is in [`Phase::Waiting`]: a process
/// may have many holds, for a long time.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the request")]
pub(crate) struct RequestState {
    pub(crate) key: Arc<str>,
    pub(crate) id: RequestId,
    /// On a cluster.
    pub(crate) slot: Option<Slot>,
    /// When the caller in this process asked for the lock.
    pub(crate) since: Timestamp,
    pub(crate) ttl: Duration,
    renew: bool,
    max_hold: Option<Nanos>,
    /// Until when the key stays taken, also after a release.
    pub(super) keep_until: Option<Timestamp>,
    pub(crate) phase: Phase,
    /// The position in the queue, by the latest reply, or of the request that this one replaced.
    pub(crate) ticket: Option<u64>,
    pub(crate) on_server: OnServer,
    /// Acquires that may queue the request although it was granted meanwhile: those in flight, and
    /// those answered with "queued".
    pub(crate) acquires_in_flight: u32,
    /// Other processes wait for this hold, as far as known.
    pub(crate) contended: bool,
    /// How long the server keeps its queue entry without a refresh, as sent last.
    lease: Nanos,
    /// Since when the server answers but does not execute what is sent about this request.
    refused_since: Option<Timestamp>,
    /// The scripts or the tokens of its slot were missing on this server.
    was_unprepared: bool,
    /// The server that has granted the hold.
    granted_by: Mark,
    /// How often it has moved to another node since a server executed anything about it. Beyond 2
    /// it says only whether that is an even number.
    moves: u8,
    /// It is in the backlog.
    pub(crate) in_backlog: bool,
    /// The next timer, mirrored in the timers of the protocol.
    pub(crate) due: Option<Timestamp>,
}

/// What the server may have of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OnServer {
    /// Nothing: no acquire was sent, or the server said that it did nothing.
    Nothing,
    /// Perhaps a hold or a queue entry; what is sent next on this connection arrives after the
    /// acquire.
    Perhaps,
    /// Perhaps a hold or a queue entry, and an acquire may still arrive from a dead connection.
    MayArriveLate,
}

impl OnServer {
    /// How long acquires are to be refused once it has ended.
    pub(crate) const fn tombstone(self) -> Duration {
        if let Self::MayArriveLate = self { TOMBSTONE } else { Duration::ZERO }
    }
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// The caller still waits for the lock.
    Waiting(Box<Waiting>),
    /// The lock is held.
    Held(Held),
    /// The hold was lost and is not released yet.
    Lost,
    /// Being released or cancelled.
    Releasing(Releasing),
}

/// A request that was not granted yet.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the wait")]
pub(crate) struct Waiting {
    progress: Progress,
    /// When to stop waiting.
    deadline: Option<Timestamp>,
    /// Whether to queue behind others, or to try once.
    queue: bool,
    /// Whether the lock is expected to be free.
    likely_free: bool,
    fence_count: u32,
    owner: OwnerInfo,
    /// When to report a slow wait.
    warn_at: Timestamp,
    /// Report a slow wait with the next reply, which names the current holder.
    warning: bool,
    /// It has asked who holds the lock shortly before the deadline.
    asked_late: bool,
    /// Why it waits, by the latest reply.
    busy: Option<BusyReply>,
    /// The queue position of the request that this one replaced.
    inherited_ticket: Option<u64>,
    /// Lower bound for when a pushed grant was issued: the send time of the last command that the
    /// server answered with "queued", or of the first one. Kept when the request is sent again,
    /// because an earlier command may have queued it. `None` if no command can have queued it.
    queued_as_of: Option<Timestamp>,
    /// Grants in a row that had expired when they arrived.
    slow_replies: u32,
    /// The highest token seen when this was first sent: a grant must be higher, or the server lost
    /// data.
    min_fence: Fence,
    /// Why the server cannot grant, if it answers.
    refusal: Option<Failure>,
    /// It is queued or about to be. One that queues is not before it is known that the lock is
    /// taken, if that costs a subscription first.
    queues: bool,
    /// The server has granted it and is asked again: it is in doubt, or replicas are missing.
    confirming: bool,
}

#[derive(Debug)]
enum Progress {
    /// Not sent yet; the next connection sends it.
    Pending,
    /// An acquire is in flight and nothing is known.
    Acquiring,
    /// Waits before the next attempt: the server could not grant.
    BackingOff { until: Timestamp },
    /// Queued on the server.
    Queued(Queued),
}

/// An acquire to send.
pub(crate) struct BegunAcquire {
    pub(crate) key: Arc<str>,
    pub(crate) slot: Option<Slot>,
    pub(crate) ttl: Duration,
    pub(crate) owner: OwnerInfo,
    pub(crate) fence_count: u32,
    pub(crate) likely_free: bool,
    pub(crate) enqueue: Option<Enqueue>,
}

#[derive(Debug)]
struct Queued {
    /// When to refresh the queue entry.
    refresh_at: Timestamp,
    /// When the holder's TTL runs out.
    recheck_at: Option<Timestamp>,
    /// A command about this request is in flight.
    call_in_flight: bool,
}

#[derive(Debug)]
pub(crate) struct Held {
    valid_until: Timestamp,
    /// Of the server that has last confirmed it.
    mark: Mark,
    fences: FenceRange,
    /// The end that no renewal moves.
    ends_at: Option<Timestamp>,
    /// When to renew; `None` when it is not to be.
    renew_at: Option<Timestamp>,
    /// A renewal or an attempt to put it back is under way.
    renewing: bool,
    /// When to try again to put it back.
    put_back_at: Option<Timestamp>,
    /// When to check that a caller took it.
    check_claimed_at: Option<Timestamp>,
    /// The text of the latest refusal to renew.
    refused: Option<Arc<str>>,
}

impl Held {
    fn end(&self) -> Timestamp {
        self.ends_at.map_or(self.valid_until, |end| end.min(self.valid_until))
    }
}

#[derive(Debug)]
pub(crate) struct Releasing {
    /// When it was released.
    since: Timestamp,
    /// The first token of the hold, or zero.
    fence: Fence,
    /// Whether callers that wait for the release were notified that the server is unreachable.
    unconfirmed: bool,
    /// It was sent before and may have been executed: the reply "not held" then proves nothing.
    maybe_done: bool,
    /// Whether the server has refused it.
    refused: bool,
    /// From then on the key has expired on the server.
    give_up_at: Timestamp,
    retry_at: Option<Timestamp>,
}

/// How long a key is to stay taken until this instant: as on the server, with the slack of a ttl,
/// and in whole milliseconds that are not less.
pub(super) fn time_to_keep(until: Option<Timestamp>, now: Timestamp, timing: &Timing) -> Duration {
    let left = until.map_or(Duration::ZERO, |until| until.since(now));
    if left.is_zero() { left } else { whole_millis(timing.server_ttl(left)) }
}

/// When to send something again that the server has refused since this instant.
fn retry_at(since: &mut Option<Timestamp>, now: Timestamp, error: &CommandError) -> Timestamp {
    if error.is_retried_at_once() {
        return now;
    }
    Timing::retry_at(now, *since.get_or_insert(now), shortest_pause(error))
}

fn shortest_pause(error: &CommandError) -> Duration {
    if error.is_for_long() { RETRY } else { SHORTEST_PAUSE }
}

impl RequestState {
    pub(crate) fn new(
        min_fence: Fence,
        slot: Option<Slot>,
        params: RequestParams,
        inherited_ticket: Option<u64>,
    ) -> Self {
        let RequestParams { key, id, since, ttl, renew, max_hold, .. } = params;
        let waiting = Waiting {
            progress: Progress::Pending,
            deadline: params.deadline,
            queue: params.queue,
            likely_free: params.likely_free,
            fence_count: params.fence_count,
            owner: params.owner,
            warn_at: warn_at(since),
            warning: false,
            asked_late: false,
            // Known before the first reply.
            busy: params.queued_locally.then(BusyReply::by_others),
            inherited_ticket,
            queued_as_of: None,
            slow_replies: 0,
            min_fence,
            refusal: None,
            queues: false,
            confirming: false,
        };
        Self {
            key,
            id,
            slot,
            since,
            ttl,
            renew,
            max_hold: max_hold.map(Nanos::of),
            keep_until: None,
            phase: Phase::Waiting(Box::new(waiting)),
            ticket: inherited_ticket,
            on_server: OnServer::Nothing,
            acquires_in_flight: 0,
            contended: false,
            lease: Nanos::of(WAITER_LEASE),
            refused_since: None,
            granted_by: Mark::default(),
            was_unprepared: false,
            moves: 0,
            in_backlog: false,
            due: None,
        }
    }

    fn waiting(&self) -> Option<&Waiting> {
        if let Phase::Waiting(waiting) = &self.phase { Some(waiting) } else { None }
    }

    fn waiting_mut(&mut self) -> Option<&mut Waiting> {
        if let Phase::Waiting(waiting) = &mut self.phase { Some(waiting) } else { None }
    }

    /// When its caller stops waiting.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.waiting()?.deadline
    }

    /// Whether the caller still waits for the lock.
    pub(crate) fn is_wanted(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    /// Whether it waits and does not queue.
    pub(crate) fn tries_once(&self) -> bool {
        self.waiting().is_some_and(|waiting| !waiting.queue)
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held(_))
    }

    pub(crate) const fn is_releasing(&self) -> bool {
        matches!(self.phase, Phase::Releasing(_))
    }

    /// Whether it has had the lock, and no renewal asks whether the server still knows that.
    pub(crate) const fn is_beyond_renewal(&self) -> bool {
        match &self.phase {
            Phase::Waiting(_) => false,
            Phase::Held(held) => held.renew_at.is_none(),
            Phase::Lost | Phase::Releasing(_) => true,
        }
    }

    /// Whether it waits, and has queued on some connection.
    pub(crate) fn has_queued(&self) -> bool {
        self.waiting().is_some() && self.ticket.is_some()
    }

    /// A new request.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>) {
        let Some(waiting) = self.waiting() else { return };
        match cx.server.failed_attempt() {
            Some(failure) if waiting.needs_connection(cx) => self.fail(cx, failure.clone()),
            // The next tick reports the timeout. Nothing was sent, so nothing has to be undone.
            _ if cx.is_past(waiting.deadline) => {}
            _ => cx.next = Next::Acquire,
        }
    }

    /// It enters the backlog. Returns whether it is new to the server, or `None` if it is in the
    /// backlog already. A request that was in flight when the connection broke counts as new, so
    /// that it does not wait until all queued ones have been sent again.
    pub(crate) fn enter_backlog(&mut self) -> Option<bool> {
        if std::mem::replace(&mut self.in_backlog, true) {
            return None;
        }
        let waiting = self.waiting_mut()?;
        if let Progress::BackingOff { .. } = waiting.progress {
            waiting.progress = Progress::Pending;
        }
        Some(waiting.busy.as_ref().is_none_or(|busy| busy.ticket.is_none()))
    }

    /// Its acquire is being sent, if it is still wanted. `is_heard`: whether this process receives
    /// notifications about its lock.
    pub(crate) fn begin_acquire(
        &mut self,
        cx: &mut Context<'_>,
        is_heard: bool,
    ) -> Option<BegunAcquire> {
        let Phase::Waiting(waiting) = &mut self.phase else { return None };
        self.in_backlog = false;
        match &mut waiting.progress {
            Progress::Queued(queued) => queued.call_in_flight = true,
            progress => *progress = Progress::Acquiring,
        }
        self.on_server = self.on_server.max(OnServer::Perhaps);
        waiting.queues |= waiting.queue && is_heard;
        let enqueue = waiting.queues.then(|| {
            self.acquires_in_flight += 1;
            waiting.queued_as_of.get_or_insert(cx.now);
            let lease = Timing::waiter_lease(cx.refresh_every);
            self.lease = self.lease.max(Nanos::of(lease));
            Enqueue { ticket: self.ticket, lease }
        });
        Some(BegunAcquire {
            key: Arc::clone(&self.key),
            slot: self.slot,
            ttl: self.ttl,
            owner: waiting.owner.clone(),
            fence_count: waiting.fence_count,
            likely_free: waiting.likely_free,
            enqueue,
        })
    }

    pub(crate) fn acquire_reply(
        &mut self,
        cx: &mut Context<'_>,
        written: TtlWrite,
        reply: AcquireReply,
    ) {
        self.acquires_in_flight = self.acquires_in_flight.saturating_sub(1);
        self.was_executed();
        match reply {
            AcquireReply::Granted(grant) => self.granted_by_reply(cx, written, grant),
            AcquireReply::Busy(busy) => self.busy(cx, written.sent, busy),
            AcquireReply::Cancelled if self.is_wanted() => {
                let why = "the request was cancelled on the server".to_owned();
                self.fail(cx, Failure::Refused(why));
            }
            AcquireReply::Cancelled => {}
        }
    }

    /// The server granted by reply.
    pub(crate) fn granted_by_reply(
        &mut self,
        cx: &mut Context<'_>,
        written: TtlWrite,
        grant: Grant,
    ) {
        if let Some(first) = self.first_fence() {
            // A repeated acquire found the hold, or was granted a newer one.
            return if grant.fences.first == first {
                self.extend(cx, written);
            } else {
                self.newer_grant(cx, grant.fences.first);
            };
        }
        let Phase::Waiting(waiting) = &mut self.phase else { return };
        if let Some(why) = waiting.stale(grant.fences) {
            return self.fail(cx, why);
        }
        if cx.in_doubt && !std::mem::replace(&mut waiting.confirming, true) {
            cx.next = Next::Acquire;
            return;
        }
        let valid_until = cx.timing.valid_until(written.sent, written.ttl);
        if valid_until <= cx.now {
            // The reply took longer than the ttl, so the hold was over when it arrived. Acquire
            // again with the same request id: the next reply may be faster. If all replies are
            // slow, give up; the server would otherwise keep the lock from everyone.
            waiting.slow_replies += 1;
            if waiting.slow_replies < MAX_SLOW_REPLIES {
                waiting.progress = Progress::BackingOff { until: cx.now };
                return;
            }
            let (ttl, round_trip) = (self.ttl, cx.now.since(written.sent));
            return self.fail(cx, Failure::RepliesTooSlow { ttl, round_trip });
        }
        let renew_at = self.renew_at(written);
        self.hold(cx, grant, valid_until, renew_at);
    }

    /// A grant that arrived as a notification.
    pub(crate) fn granted_by_push(&mut self, cx: &mut Context<'_>, fences: FenceRange) {
        let Phase::Waiting(waiting) = &mut self.phase else {
            // If it was withdrawn, the cancel that is in flight undoes this grant.
            return self.newer_grant(cx, fences.first);
        };
        if let Some(why) = waiting.stale(fences) {
            return self.fail(cx, why);
        }
        let (Progress::Queued(_) | Progress::Acquiring, Some(queued_as_of)) =
            (&waiting.progress, waiting.queued_as_of)
        else {
            return;
        };
        let ttl = self.ttl;
        let own = cx.timing.valid_until(cx.now, ttl);
        let valid_until = cx.timing.claim_until(queued_as_of, ttl).min(own);
        let is_short = valid_until.since(cx.now) < MIN_CLAIM_LEFT.min(ttl / 2);
        if cx.confirms || cx.in_doubt || is_short && valid_until < own {
            waiting.confirming = true;
            cx.next = Next::Acquire;
            return;
        }
        // Also without automatic renewal: this one replaces the short claim by the full ttl.
        let confirm_at = cx.now.plus(CONFIRM_DELAY.min(ttl / 3));
        self.hold(cx, Grant { fences, contended: true }, valid_until, Some(confirm_at));
    }

    /// The server has granted the key under this token. If that is newer than the token of this
    /// hold, this hold was over by then, although the request may be queued again or hold the key
    /// under the newer token.
    fn newer_grant(&mut self, cx: &mut Context<'_>, fence: Fence) {
        if self.first_fence().is_some_and(|first| first < fence) {
            // What the server has of it has to be cancelled.
            self.acquires_in_flight += 1;
            self.lost(cx, Loss::NotOnServer);
        }
    }

    /// Whether a grant together with others is usable: its token is higher than those seen before,
    /// and it has not expired. A withdrawn request does not matter; its release is in flight.
    pub(crate) fn accepts(&self, cx: &Context<'_>, sent: Timestamp, fences: FenceRange) -> bool {
        let valid_until = cx.timing.valid_until(sent, self.ttl);
        let Some(waiting) = self.waiting() else { return true };
        waiting.stale(fences).is_none() && !cx.is_past(valid_until)
    }

    fn hold(
        &mut self,
        cx: &mut Context<'_>,
        grant: Grant,
        valid_until: Timestamp,
        renew_at: Option<Timestamp>,
    ) {
        let Self { id, max_hold, ttl, .. } = *self;
        let held = Held {
            valid_until,
            mark: cx.mark,
            fences: grant.fences,
            ends_at: max_hold.map(|span| cx.now.plus(span.get())),
            renew_at,
            renewing: false,
            put_back_at: None,
            check_claimed_at: Some(cx.now.plus(claim_ttl(ttl))),
            refused: None,
        };
        let valid_until = held.end();
        self.granted_by = cx.mark;
        self.phase = Phase::Held(held);
        self.contended |= grant.contended;
        cx.report(Output::Granted { id, grant, valid_until });
    }

    fn busy(&mut self, cx: &mut Context<'_>, sent: Timestamp, busy: BusyReply) {
        let Phase::Waiting(waiting) = &mut self.phase else {
            // A notification granted the request before this reply arrived.
            self.acquires_in_flight += 1;
            if let BlockedBy::Holder(Some(holder)) = &busy.blocked_by {
                self.newer_grant(cx, holder.fence);
            }
            return;
        };
        // A hold can be released any time and a conflicting key deleted, but a grace period runs to
        // its end.
        let is_grace = matches!(busy.blocked_by, BlockedBy::DataLoss | BlockedBy::Failover);
        let nothing_before = busy.left.filter(|_| is_grace).map(|left| cx.now.plus(left));
        let in_vain =
            nothing_before.zip(waiting.deadline).is_some_and(|(until, deadline)| deadline < until);
        if !waiting.queue || in_vain {
            return self.fail(cx, Failure::Busy(busy));
        }
        waiting.slow_replies = 0;
        waiting.refusal = None;
        if std::mem::replace(&mut waiting.queues, true) {
            waiting.queued(cx, self.id, sent, busy.left);
        } else {
            waiting.progress = Progress::Pending;
            cx.next = Next::Acquire;
        }
        self.ticket = busy.ticket.or(waiting.inherited_ticket);
        waiting.busy = Some(busy);
        if waiting.warning {
            self.report_wait(cx);
        }
        if let Some(until) = nothing_before {
            cx.report(Output::NoGrantBefore(self.id, until));
        }
    }

    /// A waiter is now first in the queue, behind a hold that may end before its next refresh.
    pub(crate) fn first_in_queue(&mut self, cx: &Context<'_>, left: Duration) {
        let id = self.id;
        if let Some(Waiting { progress: Progress::Queued(queued), .. }) = self.waiting_mut() {
            let over = Timing::recheck_at(cx.now, left, id);
            queued.recheck_at = earliest([queued.recheck_at, Some(over)]);
        }
    }

    pub(crate) fn acquire_failed(&mut self, cx: &mut Context<'_>, error: &CommandError) {
        self.acquires_in_flight = self.acquires_in_flight.saturating_sub(1);
        if *error == CommandError::ConnectionLost {
            self.on_server = OnServer::MayArriveLate;
        }
        let Phase::Waiting(waiting) = &mut self.phase else { return };
        match error {
            CommandError::NotBatchable => {
                waiting.likely_free = false;
                self.back_off(cx.now);
            }
            // Once is usual, on each node that the slot moves to: the scripts are loaded or the
            // tokens opened, and the call is sent again behind that.
            CommandError::ScriptMissing | CommandError::Unopened if !self.was_unprepared => {
                self.was_unprepared = true;
                // It serves the slot.
                self.moves = 0;
                self.refused_since.get_or_insert(cx.now);
                waiting.refusal = Some(error.failure());
                self.back_off(cx.now);
            }
            CommandError::ScriptMissing
            | CommandError::TryAgain(_)
            | CommandError::Unhealthy(_)
            | CommandError::NotPrimary(_)
            | CommandError::Moved(_)
            | CommandError::Asked(_)
            | CommandError::Unopened => {
                let failure =
                    self.slot.map_or_else(|| error.failure(), |slot| error.failure_in(slot));
                let since = *self.refused_since.get_or_insert(cx.now);
                waiting.refusal = Some(failure.clone());
                let tries_on = waiting.queue || self.slot.is_some() && error.is_migration();
                if !tries_on || cx.is_past(since.plus(cx.timing.outage_timeout)) {
                    return self.fail(cx, failure);
                }
                // A missing script too: it was loaded before.
                self.back_off(Timing::retry_at(cx.now, since, shortest_pause(error)));
            }
            CommandError::Refused(_) => {
                self.nothing_was_done();
                self.fail(cx, error.failure());
            }
            CommandError::InvalidReply(_) => self.fail(cx, error.failure()),
            CommandError::ConnectionLost => match &mut waiting.progress {
                Progress::Queued(queued) => queued.call_in_flight = false,
                progress => *progress = Progress::Pending,
            },
        }
    }

    /// The server granted an acquire, but too few replicas have it. Asking again yields the same
    /// grant.
    pub(crate) fn acquire_unconfirmed(
        &mut self,
        cx: &mut Context<'_>,
        sent: Timestamp,
        unconfirmed: &Unconfirmed,
    ) {
        self.acquires_in_flight = self.acquires_in_flight.saturating_sub(1);
        let Phase::Waiting(waiting) = &mut self.phase else { return };
        if unconfirmed.is_over {
            return self.fail(cx, unconfirmed.failure());
        }
        waiting.likely_free = false;
        waiting.confirming = true;
        waiting.progress = Progress::BackingOff { until: ask_again_at(cx.now, sent) };
    }

    /// Why it is not granted if its time is over.
    pub(crate) fn not_granted(&mut self, why: Failure) {
        if let Some(waiting) = self.waiting_mut() {
            waiting.refusal = Some(why);
        }
    }

    fn back_off(&mut self, until: Timestamp) {
        self.nothing_was_done();
        if let Some(waiting) = self.waiting_mut() {
            waiting.progress = Progress::BackingOff { until };
        }
    }

    /// A server has executed something about this request.
    fn was_executed(&mut self) {
        self.refused_since = None;
        self.was_unprepared = false;
        self.moves = 0;
    }

    /// The server did not execute an acquire: it has nothing of a request that was never queued and
    /// never granted.
    fn nothing_was_done(&mut self) {
        let was_known =
            self.waiting().is_some_and(|waiting| waiting.busy.is_some() || waiting.confirming);
        if self.on_server == OnServer::Perhaps && !was_known {
            self.on_server = OnServer::Nothing;
        }
    }

    /// The server confirmed a command that wrote a ttl.
    fn extend(&mut self, cx: &mut Context<'_>, written: TtlWrite) {
        let renew_at = self.renew_at(written);
        let Phase::Held(held) = &mut self.phase else { return };
        held.renewing = false;
        held.put_back_at = None;
        held.refused = None;
        held.mark = cx.mark;
        held.valid_until = held.valid_until.max(cx.timing.valid_until(written.sent, written.ttl));
        held.renew_at = renew_at;
        cx.report(Output::Extended(self.id, held.end()));
    }

    /// When to renew a hold next; at once if its ttl was raised meanwhile, also without automatic
    /// renewal.
    fn renew_at(&self, written: TtlWrite) -> Option<Timestamp> {
        let Self { ttl, id, renew, .. } = *self;
        if ttl > written.ttl {
            return Some(written.sent);
        }
        renew.then(|| Timing::renew_at(written.sent, ttl, id))
    }

    /// Renews a hold or refreshes a waiter if that is due or soon will be, and if there is room for
    /// waiters. Returns the span that the renewal writes.
    pub(crate) fn begin_renewal(
        &mut self,
        cx: &Context<'_>,
        has_room: bool,
    ) -> Option<(Duration, Renewal)> {
        let Self { id, ttl, ref key, .. } = *self;
        let is_due = |at, ttl| at <= cx.now.plus(Timing::renewal_batch_window(ttl));
        match &mut self.phase {
            Phase::Held(held)
                if !held.renewing && held.renew_at.is_some_and(|at| is_due(at, ttl)) =>
            {
                held.renewing = true;
                Some((ttl, self.renewal_entry(cx)?))
            }
            Phase::Waiting(waiting) if !self.in_backlog => {
                let Progress::Queued(queued) = &mut waiting.progress else { return None };
                if queued.call_in_flight {
                    return None;
                }
                let is_over = cx.is_past(queued.recheck_at) && cx.is_crowded();
                if !is_over && !is_due(queued.refresh_at, self.lease.get()) {
                    return None;
                }
                if !has_room {
                    let at = cx.now.plus(REFRESH_RETRY);
                    queued.refresh_at = queued.refresh_at.max(at);
                    queued.recheck_at = queued.recheck_at.map(|recheck_at| recheck_at.max(at));
                    return None;
                }
                queued.call_in_flight = true;
                let lease = Timing::waiter_lease(cx.refresh_every);
                self.lease = self.lease.max(Nanos::of(lease));
                Some((lease, Renewal::Waiter { key: Arc::clone(key), id, lease }))
            }
            _ => None,
        }
    }

    pub(crate) fn renewal_reply(
        &mut self,
        cx: &mut Context<'_>,
        written: TtlWrite,
        reply: RenewalReply,
    ) {
        self.was_executed();
        match (&mut self.phase, reply) {
            (Phase::Held(_), RenewalReply::Renewed) => self.extend(cx, written),
            (Phase::Held(_), RenewalReply::RenewedContended) => {
                self.extend(cx, written);
                self.contended(cx);
            }
            // Another server than the one that granted or renewed it may have missed it.
            (Phase::Held(held), RenewalReply::NotHeld) if held.mark != cx.mark => {
                held.renewing = true;
                cx.report(Output::PutBack(self.id));
            }
            (Phase::Held(_), RenewalReply::NotHeld) => self.lost(cx, Loss::NotOnServer),
            (Phase::Waiting(waiting), reply) => {
                let Progress::Queued(queued) = &mut waiting.progress else { return };
                match reply {
                    RenewalReply::Waiting(left) => {
                        waiting.queued(cx, self.id, written.sent, left);
                        if let Some(busy) = &mut waiting.busy {
                            busy.left = left;
                        }
                    }
                    RenewalReply::AcquireAgain => {
                        queued.call_in_flight = false;
                        cx.next = Next::Acquire;
                    }
                    _ => {}
                }
            }
            // A waiter that was granted the lock meanwhile, or a hold that was released.
            _ => {}
        }
    }

    /// The first token of a hold.
    fn first_fence(&self) -> Option<Fence> {
        match &self.phase {
            Phase::Held(held) => Some(held.fences.first),
            _ => None,
        }
    }

    /// The first token of a hold that is being released, unless its loss was reported; else zero.
    pub(crate) fn released_fence(&self) -> Fence {
        match &self.phase {
            Phase::Releasing(releasing) => releasing.fence,
            _ => Fence::ZERO,
        }
    }

    /// Returns the tokens of a hold that is being put back, and the servers that have granted it
    /// and confirmed it last. Nobody uses it without a section.
    pub(crate) fn begin_put_back(
        &mut self,
        cx: &mut Context<'_>,
        has_section: bool,
    ) -> Option<(FenceRange, [Mark; 2])> {
        let Phase::Held(held) = &mut self.phase else { return None };
        // The next connection renews it.
        held.renewing = cx.server.down_since.is_none();
        if !held.renewing {
            return None;
        }
        let lost = (held.fences, [self.granted_by, held.mark]);
        let is_possible = has_section && held.end().since(cx.now) > MIN_LEFT_TO_RECLAIM;
        if !is_possible {
            self.lost(cx, Loss::NotOnServer);
        }
        is_possible.then_some(lost)
    }

    /// The server has put the hold back, or not.
    pub(crate) fn reclaim_reply(
        &mut self,
        cx: &mut Context<'_>,
        written: TtlWrite,
        reply: ReclaimReply,
    ) {
        self.was_executed();
        let Phase::Held(held) = &mut self.phase else { return };
        match reply {
            ReclaimReply::Held => {
                if written.ttl < self.ttl && !self.renew {
                    // Put back as it was, without renewing it.
                    held.renewing = false;
                    held.mark = cx.mark;
                } else {
                    self.extend(cx, written);
                }
                cx.report(Output::Reclaimed(self.id));
            }
            // The process that had it repeats its release when it has connected.
            ReclaimReply::OlderHold if held.end().since(cx.now) > MIN_LEFT_TO_RECLAIM => {
                held.put_back_at = Some(cx.now.plus(RETRY));
            }
            ReclaimReply::OlderHold | ReclaimReply::Refused => self.lost(cx, Loss::NotOnServer),
        }
    }

    pub(crate) fn reclaim_failed(&mut self, cx: &Context<'_>, error: &CommandError) {
        if *error == CommandError::ConnectionLost {
            // It may still arrive, and is undone then.
            self.on_server = self.on_server.max(OnServer::MayArriveLate);
        }
        self.renewal_failed(cx, error);
        if let Phase::Held(held) = &mut self.phase
            && held.renew_at.is_none()
            && *error != CommandError::ConnectionLost
        {
            held.put_back_at = Some(retry_at(&mut self.refused_since, cx.now, error));
        }
    }

    /// The renewal was not executed, or perhaps not. Returns whether the server refuses to renew
    /// this hold for the first time since the last success.
    pub(crate) fn renewal_failed(&mut self, cx: &Context<'_>, error: &CommandError) -> bool {
        match &mut self.phase {
            Phase::Held(held) => {
                held.renewing = false;
                if let Some(at) = &mut held.renew_at {
                    *at = retry_at(&mut self.refused_since, cx.now, error);
                }
                let why = error.refusal().map(Arc::from);
                why.is_some_and(|why| held.refused.replace(why).is_none())
            }
            Phase::Waiting(waiting) => {
                if let Progress::Queued(queued) = &mut waiting.progress {
                    queued.call_in_flight = false;
                    queued.refresh_at = retry_at(&mut self.refused_since, cx.now, error);
                }
                false
            }
            Phase::Lost | Phase::Releasing(_) => false,
        }
    }

    /// Renews a hold next, also one that is not renewed automatically. Returns until when it will
    /// be valid if that succeeds.
    pub(crate) fn renew_now(&mut self, cx: &Context<'_>) -> Option<Timestamp> {
        let end = cx.timing.valid_until(cx.now, self.ttl);
        let Phase::Held(held) = &mut self.phase else { return None };
        held.renew_at = Some(cx.now);
        Some(held.ends_at.map_or(end, |last| last.min(end)))
    }

    /// Renews a hold that is renewed automatically at once. Any other is put back, for what is left
    /// of its lease, on a server that may have missed it.
    pub(crate) fn renew_on_new_connection(&mut self, cx: &mut Context<'_>) {
        let Phase::Held(held) = &mut self.phase else { return };
        if held.put_back_at.take().is_some() {
            held.renewing = false;
        }
        if let Some(at) = &mut held.renew_at {
            *at = cx.now;
        } else if held.end().since(cx.now) > MIN_LEFT_TO_RECLAIM && held.mark != cx.mark {
            held.renewing = true;
            cx.report(Output::PutBack(self.id));
        }
    }

    /// The ttl under which a hold is put back.
    pub(crate) fn ttl_to_reclaim(&self, now: Timestamp) -> Duration {
        match &self.phase {
            Phase::Held(held) if held.renew_at.is_none() => held.end().since(now).min(self.ttl),
            _ => self.ttl,
        }
    }

    /// Raises the ttl from the next renewal on. Returns the ttl until then.
    pub(crate) fn raise_ttl(&mut self, cx: &Context<'_>, ttl: Duration) -> Option<Duration> {
        if ttl <= self.ttl {
            return None;
        }
        let shorter = std::mem::replace(&mut self.ttl, ttl);
        self.renew_now(cx);
        Some(shorter)
    }

    /// The hold was handed to another caller of this process: `max_hold` counts from now.
    pub(crate) fn record_handoff(&mut self, cx: &mut Context<'_>) {
        if let Phase::Held(held) = &mut self.phase {
            let Some(max_hold) = self.max_hold else { return };
            held.ends_at = Some(cx.now.plus(max_hold.get()));
            cx.report(Output::Extended(self.id, held.end()));
        }
    }

    /// A section runs under this hold: its key stays taken until then, also after a release.
    pub(crate) fn keep_until(&mut self, until: Timestamp) {
        self.keep_until = Some(until);
    }

    /// How long the key is to stay taken if the hold is released now.
    pub(crate) fn keep(&self, now: Timestamp, timing: &Timing) -> Duration {
        time_to_keep(self.keep_until, now, timing)
    }

    /// Sets when to check that a caller took this hold; `None`: it was taken.
    pub(crate) fn check_claimed_at(&mut self, at: Option<Timestamp>) {
        if let Phase::Held(held) = &mut self.phase {
            held.check_claimed_at = at;
        }
    }

    /// Other processes wait for this hold.
    pub(crate) fn contended(&mut self, cx: &mut Context<'_>) {
        self.contended = true;
        cx.report(Output::Contended(self.id));
    }

    /// Another process has ended the hold with this first token.
    pub(crate) fn force_released(&mut self, cx: &mut Context<'_>, fence: Fence) {
        if self.first_fence() == Some(fence) {
            self.lost(cx, Loss::ForceReleased);
        }
    }

    fn lost(&mut self, cx: &mut Context<'_>, loss: Loss) {
        self.phase = Phase::Lost;
        let is_gone =
            matches!(loss, Loss::NotOnServer | Loss::ForceReleased) && self.acquires_in_flight == 0;
        if is_gone && self.on_server == OnServer::Perhaps {
            self.on_server = OnServer::Nothing;
        }
        cx.report(Output::Lost(self.id, loss));
    }

    /// Reports the failure and undoes what the server may have done.
    pub(crate) fn fail(&mut self, cx: &mut Context<'_>, failure: Failure) {
        cx.report(Output::Failed(self.id, failure));
        self.release(cx);
    }

    /// An attempt to connect failed. `for_good`: the next ones fail too.
    pub(crate) fn connect_failed(
        &mut self,
        cx: &mut Context<'_>,
        failure: &Failure,
        for_good: bool,
    ) {
        if self.waiting().is_some_and(|waiting| for_good || waiting.needs_connection(cx)) {
            self.fail(cx, failure.clone());
        }
    }

    /// Releases the hold, or withdraws the request.
    pub(crate) fn release(&mut self, cx: &mut Context<'_>) {
        if self.on_server == OnServer::Nothing {
            cx.next = Next::Remove(ReleaseOutcome::NotHeld);
            return;
        }
        if let Phase::Releasing(_) = self.phase {
            return;
        }
        let was_held = matches!(self.phase, Phase::Held(_) | Phase::Lost);
        self.refused_since = None;
        let lease = cx.timing.server_ttl(self.ttl).max(self.lease.get());
        self.phase = Phase::Releasing(Releasing {
            since: cx.now,
            fence: self.first_fence().unwrap_or(Fence::ZERO),
            unconfirmed: false,
            maybe_done: false,
            refused: false,
            give_up_at: cx.now.plus(lease),
            retry_at: None,
        });
        cx.next = Next::Release { was_held };
    }

    /// The server executed a release.
    pub(crate) fn release_reply(&self, cx: &mut Context<'_>, held: bool) {
        let maybe_done = matches!(self.phase, Phase::Releasing(Releasing { maybe_done: true, .. }));
        cx.next = Next::Remove(match held {
            true => ReleaseOutcome::Held,
            false if maybe_done => ReleaseOutcome::Unknown,
            false => ReleaseOutcome::NotHeld,
        });
    }

    pub(crate) fn release_failed(&mut self, cx: &mut Context<'_>, error: &CommandError) {
        let Phase::Releasing(releasing) = &mut self.phase else { return };
        // The next connection sends it again.
        let lost = *error == CommandError::ConnectionLost;
        releasing.retry_at = (!lost).then(|| retry_at(&mut self.refused_since, cx.now, error));
        // The script may have been refused one of its commands after it executed others.
        releasing.maybe_done |=
            lost || matches!(error, CommandError::Refused(_) | CommandError::InvalidReply(_));
        if let CommandError::Refused(why) = error
            && !std::mem::replace(&mut releasing.refused, true)
        {
            let (id, key) = (self.id, Arc::clone(&self.key));
            cx.report(Output::ReleaseRefused { id, key, why: why.as_str().into() });
        }
    }

    /// Leaves for the protocol of the node that serves its slot by now.
    pub(crate) fn leave(&mut self, now: Timestamp) {
        self.in_backlog = false;
        self.moves = if self.moves < 3 { self.moves + 1 } else { 2 };
        self.was_unprepared = false;
        self.refused_since.get_or_insert(now);
    }

    /// Has arrived from the protocol of another node. Returns whether it continues at once. If it
    /// was moved before and none of the nodes has executed anything about it since, they may
    /// disagree about who serves the slot: then only every other time, as the slot may have moved
    /// again during the pause before, and not for long.
    pub(crate) fn arrive(&mut self, cx: &Context<'_>) -> bool {
        if self.moves <= 1 {
            self.refused_since = None;
            if let Some(waiting) = self.waiting_mut() {
                waiting.refusal = None;
            }
            return true;
        }
        let since = *self.refused_since.get_or_insert(cx.now);
        if self.moves == 3 && !cx.is_past(since.plus(LONGEST_FOLLOWED)) {
            return true;
        }
        let at = Timing::retry_at(cx.now, since, SHORTEST_PAUSE);
        match &mut self.phase {
            Phase::Waiting(waiting) => waiting.progress = Progress::BackingOff { until: at },
            Phase::Held(held) => held.renew_at = held.renew_at.map(|_| at),
            Phase::Releasing(releasing) => releasing.retry_at = Some(at),
            Phase::Lost => {}
        }
        false
    }

    /// Its slot has lost the subscription: a grant cannot be pushed any more. Acquires again, which
    /// subscribes.
    pub(crate) fn unsubscribed(&self, cx: &mut Context<'_>) {
        if let Some(Waiting { progress: Progress::Queued(queued), .. }) = self.waiting()
            && !queued.call_in_flight
        {
            cx.next = Next::Acquire;
        }
    }

    /// The server refuses to push grants.
    pub(crate) fn cannot_be_notified(&mut self, cx: &mut Context<'_>, why: &CommandError) {
        if self.waiting().is_some_and(|waiting| waiting.queues) {
            self.fail(cx, why.failure());
        }
    }

    /// Renews a hold next that is renewed automatically.
    pub(crate) fn renew_early(&mut self, cx: &Context<'_>) {
        if let Phase::Held(Held { renew_at: Some(at), .. }) = &mut self.phase {
            *at = cx.now;
        }
    }

    /// The renewal of a hold.
    pub(crate) fn renewal_entry(&self, cx: &Context<'_>) -> Option<Renewal> {
        let Self { id, ttl, ref key, .. } = *self;
        let Phase::Held(held) = &self.phase else { return None };
        let (key, fence) = (Arc::clone(key), held.fences.first);
        Some(Renewal::Hold { key, id, fence, ttl: cx.timing.server_ttl(ttl) })
    }

    /// Continues on a new connection.
    pub(crate) fn resume(&self, cx: &mut Context<'_>) {
        cx.next = match &self.phase {
            Phase::Waiting(waiting) => match waiting.progress {
                Progress::Pending | Progress::BackingOff { .. } | Progress::Queued(_) => {
                    Next::Acquire
                }
                Progress::Acquiring => Next::Nothing,
            },
            Phase::Releasing(_) => Next::Release { was_held: false },
            Phase::Held(_) | Phase::Lost => Next::Nothing,
        };
    }

    /// When there is something to do.
    pub(crate) fn next_due(&self, cx: &Context<'_>) -> Option<Timestamp> {
        let is_up = cx.server.down_since.is_none();
        match &self.phase {
            Phase::Lost => None,
            Phase::Waiting(waiting) => {
                let own = match &waiting.progress {
                    _ if self.in_backlog || !is_up => None,
                    Progress::Pending | Progress::Acquiring => None,
                    Progress::BackingOff { until } => Some(*until),
                    Progress::Queued(queued) if queued.call_in_flight => None,
                    Progress::Queued(queued) => {
                        let late = waiting.asks_late_at(self.since);
                        earliest([queued.recheck_at, Some(queued.refresh_at), late])
                    }
                };
                let unreachable_at = self.unreachable_at(cx);
                earliest([own, waiting.deadline, Some(waiting.warn_at), unreachable_at])
            }
            Phase::Held(held) => {
                let renew_at = held.renew_at.filter(|_| !held.renewing && is_up);
                let put_back_at = held.put_back_at.filter(|_| is_up);
                earliest([Some(held.end()), renew_at, put_back_at, held.check_claimed_at])
            }
            Phase::Releasing(releasing) => {
                let own = [Some(releasing.give_up_at), releasing.retry_at];
                earliest([earliest(own), releasing.unconfirmed_at(cx)])
            }
        }
    }

    /// When a request fails because the server is unreachable. With an outage of zero, it ends with
    /// the first attempt to connect that fails.
    fn unreachable_at(&self, cx: &Context<'_>) -> Option<Timestamp> {
        let tolerated = cx.server.tolerated_until(self.since, cx.timing);
        tolerated.filter(|_| !cx.timing.outage_timeout.is_zero())
    }

    /// Does what is due.
    pub(crate) fn due(&mut self, cx: &mut Context<'_>) {
        if self.is_wanted() {
            return self.waiter_due(cx);
        }
        let id = self.id;
        match &mut self.phase {
            Phase::Held(held) if cx.is_past(held.end()) => {
                let loss = match held.refused.take() {
                    _ if cx.is_past(held.ends_at) => Loss::MaxHold,
                    Some(why) => Loss::Refused(why),
                    None => Loss::Expired,
                };
                self.lost(cx, loss);
            }
            Phase::Held(held) if cx.is_past(held.check_claimed_at) => {
                held.check_claimed_at = None;
                cx.report(Output::CheckClaimed(id));
            }
            Phase::Held(held) if cx.is_past(held.put_back_at) && cx.server.down_since.is_none() => {
                held.put_back_at = None;
                cx.report(Output::PutBack(id));
            }
            Phase::Releasing(releasing) if cx.is_past(releasing.give_up_at) => {
                cx.next = Next::GiveUp;
            }
            Phase::Releasing(releasing) if cx.is_past(releasing.retry_at) => {
                releasing.retry_at = None;
                cx.next = Next::Release { was_held: false };
            }
            Phase::Releasing(releasing) if cx.is_past(releasing.unconfirmed_at(cx)) => {
                releasing.unconfirmed = true;
                cx.report(Output::ReleaseUnconfirmed(id));
            }
            _ => {}
        }
    }

    fn waiter_due(&mut self, cx: &mut Context<'_>) {
        if let Some(failure) = self.timed_out(cx) {
            return self.fail(cx, failure);
        }
        let since = self.since;
        let Some(waiting) = self.waiting_mut() else { return };
        if cx.is_past(waiting.warn_at) {
            // With a connection the next reply names the holder.
            waiting.warn_at = warn_again_at(since, cx.now);
            waiting.warning = true;
            if cx.server.down_since.is_some() {
                self.report_wait(cx);
            }
        }
        let Some(waiting) = self.waiting_mut() else { return };
        let asks_late_at = waiting.asks_late_at(since);
        let acquires = match &waiting.progress {
            Progress::BackingOff { until } => cx.is_past(*until),
            Progress::Queued(queued) if queued.call_in_flight => false,
            Progress::Queued(queued) => {
                let asks_late = cx.is_past(asks_late_at);
                waiting.asked_late |= asks_late;
                let asks = asks_late || cx.is_past(queued.recheck_at);
                waiting.warning || asks && !cx.is_crowded()
            }
            Progress::Pending | Progress::Acquiring => false,
        };
        if acquires {
            cx.next = Next::Acquire;
        }
    }

    fn report_wait(&mut self, cx: &mut Context<'_>) {
        let (id, waited) = (self.id, cx.now.since(self.since));
        let Some(waiting) = self.waiting_mut() else { return };
        waiting.warning = false;
        let busy = waiting.busy.clone();
        cx.report(Output::StillWaiting { id, waited, busy });
    }

    /// Whether a wait is over, and how it ended.
    pub(crate) fn timed_out(&self, cx: &Context<'_>) -> Option<Failure> {
        let waiting = self.waiting()?;
        if cx.is_past(self.unreachable_at(cx)) {
            return Some(cx.server.why.clone());
        }
        cx.is_past(waiting.deadline).then(|| self.blocked_by(cx.server))
    }

    /// Why this request is still waiting.
    pub(crate) fn blocked_by(&self, server: &Reachability) -> Failure {
        if let Some(failure) = server.failed_attempt() {
            return failure.clone();
        }
        let waiting = self.waiting();
        let refusal = waiting.and_then(|waiting| waiting.refusal.clone());
        match (refusal, waiting.and_then(|waiting| waiting.busy.as_ref())) {
            (Some(failure), _) => failure,
            // Still the latest known state, also while reconnecting.
            (None, Some(busy)) => Failure::Busy(busy.clone()),
            (None, None) if server.down_since.is_some() => server.why.clone(),
            (None, None) if self.on_server > OnServer::Nothing => Failure::NoReply,
            (None, None) => Failure::Busy(BusyReply::by_others()),
        }
    }
}

impl Waiting {
    /// When to ask who holds the lock, for the error of a wait that is about to end.
    fn asks_late_at(&self, since: Timestamp) -> Option<Timestamp> {
        let wait = self.deadline.filter(|_| !self.asked_late)?.since(since);
        (wait >= LATE_ANSWER * 10).then(|| since.plus(wait.saturating_sub(LATE_ANSWER)))
    }

    /// Whether it fails when an attempt to connect has failed.
    fn needs_connection(&self, cx: &Context<'_>) -> bool {
        !self.queue || cx.timing.outage_timeout.is_zero()
    }

    /// Why a grant is returned whose token is at or below one seen earlier: the server lost data
    /// without noticing.
    fn stale(&self, fences: FenceRange) -> Option<Failure> {
        let (fence, seen) = (fences.first, self.min_fence);
        (fence <= seen).then(|| {
            Failure::Refused(format!(
                "it issued fencing token {fence}, not above {seen} seen before: it lost data"
            ))
        })
    }

    /// A command sent at `sent` was answered with "queued", behind a hold that ends in `left`.
    fn queued(&mut self, cx: &Context<'_>, id: RequestId, sent: Timestamp, left: Option<Duration>) {
        self.queued_as_of = Some(sent);
        self.confirming = false;
        self.progress = Progress::Queued(Queued {
            refresh_at: Timing::refresh_at(cx.now, cx.refresh_every, id),
            recheck_at: left.map(|left| Timing::recheck_at(cx.now, left, id)),
            call_in_flight: false,
        });
    }
}

impl Releasing {
    /// When a caller that waits for the end is notified that the server cannot be reached.
    fn unconfirmed_at(&self, cx: &Context<'_>) -> Option<Timestamp> {
        cx.server.tolerated_until(self.since, cx.timing).filter(|_| !self.unconfirmed)
    }
}
