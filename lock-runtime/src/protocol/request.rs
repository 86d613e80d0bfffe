//! One request: what it asks for, what is reported of it, and its state from its acquire to its
//! release.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::timing::{Timing, TtlWrite};
use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::Command;
use crate::wire::keyspace::WAITER_LEASE;
use crate::wire::reply::{BlockedRequest, BusyReply, Grant};

/// The parameters of a request.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the request")]
pub struct RequestParams {
    /// The user's key.
    pub key: Arc<str>,
    /// The name of this request.
    pub id: RequestId,
    /// When the caller in this process asked for the lock.
    pub since: Timestamp,
    /// How long the hold lasts without a renewal.
    pub ttl: Duration,
    /// When to stop waiting; `None` waits as long as it takes.
    pub deadline: Option<Timestamp>,
    /// Whether to queue behind others, or to try once.
    pub queue: bool,
    /// Whether the hold is renewed.
    pub renew: bool,
    /// The longest the hold may last, renewals included.
    pub max_hold: Option<Duration>,
    /// Whether it waited in the queue of its own process first.
    pub queued_locally: bool,
    /// Whether the lock is expected to be free.
    pub likely_free: bool,
    /// How many fencing tokens to reserve, at least one.
    pub fence_count: u32,
    /// For others to read.
    pub owner: OwnerInfo,
}

/// Why a request ended without a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The lock was not available until the deadline.
    Busy(BusyReply),
    /// The server could not be reached.
    Unavailable(String),
    /// No reply came by the deadline. What the request may have done is being undone.
    NoReply,
    /// The server refused the request.
    Refused(String),
    /// It was granted the lock and no caller took it in time.
    Unclaimed,
    /// The server granted the lock several times, and each reply took longer than the ttl.
    RepliesTooSlow {
        /// How long the hold was to last.
        ttl: Duration,
        /// How long the latest reply took.
        round_trip: Duration,
    },
}

/// Why a hold ended before it was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// No renewal was confirmed in time.
    Expired,
    /// The server does not know the hold: its data was lost or the key was deleted.
    NotOnServer,
    /// It reached its `max_hold`.
    MaxHold,
    /// The manager was shut down.
    Shutdown,
    /// The I/O thread ended by a panic.
    Panicked,
    /// The server refused all renewals until the deadline; the text of the latest refusal.
    Refused(Arc<str>),
}

impl Loss {
    pub fn reason(&self) -> &str {
        match self {
            Self::Expired => "no renewal was confirmed before its deadline",
            Self::NotOnServer => "the server does not know the hold any more",
            Self::MaxHold => "it reached its max_hold",
            Self::Shutdown => "the lock manager was shut down",
            Self::Panicked => "the lock manager's I/O thread panicked",
            Self::Refused(words) => words,
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}

/// What is known of the release of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// It was held to the end.
    Held,
    /// It was not held any more.
    NotHeld,
    /// The server did not say.
    Unknown,
    /// The server refused the release with this text. It is retried in the background.
    Refused(Arc<str>),
}

impl From<Option<bool>> for ReleaseOutcome {
    fn from(held: Option<bool>) -> Self {
        match held {
            Some(true) => Self::Held,
            Some(false) => Self::NotHeld,
            None => Self::Unknown,
        }
    }
}

/// Numbers the commands in the order in which they are sent.
pub type CommandId = u64;

/// A command to send, or an event for the owner of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this call and report its reply under the number.
    Send(CommandId, Command),
    /// The lock was granted.
    Granted {
        /// Whose request it was.
        id: RequestId,
        /// What it was given.
        grant: Grant,
        /// Until when, unless it is extended.
        valid_until: Timestamp,
    },
    /// Other processes wait for this hold.
    Contended(RequestId),
    /// The server grants this key to no request before then.
    NoGrantBefore(RequestId, Timestamp),
    /// The request ended without a hold.
    Failed(RequestId, Failure),
    /// A renewal moved the end of a hold.
    Extended(RequestId, Timestamp),
    /// A hold ended before it was released.
    Lost(RequestId, Loss),
    /// The request is gone from the server. `Some`: whether it held the lock until then, if the
    /// server said.
    Finished(RequestId, Option<bool>),
    /// The server refuses to renew these holds. They are lost if it keeps refusing.
    RenewalsRefused(Vec<RequestId>, Arc<str>),
    /// The server refused a release, which will be retried.
    ReleaseRefused {
        /// Whose.
        id: RequestId,
        /// For which key.
        key: Arc<str>,
        /// What the server said.
        why: Arc<str>,
    },
    /// A release is not confirmed, and the server has been unreachable for the outage timeout.
    ReleaseUnconfirmed(RequestId),
    /// Check that a caller took this hold; release it if not.
    CheckClaimed(RequestId),
    /// A request is waiting for a long time.
    StillWaiting {
        /// Whose.
        id: RequestId,
        /// How long.
        waited: Duration,
        /// What the server said last.
        busy: Option<BusyReply>,
    },
    /// The connection does not answer: drop it and connect again.
    Reconnect,
}

/// An output about several requests. Polled apart from [`Output`], with no
/// order between the two.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupOutput {
    /// Probe this wait: answer with [`Protocol::send_probe`], or with [`Protocol::stop_probing`] if
    /// it is over.
    Probe(RequestId),
    /// This wait is part of a deadlock of these requests, this one first. It is not probed any
    /// more.
    Deadlock(RequestId, Vec<BlockedRequest>),
    /// Of [`Protocol::acquire_all`]: these requests are not granted together. They have ended.
    NotTogether(Vec<RequestId>),
}

/// A request and what has become of it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the request")]
pub(crate) struct RequestState {
    pub(crate) params: RequestParams,
    pub(crate) warn_at: Timestamp,
    pub(crate) phase: Phase,
    /// Why it waits, by the latest reply.
    pub(crate) busy: Option<BusyReply>,
    /// The queue position of the request that this one replaced.
    pub(crate) inherited_ticket: Option<u64>,
    /// Lower bound for when a pushed grant was issued: the send time of the last command that the
    /// server answered with "queued", or of the first one. Kept when the request is sent again,
    /// because an earlier command may have queued it.
    pub(crate) queued_as_of: Option<Timestamp>,
    /// An acquire was sent that the server may have executed.
    pub(crate) may_be_on_server: bool,
    /// An acquire was sent on a connection that died before the reply: it may still arrive.
    pub(crate) may_arrive_late: bool,
    /// Acquires that may queue the request although it was granted meanwhile: those in flight, and
    /// those answered with "queued".
    pub(crate) acquires_in_flight: u32,
    /// Grants in a row that had expired when they arrived.
    pub(crate) slow_replies: u32,
    /// Other processes wait for this hold, as far as known.
    pub(crate) contended: bool,
    /// The highest token seen when this was first sent: a grant must be higher, or the server lost
    /// data.
    pub(crate) min_fence: Fence,
    /// The latest reply: the server cannot grant at present.
    pub(crate) refusal: Option<ServerRefusal>,
    /// Report a slow wait with the next reply, which names the current holder.
    pub(crate) warning: bool,
    /// How long the server keeps its queue entry without a refresh, as sent last.
    pub(crate) lease: Duration,
    /// It is in the backlog.
    pub(crate) in_backlog: bool,
    /// The next timer, mirrored in the timers of the protocol.
    pub(crate) due: Option<Timestamp>,
}

/// A server that answers but cannot grant.
#[derive(Debug)]
pub(crate) struct ServerRefusal {
    pub(crate) since: Timestamp,
    pub(crate) why: String,
    /// Whether the server has to be repaired first.
    pub(crate) unhealthy: bool,
}

impl ServerRefusal {
    pub(crate) fn failure(&self) -> Failure {
        let why = self.why.clone();
        if self.unhealthy { Failure::Refused(why) } else { Failure::Unavailable(why) }
    }
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// Not sent yet; the next connection sends it.
    Pending,
    /// An acquire is in flight and nothing is known.
    Acquiring,
    /// Waits before the next attempt: the server could not grant.
    BackingOff { until: Timestamp },
    /// Queued on the server.
    Queued(Queued),
    /// The lock is held.
    Held(Held),
    /// The hold was lost and is not released yet. `clean`: nothing is left on the server.
    Lost { clean: bool },
    /// Being released or cancelled.
    Releasing(Releasing),
}

#[derive(Debug)]
pub(crate) struct Queued {
    /// When to refresh the queue entry.
    pub(crate) refresh_at: Timestamp,
    /// When the holder's TTL runs out.
    pub(crate) recheck_at: Option<Timestamp>,
    /// A command about this request is in flight.
    pub(crate) call_in_flight: bool,
}

#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) valid_until: Timestamp,
    /// The end that no renewal moves.
    pub(crate) ends_at: Option<Timestamp>,
    /// When to renew; `None` when it is not to be.
    pub(crate) renew_at: Option<Timestamp>,
    /// A renewal is under way.
    pub(crate) renewing: bool,
    /// When to check that a caller took it.
    pub(crate) check_claimed_at: Option<Timestamp>,
    /// The text of the latest refusal to renew.
    pub(crate) refused: Option<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct Releasing {
    /// When it was released.
    pub(crate) since: Timestamp,
    /// Whether callers that wait for the release were notified that the server is unreachable.
    pub(crate) unconfirmed: bool,
    /// It was sent before and may have been executed: the reply "not held" then proves nothing.
    pub(crate) maybe_done: bool,
    /// Whether the server has refused it.
    pub(crate) refused: bool,
    /// From then on the key has expired on the server.
    pub(crate) give_up_at: Timestamp,
    pub(crate) retry_at: Option<Timestamp>,
}

impl RequestState {
    pub(crate) fn new(
        min_fence: Fence,
        params: RequestParams,
        inherited_ticket: Option<u64>,
    ) -> Self {
        Self {
            warn_at: crate::protocol::timing::warn_at(params.since),
            // Known before the first reply.
            busy: params.queued_locally.then(BusyReply::by_others),
            params,
            phase: Phase::Pending,
            inherited_ticket,
            queued_as_of: None,
            may_be_on_server: false,
            may_arrive_late: false,
            acquires_in_flight: 0,
            slow_replies: 0,
            contended: false,
            min_fence,
            refusal: None,
            warning: false,
            lease: WAITER_LEASE,
            in_backlog: false,
            due: None,
        }
    }

    /// Whether the caller still waits for the lock.
    pub(crate) fn is_wanted(&self) -> bool {
        matches!(
            self.phase,
            Phase::Pending | Phase::Acquiring | Phase::BackingOff { .. } | Phase::Queued(_)
        )
    }

    /// Whether it is queued on the server. A request that was in flight when the connection broke
    /// counts as new, so that it does not wait until all queued ones have been sent again.
    pub(crate) fn is_known(&self) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.ticket.is_some())
    }

    pub(crate) fn ticket(&self) -> Option<u64> {
        self.busy.as_ref().and_then(|busy| busy.ticket).or(self.inherited_ticket)
    }

    /// When to renew a hold next; at once if its ttl was raised meanwhile, also without automatic
    /// renewal.
    pub(crate) fn renew_at(&self, written: TtlWrite) -> Option<Timestamp> {
        let RequestParams { ttl, id, renew, .. } = self.params;
        if ttl > written.ttl {
            return Some(written.sent);
        }
        renew.then(|| Timing::renew_at(written.sent, ttl, id))
    }

    /// When there is something to do for this request.
    pub(crate) fn next_due(
        &self,
        down_since: Option<Timestamp>,
        outage_timeout: Duration,
    ) -> Option<Timestamp> {
        let own = match &self.phase {
            Phase::Pending | Phase::Acquiring | Phase::Lost { .. } => None,
            _ if self.in_backlog && self.is_wanted() => None,
            Phase::BackingOff { until } => down_since.is_none().then_some(*until),
            Phase::Queued(queued) => queued.next_due(down_since.is_some()),
            Phase::Held(held) => Some(held.next_due(down_since.is_some())),
            Phase::Releasing(releasing) => releasing.next_due(down_since, outage_timeout),
        };
        if !self.is_wanted() {
            return own;
        }
        // With an outage of zero, a request ends with the first attempt to connect that fails.
        let down_since = down_since.filter(|_| !outage_timeout.is_zero());
        let unreachable = down_since.map(|since| since.max(self.params.since).plus(outage_timeout));
        let wait = earliest(self.params.deadline, Some(self.warn_at));
        earliest(earliest(own, wait), unreachable)
    }
}

impl Releasing {
    pub(crate) const fn new(since: Timestamp, give_up_at: Timestamp) -> Self {
        Self {
            since,
            unconfirmed: false,
            maybe_done: false,
            refused: false,
            give_up_at,
            retry_at: None,
        }
    }

    fn next_due(
        &self,
        down_since: Option<Timestamp>,
        outage_timeout: Duration,
    ) -> Option<Timestamp> {
        let own = earliest(self.retry_at, Some(self.give_up_at));
        earliest(own, self.unconfirmed_at(down_since, outage_timeout))
    }

    /// When a caller that waits for the end is notified that the server cannot be reached.
    pub(crate) fn unconfirmed_at(
        &self,
        down_since: Option<Timestamp>,
        outage_timeout: Duration,
    ) -> Option<Timestamp> {
        let since = down_since.filter(|_| !self.unconfirmed)?;
        Some(since.max(self.since).plus(outage_timeout))
    }
}

impl Queued {
    fn next_due(&self, down: bool) -> Option<Timestamp> {
        if self.call_in_flight || down {
            None
        } else {
            earliest(self.recheck_at, Some(self.refresh_at))
        }
    }
}

impl Held {
    pub(crate) fn end(&self) -> Timestamp {
        self.ends_at.map_or(self.valid_until, |end| end.min(self.valid_until))
    }

    fn next_due(&self, down: bool) -> Timestamp {
        let renew_at = self.renew_at.filter(|_| !self.renewing && !down);
        let end = self.end();
        earliest(renew_at, self.check_claimed_at).map_or(end, |at| at.min(end))
    }
}

pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}
