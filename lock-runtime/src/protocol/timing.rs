//! All durations of the protocol.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::keyspace::WAITER_LEASE;

/// The durations that a manager can set.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How much earlier than its ttl a hold ends for its owner; `None`: the larger of 2 ms and 1 %.
    pub clock_margin: Option<Duration>,
    /// How much longer than its ttl the key lives in the server; `None`: as the margin.
    pub server_ttl_slack: Option<Duration>,
    /// How long a request tolerates an unreachable server.
    pub outage_timeout: Duration,
    /// How long the connection may be silent while replies are due, before it counts as dead.
    pub reply: Duration,
    /// How many commands may be in flight.
    pub max_in_flight: usize,
    /// Whether nothing is granted after a data loss until the longest lease is over.
    pub data_loss_grace: bool,
    /// How long nothing is granted after a failover.
    pub after_failover: AfterFailover,
}

/// How long a server grants no locks after it has become the primary, or has restarted with its
/// data. Holders put back meanwhile what the failover lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterFailover {
    /// It grants locks at once. A hold that the failover lost is lost.
    AtOnce,
    /// It waits for so long. A holder that does not reach it meanwhile may overlap with the next
    /// one until its ttl has ended.
    Grace(Duration),
    /// It waits until the longest lease of before has ended, also that of a holder that does not
    /// reach it.
    WholeTtl,
}

impl Default for AfterFailover {
    /// Two seconds.
    fn default() -> Self {
        Self::Grace(Duration::from_secs(2))
    }
}

/// A waiter is refreshed about three times within its lease.
const WAITER_REFRESH: Duration = Duration::from_millis(600);
/// Refreshes per second of a process: with more waiters, each is refreshed less often.
const REFRESHES_PER_SECOND: u32 = 4_000;
/// A waiter is refreshed at least this often.
const LONGEST_REFRESH: Duration = Duration::from_secs(30);
/// The shortest reply timeout that a short ttl can lead to: a server may take a moment.
const SHORTEST_REPLY: Duration = Duration::from_millis(100);
/// How much longer than the slowest round trip of late a reply may take.
pub(crate) const SLOWER: u32 = 4;
/// A pushed grant starts with what is left of its claim. A section that is longer than this gets
/// the full ttl.
pub(crate) const CONFIRM_DELAY: Duration = Duration::from_millis(50);
/// With less than this left, or less than half its ttl, a pushed grant is confirmed before its
/// section starts. In a process with thousands of waiters, which are refreshed seldom, a renewal
/// may take several 100 ms on a busy machine. Fewer waiters are refreshed often enough to have more
/// left.
pub(crate) const MIN_CLAIM_LEFT: Duration = Duration::from_secs(1);
/// A server that answers later than this may have stood still, and another one may have become the
/// primary meanwhile.
pub(crate) const LATE: Duration = Duration::from_millis(500);
/// A connection that is younger than this leads to the primary.
pub(crate) const TRUSTED: Duration = Duration::from_secs(2);
/// How long a tombstone refuses a late acquire from a dead connection.
pub(crate) const TOMBSTONE: Duration = Duration::from_secs(60);
/// How soon something is tried again that is not expected to succeed at once.
pub(crate) const RETRY: Duration = Duration::from_millis(50);
/// Most waits are over by then and need no deadlock detection.
pub(crate) const PROBE_AFTER: Duration = Duration::from_millis(200);
/// How soon a command is retried that the server could not execute for the first time.
pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause before it is retried.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long each pause ends with following a redirect, while no node executes anything about a
/// request. After that the nodes rather disagree.
pub(crate) const LONGEST_FOLLOWED: Duration = Duration::from_secs(1);
/// How long before its deadline a waiter asks who holds the lock. A wait that is not ten times as
/// long ends with what is known from its beginning.
pub(crate) const LATE_ANSWER: Duration = Duration::from_millis(100);
/// When a slow wait is reported first; then at twice that, and so on.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// A ttl that a call wrote, and when that was sent: what the validity of a hold counts from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TtlWrite {
    pub(crate) sent: Timestamp,
    pub(crate) ttl: Duration,
}

/// What is due when: at most one time for each request.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Timestamp, RequestId)>);

impl Timers {
    /// Moves the timer of a request from `armed` to `due`.
    pub(crate) fn set(
        &mut self,
        id: RequestId,
        armed: &mut Option<Timestamp>,
        due: Option<Timestamp>,
    ) {
        if *armed != due {
            if let Some(old) = armed.take() {
                self.0.remove(&(old, id));
            }
            self.0.extend(due.map(|due| (due, id)));
            *armed = due;
        }
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|&(due, _)| due)
    }

    pub(crate) fn first_due_by(&self, now: Timestamp) -> Option<RequestId> {
        self.due_by(now).next()
    }

    /// The requests that are due by `horizon`, in this order.
    pub(crate) fn due_by(&self, horizon: Timestamp) -> impl Iterator<Item = RequestId> {
        self.0.iter().take_while(move |&&(due, _)| due <= horizon).map(|&(_, id)| id)
    }
}

pub(crate) fn earliest<const N: usize>(times: [Option<Timestamp>; N]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}

/// How long a caller may take to claim a grant.
#[must_use]
pub fn claim_ttl(ttl: Duration) -> Duration {
    WAITER_LEASE.min(ttl)
}

/// A time spread by a tenth either way with the bits of a request id, so that what begins in one
/// moment drifts apart.
pub(crate) fn spread(after: Duration, id: RequestId) -> Duration {
    after * 9 / 10 + after / 5 * u32::from(id.jitter()) / 255
}

/// In whole milliseconds, rounded up.
pub(crate) fn whole_millis(span: Duration) -> Duration {
    let millis = u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    Duration::from_millis(millis)
}

/// When a wait is reported first.
#[must_use]
pub fn warn_at(since: Timestamp) -> Timestamp {
    since.plus(LONG_WAIT)
}

/// When it is reported next.
#[must_use]
pub fn warn_again_at(since: Timestamp, now: Timestamp) -> Timestamp {
    since.plus(now.since(since) * 2)
}

impl Timing {
    fn slack(ttl: Duration) -> Duration {
        Duration::from_millis(2).max(ttl / 100)
    }

    fn clock_margin(&self, ttl: Duration) -> Duration {
        self.clock_margin.unwrap_or_else(|| Self::slack(ttl))
    }

    /// The TTL of the key in the server for a hold of `ttl`.
    #[must_use]
    pub fn server_ttl(&self, ttl: Duration) -> Duration {
        ttl.saturating_add(self.server_ttl_slack.unwrap_or_else(|| Self::slack(ttl)))
    }

    /// What is left for the owner of a hold of `ttl` whose key expires in `left`.
    #[must_use]
    pub fn owner_time_left(&self, left: Duration, ttl: Duration) -> Duration {
        left.saturating_sub(self.server_ttl(ttl).saturating_sub(ttl))
    }

    /// Until when a hold is valid whose TTL was written by a call sent at `sent`.
    #[must_use]
    pub fn valid_until(&self, sent: Timestamp, ttl: Duration) -> Timestamp {
        sent.plus(ttl.saturating_sub(self.clock_margin(ttl)))
    }

    /// Until when a pushed grant is valid. The server granted it after `queued_as_of`, with its
    /// claim as the TTL, which is never longer than that for `ttl`.
    #[must_use]
    pub fn claim_until(&self, queued_as_of: Timestamp, ttl: Duration) -> Timestamp {
        let server_ttl_slack = self.server_ttl_slack.unwrap_or_else(|| Self::slack(WAITER_LEASE));
        self.valid_until(queued_as_of, WAITER_LEASE.saturating_sub(server_ttl_slack).min(ttl))
    }

    /// When a hold that was renewed at `sent` is renewed next: after a third of the ttl, spread.
    #[must_use]
    pub(crate) fn renew_at(sent: Timestamp, ttl: Duration, id: RequestId) -> Timestamp {
        sent.plus(spread(ttl / 3, id))
    }

    /// How much earlier than due a renewal may join a batch.
    pub(crate) fn renewal_batch_window(ttl: Duration) -> Duration {
        ttl / 24
    }

    /// How often a waiter is refreshed in a process with so many requests.
    pub(crate) fn refresh_every(requests: usize) -> Duration {
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        let spread = Duration::from_secs(1) * requests / REFRESHES_PER_SECOND;
        spread.clamp(WAITER_REFRESH, LONGEST_REFRESH)
    }

    /// The lease of a queue entry that is refreshed this often.
    pub(crate) fn waiter_lease(refresh_every: Duration) -> Duration {
        WAITER_LEASE.max(refresh_every * 10 / 3)
    }

    /// When to refresh a waiter: spread by a tenth, so that those that start together drift apart.
    pub(crate) fn refresh_at(now: Timestamp, every: Duration, id: RequestId) -> Timestamp {
        now.plus(every * 9 / 10 + every / 10 * u32::from(id.jitter()) / 255)
    }

    /// How long the connection may be silent while replies are due: a third of the shortest ttl
    /// that is held, so that a renewal on another connection is in time.
    pub(crate) fn reply_timeout(
        &self,
        shortest_ttl: Option<Duration>,
        slowest: Duration,
    ) -> Duration {
        let wanted = shortest_ttl.map_or(self.reply, |ttl| ttl / 3);
        wanted.max(SHORTEST_REPLY).max(slowest * SLOWER).min(self.reply)
    }

    /// When to retry a command that the server has not executed since `first`: the pause is as long
    /// as that has lasted, within limits. What is over soon costs little time, and what lasts costs
    /// the server few commands.
    pub(crate) fn retry_at(now: Timestamp, first: Timestamp, shortest: Duration) -> Timestamp {
        now.plus(now.since(first).clamp(shortest, LONGEST_PAUSE))
    }

    /// When to acquire a lock whose holder's TTL ends in `left`: just after that, and not all
    /// waiters at once.
    pub(crate) fn recheck_at(now: Timestamp, left: Duration, id: RequestId) -> Timestamp {
        now.plus(
            left + Duration::from_millis(1) + Duration::from_micros(40) * u32::from(id.jitter()),
        )
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            clock_margin: None,
            server_ttl_slack: None,
            outage_timeout: Duration::from_secs(5),
            reply: Duration::from_secs(2),
            max_in_flight: 2048,
            data_loss_grace: true,
            after_failover: AfterFailover::default(),
        }
    }
}
