//! The commands to the server, and the call of a script that each is sent as. Commands about
//! unrelated locks may share one call: [`Command::encode_batch`].

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::wire::keyspace::{DataLossGrace, Keyspace, WAITER_LEASE, claim};
use crate::wire::script::{Script, ScriptCall};

/// As many calls as one script answers: keeps the server's other clients waiting for well under a
/// millisecond.
pub const MAX_BATCH: usize = 100;

/// A command about one or more locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Acquire the lock or queue for it.
    Acquire(Acquire),
    /// Acquire several locks, all or none. The keys differ, no request is queued, all are made
    /// alike, each gets one token, and there are at most
    /// [`MAX_FENCE_RANGE`](super::keyspace::MAX_FENCE_RANGE).
    AcquireAll(Vec<Acquire>),
    /// Release the hold: grant it to the next waiter, or free the lock.
    Release {
        /// The request.
        request: RequestRef,
        /// Whether others are known to wait; if not, this may be batched.
        contended: bool,
    },
    /// Undo what this request did; with a tombstone if its acquire may still arrive.
    Cancel {
        /// The request.
        request: RequestRef,
        /// How long a late acquire is refused; zero if none can be in flight.
        tombstone: Duration,
    },
    /// Renew holds and refresh waiters.
    Renew(Vec<Renewal>),
    /// Announce a longer lease to the server, for after a data loss, and to all processes. Always
    /// one of [`lease_steps`](super::keyspace::lease_steps), sent before the first command that
    /// writes such a ttl.
    RaiseMaxLease(Duration),
    /// Read one lock.
    Inspect {
        /// The user's key.
        key: Arc<str>,
        /// How many waiters to list.
        limit: u32,
    },
    /// Register a waiting request and look for a cycle.
    Probe(Probe),
}

/// A request for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquire {
    /// The request, and what the server needs to issue a token.
    pub request: RequestRef,
    /// The TTL of the key: the ttl of the request plus the slack.
    pub ttl: Duration,
    /// For others to read.
    pub owner: OwnerInfo,
    /// The channel on which this process is notified of grants and contention.
    pub inbox: Arc<str>,
    /// How many fencing tokens to reserve, at least one.
    pub fence_count: u32,
    /// Whether the lock is presumably free, so that this may be batched.
    pub likely_free: bool,
    /// How to queue; `None` tries once.
    pub enqueue: Option<Enqueue>,
}

/// How a request queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue {
    /// The ticket from an earlier queue entry; keeps the order after a loss of the queue.
    pub ticket: Option<u64>,
    /// How long the entry is kept without a refresh.
    pub lease: Duration,
}

/// Identifies a request, with what every script needs that may issue a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRef {
    /// The user's key.
    pub key: Arc<str>,
    /// The request.
    pub id: RequestId,
    /// The highest token that this process has seen: a new one must be higher.
    pub min_fence: Fence,
    /// What to do if the server turns out to have lost its data.
    pub data_loss_grace: DataLossGrace,
}

/// One entry of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Renew a hold.
    Hold {
        /// The user's key.
        key: Arc<str>,
        /// The hold's request.
        id: RequestId,
        /// Its new TTL in the server.
        ttl: Duration,
    },
    /// Refresh a waiter.
    Waiter {
        /// The user's key.
        key: Arc<str>,
        /// The waiter's request.
        id: RequestId,
        /// How long its entry is kept from now on.
        lease: Duration,
    },
}

/// How long a registration counts without being repeated.
pub const PROBE_TTL: Duration = Duration::from_millis(1500);

/// Registrations visited by one probe: bounds its cost for the server.
pub const PROBE_LIMIT: u32 = 64;

/// A request that waits inside sections, which cannot end before it. The probe registers it for the
/// probes of other requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The request.
    pub id: RequestId,
    /// The sections around it. Without any it can be in no cycle and is not registered.
    pub chain: Vec<RequestId>,
    /// What it waits for.
    pub target: WaitTarget,
    /// The key that it waits for: for people to read, and the target of [`WaitTarget::Key`].
    pub key: String,
    /// How long it has waited; counts when it is first registered.
    pub waited: Duration,
    /// For people to read.
    pub owner: OwnerInfo,
}

/// What a request waits for at some instant, and inside of which sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitState {
    /// The sections around it.
    pub chain: Vec<RequestId>,
    /// What it waits for.
    pub target: WaitTarget,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitTarget {
    /// The section under whichever hold its key has.
    Key,
    /// This section.
    Section(RequestId),
}

impl Command {
    /// The script that executes it; none for [`Command::RaiseMaxLease`].
    #[must_use]
    pub const fn script(&self) -> Option<Script> {
        Some(match self {
            Self::RaiseMaxLease(_) => return None,
            Self::Acquire(_) => Script::Acquire,
            Self::AcquireAll(_) => Script::AcquireMany,
            Self::Release { .. } => Script::Release,
            Self::Cancel { .. } => Script::Cancel,
            Self::Renew(_) => Script::Renew,
            Self::Inspect { .. } => Script::Inspect,
            Self::Probe(_) => Script::Probe,
        })
    }

    /// The script call for this command, if it has one.
    #[must_use]
    pub fn encode(&self, space: &Keyspace) -> Option<ScriptCall> {
        Some(match self {
            Self::Acquire(acquire) => acquire.encode(space),
            Self::AcquireAll(acquires) => {
                encode_acquires("all", &acquires.iter().collect::<Vec<_>>(), space)
            }
            Self::Release { request, .. } => encode_releases(Script::Release, &[request], space),
            Self::Cancel { request, tombstone } => ScriptCall::new(Script::Cancel)
                .key(space.hold(&request.key))
                .arg(request.id)
                .arg(tombstone.as_millis()),
            Self::Renew(entries) => encode_renewals(entries, space),
            Self::Inspect { key, limit } => {
                ScriptCall::new(Script::Inspect).key(space.hold(key)).arg(limit)
            }
            Self::RaiseMaxLease(_) => return None,
            Self::Probe(probe) => probe.encode(space),
        })
    }

    /// Whether one script call is enough for both: two releases, or two acquires whose holds differ
    /// only in the request and in when it was made.
    #[must_use]
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Release { .. }, Self::Release { .. }) => true,
            (Self::Acquire(acquire), Self::Acquire(other)) => acquire.is_like(other),
            _ => false,
        }
    }

    /// One script call for several commands that [go together](Self::goes_with): releases, or
    /// acquires of different keys that are presumably free.
    #[must_use]
    pub fn encode_batch<'a>(calls: impl Iterator<Item = &'a Self>, space: &Keyspace) -> ScriptCall {
        let (mut acquires, mut releases) = (Vec::new(), Vec::new());
        for call in calls {
            match call {
                Self::Acquire(acquire) => acquires.push(acquire),
                Self::Release { request, .. } => releases.push(request),
                _ => debug_assert!(false, "only acquires and releases are batched"),
            }
        }
        if acquires.is_empty() {
            encode_releases(Script::ReleaseMany, &releases, space)
        } else {
            encode_acquires("each", &acquires, space)
        }
    }
}

impl Acquire {
    fn is_like(&self, other: &Self) -> bool {
        (self.ttl, self.fence_count, &self.inbox) == (other.ttl, other.fence_count, &other.inbox)
            && self.owner.is_like(&other.owner)
    }

    fn encode(&self, space: &Keyspace) -> ScriptCall {
        let RequestRef { key, min_fence, data_loss_grace, .. } = &self.request;
        let (lease, claim, ticket) = match &self.enqueue {
            Some(Enqueue { ticket, lease }) => (*lease, claim(self.ttl), ticket.unwrap_or(0)),
            None => (Duration::ZERO, Duration::ZERO, 0),
        };
        let (lease, claim) = (lease.as_millis(), claim.as_millis());
        ScriptCall::new(Script::Acquire)
            .key(space.hold(key))
            .key(space.fence())
            .arg(min_fence)
            .arg(self.fence_count)
            .arg(self.ttl.as_millis())
            .arg(Head(self))
            .arg(Tail(self))
            .arg(format_args!("{data_loss_grace} {lease} {claim} {ticket}"))
    }
}

/// What the value of the hold begins with, up to its token.
struct Head<'a>(&'a Acquire);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dl1-{} {} ", self.0.request.id, self.0.owner.since_unix_ms)
    }
}

/// The value of the hold from behind its token.
struct Tail<'a>(&'a Acquire);

impl Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} {} ", self.0.fence_count, self.0.inbox)?;
        self.0.owner.write_without_since(f)
    }
}

/// Acquires that are alike, by one process.
fn encode_acquires(mode: &str, acquires: &[&Acquire], space: &Keyspace) -> ScriptCall {
    let mut words = ScriptCall::new(Script::AcquireMany);
    for acquire in acquires {
        words = words.key(space.hold(&acquire.request.key));
    }
    let words = words.key(space.fence());
    let Some(first) = acquires.first() else { return words };
    debug_assert!(acquires.iter().all(|acquire| acquire.is_like(first)), "they differ");
    let min_fence = acquires.iter().map(|acquire| acquire.request.min_fence).max();
    let words = words
        .arg(min_fence.unwrap_or(Fence::ZERO))
        .arg(mode)
        .arg(first.fence_count)
        .arg(first.ttl.as_millis())
        .arg(Tail(first));
    acquires.iter().fold(words, |words, acquire| words.arg(Head(acquire)))
}

fn encode_releases(script: Script, requests: &[&RequestRef], space: &Keyspace) -> ScriptCall {
    let words = requests
        .iter()
        .fold(ScriptCall::new(script), |words, request| words.key(space.hold(&request.key)));
    requests.iter().fold(words, |words, request| words.arg(format_args!("dl1-{}", request.id)))
}

fn encode_renewals(entries: &[Renewal], space: &Keyspace) -> ScriptCall {
    let words = entries.iter().fold(ScriptCall::new(Script::Renew), |words, entry| {
        let (Renewal::Hold { key, .. } | Renewal::Waiter { key, .. }) = entry;
        words.key(space.hold(key))
    });
    entries.iter().fold(words, |words, entry| match entry {
        Renewal::Hold { id, ttl, .. } => words.arg('h').arg(id).arg(ttl.as_millis()),
        Renewal::Waiter { id, lease, .. } => words.arg('w').arg(id).arg(lease.as_millis()),
    })
}

impl Probe {
    pub(crate) fn encode(&self, space: &Keyspace) -> ScriptCall {
        let mut words = ScriptCall::new(Script::Probe);
        for &section in &self.chain {
            words = words.key(space.blocked(section));
        }
        let words = words
            .arg(self.id)
            .arg(space.prefix())
            .arg(WAITER_LEASE.as_millis())
            .arg(PROBE_TTL.as_millis())
            .arg(PROBE_LIMIT)
            .arg(self.waited.as_micros());
        let words = match self.target {
            WaitTarget::Key => words.arg('-'),
            WaitTarget::Section(section) => words.arg(section),
        };
        words.arg(&self.key).arg(&self.owner)
    }
}
