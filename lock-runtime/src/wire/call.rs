//! The calls: what can be asked of the server about locks.

use std::sync::Arc;
use std::time::Duration;

use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::Nonce;
use crate::wire::bound::Quarantine;
use crate::wire::keyspace::Keyspace;
use crate::wire::probe::Probe;
use crate::wire::script::{Invocation, Script};

/// How long a waiter keeps its place without being heard of, unless its process has a crowd of them; and how long a grant
/// waits at the most to be taken up.
pub const WAITER_LEASE: Duration = Duration::from_secs(2);

/// A hold that lasts shorter than this is over before those behind it next hear of it: the first of them is sent how long it
/// lasts. As long as a waiter takes at the most to look.
pub const SHORT_HOLD: Duration = Duration::from_millis(600);

/// How long a grant waits to be taken up, of a hold whose key is to last for `ttl`.
#[must_use]
pub fn claim(ttl: Duration) -> Duration {
    ttl.min(WAITER_LEASE)
}

/// The most fencing tokens that one grant reserves.
pub const LARGEST_BLOCK: u32 = 1024;

/// The largest block that is drawn without a look at how far the counter is ahead of the server's clock.
pub const SMALL_BLOCK: u32 = 16;

/// How many waiters an inspection lists.
pub const INSPECTED: u32 = 100;

/// A question to the server about one or more locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Take the lock or queue for it.
    Acquire(Acquire),
    /// Take several locks if all of them can be had at once, else none. The keys differ, nobody queues, each wants one
    /// token, and there are no more than [`LARGEST_BLOCK`].
    AcquireAll(Vec<Acquire>),
    /// Give up a hold that nobody is expected to wait for: as [`Call::Release`], but may be sent together with others.
    Free(Give),
    /// Give the hold of this nonce to the next waiter, or free it.
    Release(Give),
    /// Make whatever this nonce has become undone; with a tombstone if its acquire may still arrive.
    Cancel {
        /// Which request, and what the server needs to grant to the next.
        give: Give,
        /// How long a late acquire of this nonce is refused; zero where none can be under way.
        tombstone: Duration,
    },
    /// Prolong holds and waiters' leases.
    Renew(Vec<Renewal>),
    /// Announce to the server, for after a loss of its data, and to all processes that leases of up to this length are about to
    /// be granted: a step of [`super::bound_steps`]. Goes before the first call that writes such a ttl.
    Raise(Duration),
    /// Read one lock.
    Inspect {
        /// The user's key.
        key: Arc<str>,
        /// How many waiters to list.
        limit: u32,
    },
    /// Register a request that waits, and look whether it waits for itself.
    Probe(Probe),
}

/// A request for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquire {
    /// Who asks, for which key, and what the server needs to issue a token.
    pub give: Give,
    /// The TTL of the key in the server: what was asked for plus the guard.
    pub ttl: Duration,
    /// For others to read.
    pub who: OwnerInfo,
    /// The channel on which the process is told of a grant, and of others that wait for its hold.
    pub inbox: Arc<str>,
    /// How many fencing tokens to reserve, at least one.
    pub block: u32,
    /// Whether the lock is expected to be free, so that this may be sent together with others.
    pub expects_free: bool,
    /// How to queue; `None` tries once.
    pub enqueue: Option<Enqueue>,
}

/// How a request queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue {
    /// The place drawn earlier, if this request queued before; keeps its order after a loss of the queue.
    pub ticket: Option<u64>,
    /// How long the place is kept without a word of the waiter.
    pub lease: Duration,
}

/// Names one request, with what every script needs that may issue a fencing token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Give {
    /// The user's key.
    pub key: Arc<str>,
    /// The request.
    pub nonce: Nonce,
    /// The highest token this process has seen: what is issued is above it.
    pub floor: Fence,
    /// How to go on if the server turns out to have lost its data.
    pub quarantine: Quarantine,
}

/// One entry of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Prolong a hold.
    Hold {
        /// The user's key.
        key: Arc<str>,
        /// The hold's request.
        nonce: Nonce,
        /// Its new TTL in the server.
        ttl: Duration,
    },
    /// Prolong a waiter's lease.
    Waiter {
        /// The user's key.
        key: Arc<str>,
        /// The waiter's request.
        nonce: Nonce,
        /// How long its place is kept from now on.
        lease: Duration,
    },
}

impl Call {
    /// The script that answers it; `None` for [`Call::Raise`], which is no script's business.
    #[must_use]
    pub const fn script(&self) -> Option<Script> {
        Some(match self {
            Self::Raise(_) => return None,
            Self::Acquire(_) => Script::Acquire,
            Self::AcquireAll(_) => Script::AcquireAll,
            Self::Free(_) | Self::Release(_) => Script::Release,
            Self::Cancel { .. } => Script::Cancel,
            Self::Renew(_) => Script::Renew,
            Self::Inspect { .. } => Script::Inspect,
            Self::Probe(_) => Script::Probe,
        })
    }

    /// The script call that asks this, if one does.
    #[must_use]
    pub fn encode(&self, space: &Keyspace) -> Option<Invocation> {
        Some(match self {
            Self::Acquire(acquire) => acquire.encode(space),
            Self::AcquireAll(asks) => encode_all(asks, space),
            Self::Free(give) | Self::Release(give) => give.encode(Script::Release, space),
            Self::Cancel { give, tombstone } => {
                give.encode(Script::Cancel, space).arg(tombstone.as_millis())
            }
            Self::Renew(entries) => encode_renewals(entries, space),
            Self::Inspect { key, limit } => {
                let names = space.names(key);
                Invocation::new(Script::Inspect)
                    .key(names.hold())
                    .key(names.queue())
                    .key(names.waiters())
                    .arg(limit)
            }
            Self::Raise(_) => return None,
            Self::Probe(probe) => probe.encode(space),
        })
    }
}

impl Acquire {
    fn encode(&self, space: &Keyspace) -> Invocation {
        let words = self.give.encode(Script::Acquire, space);
        let words = words.arg(self.ttl.as_millis()).arg(&self.who);
        let words = words.arg(&self.inbox).arg(self.block);
        match &self.enqueue {
            Some(Enqueue { ticket, lease }) => {
                let claim = claim(self.ttl).as_millis();
                words.arg(lease.as_millis()).arg(claim).arg(ticket.unwrap_or(0))
            }
            None => words.arg(0).arg(0).arg(0),
        }
    }
}

impl Give {
    fn encode(&self, script: Script, space: &Keyspace) -> Invocation {
        let names = space.names(&self.key);
        Invocation::new(script)
            .key(names.hold())
            .key(names.queue())
            .key(names.waiters())
            .key(names.cancelled())
            .key(space.fence())
            .arg(self.nonce)
            .arg(self.floor)
            .arg(self.quarantine)
    }
}

fn encode_all(asks: &[Acquire], space: &Keyspace) -> Invocation {
    let mut words = Invocation::new(Script::AcquireAll);
    for ask in asks {
        let names = space.names(&ask.give.key);
        words = words.key(names.hold()).key(names.queue()).key(names.cancelled());
    }
    let floor = asks.iter().map(|ask| ask.give.floor).fold(Fence::ZERO, Ord::max);
    words = words.key(space.fence()).arg(floor);
    for ask in asks {
        words = words.arg(ask.give.nonce).arg(ask.ttl.as_millis()).arg(&ask.inbox).arg(&ask.who);
    }
    words
}

fn encode_renewals(entries: &[Renewal], space: &Keyspace) -> Invocation {
    let mut words = Invocation::new(Script::Renew);
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
            Renewal::Hold { nonce, ttl, .. } => words.arg('h').arg(nonce).arg(ttl.as_millis()),
            Renewal::Waiter { nonce, lease, .. } => {
                words.arg('w').arg(nonce).arg(lease.as_millis())
            }
        };
    }
    words
}
