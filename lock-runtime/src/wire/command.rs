//! The commands to the server, and the call of a script that each is sent as. Commands about
//! unrelated locks may share one call: [`acquire_batch`] and [`release_batch`].

use std::sync::Arc;
use std::time::Duration;

use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::wire::keyspace::{DataLossGrace, Keyspace, WAITER_LEASE, claim};
use crate::wire::script::{Script, ScriptCall};

/// A command about one or more locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Acquire the lock or queue for it.
    Acquire(Acquire),
    /// Acquire several locks, all or none. The keys differ, no request is queued, each gets one
    /// token, and there are at most [`MAX_FENCE_RANGE`](super::keyspace::MAX_FENCE_RANGE).
    AcquireAll(Vec<Acquire>),
    /// Release a hold that is presumably uncontended: as [`Command::Release`], but may be batched.
    Free(RequestRef),
    /// Release the hold: grant it to the next waiter, or free the lock.
    Release(RequestRef),
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
            Self::AcquireAll(_) => Script::AcquireAll,
            Self::Free(_) | Self::Release(_) => Script::Release,
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
            Self::AcquireAll(acquires) => encode_all(acquires, space),
            Self::Free(request) | Self::Release(request) => request.encode(Script::Release, space),
            Self::Cancel { request, tombstone } => {
                request.encode(Script::Cancel, space).arg(tombstone.as_millis())
            }
            Self::Renew(entries) => encode_renewals(entries, space),
            Self::Inspect { key, limit } => {
                let names = space.names(key);
                ScriptCall::new(Script::Inspect)
                    .key(names.hold())
                    .key(names.queue())
                    .key(names.waiters())
                    .arg(limit)
            }
            Self::RaiseMaxLease(_) => return None,
            Self::Probe(probe) => probe.encode(space),
        })
    }
}

impl Acquire {
    fn encode(&self, space: &Keyspace) -> ScriptCall {
        let words = self.request.encode(Script::Acquire, space);
        let words = words.arg(self.ttl.as_millis()).arg(&self.owner);
        let words = words.arg(&self.inbox).arg(self.fence_count);
        match &self.enqueue {
            Some(Enqueue { ticket, lease }) => {
                let claim = claim(self.ttl).as_millis();
                words.arg(lease.as_millis()).arg(claim).arg(ticket.unwrap_or(0))
            }
            None => words.arg(0).arg(0).arg(0),
        }
    }
}

impl RequestRef {
    fn encode(&self, script: Script, space: &Keyspace) -> ScriptCall {
        let names = space.names(&self.key);
        ScriptCall::new(script)
            .key(names.hold())
            .key(names.queue())
            .key(names.waiters())
            .key(names.cancelled())
            .key(space.fence())
            .arg(self.id)
            .arg(self.min_fence)
            .arg(self.data_loss_grace)
    }
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

fn encode_all(acquires: &[Acquire], space: &Keyspace) -> ScriptCall {
    let mut words = ScriptCall::new(Script::AcquireAll);
    for acquire in acquires {
        let names = space.names(&acquire.request.key);
        words = words.key(names.hold()).key(names.queue()).key(names.cancelled());
    }
    let min_fence =
        acquires.iter().map(|acquire| acquire.request.min_fence).fold(Fence::ZERO, Ord::max);
    words = words.key(space.fence()).arg(min_fence);
    for acquire in acquires {
        words = words
            .arg(acquire.request.id)
            .arg(acquire.ttl.as_millis())
            .arg(&acquire.inbox)
            .arg(&acquire.owner);
    }
    words
}

fn encode_renewals(entries: &[Renewal], space: &Keyspace) -> ScriptCall {
    let mut words = ScriptCall::new(Script::Renew);
    for entry in entries {
        words = match entry {
            Renewal::Hold { key, .. } => words.key(space.names(key).hold()),
            Renewal::Waiter { key, .. } => {
                let names = space.names(key);
                words.key(names.hold()).key(names.queue()).key(names.waiters())
            }
        };
    }
    for entry in entries {
        words = match entry {
            Renewal::Hold { id, ttl, .. } => words.arg('h').arg(id).arg(ttl.as_millis()),
            Renewal::Waiter { id, lease, .. } => words.arg('w').arg(id).arg(lease.as_millis()),
        };
    }
    words
}

/// As many calls as one script answers: keeps the server's other clients waiting for well under a
/// millisecond.
pub const MAX_BATCH: usize = 100;

/// Acquires of different keys that are presumably free, by one process.
#[must_use]
pub fn acquire_batch(acquires: &[&Acquire], space: &Keyspace) -> ScriptCall {
    let mut words = ScriptCall::new(Script::AcquireBatch);
    for acquire in acquires {
        words = words.key(space.names(&acquire.request.key).hold());
    }
    let min_fence =
        acquires.iter().map(|acquire| acquire.request.min_fence).max().unwrap_or(Fence::ZERO);
    let inbox = acquires.first().map_or("-", |acquire| &*acquire.inbox);
    let mut words = words.key(space.fence()).arg(min_fence).arg(inbox);
    for acquire in acquires {
        let Acquire { request, ttl, owner, fence_count, .. } = acquire;
        words = words.arg(request.id).arg(ttl.as_millis()).arg(fence_count).arg(owner);
    }
    words
}

/// Releases of holds that are presumably uncontended.
#[must_use]
pub fn release_batch(requests: &[&RequestRef], space: &Keyspace) -> ScriptCall {
    let mut words = ScriptCall::new(Script::ReleaseBatch);
    for request in requests {
        words = words.key(space.names(&request.key).hold());
    }
    requests.iter().fold(words, |words, request| words.arg(request.id))
}
