//! The commands to the server, and the call of a script that each is sent as. Commands about
//! unrelated locks may share one call: [`Command::encode_batch`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::text::Decimal;
use crate::types::time::millis;
use crate::wire::keyspace::{COMPANIONS, DataLossGrace, Keyspace, Mark, WAITER_LEASE};
use crate::wire::script::{Script, ScriptCall};
use crate::wire::slot::Slot;

/// As many calls as one script answers: keeps the server's other clients waiting for well under a
/// millisecond.
pub const MAX_BATCH: usize = 100;

/// As many keys does the server look at in one step of a walk over all: as long as for those.
const SCAN_COUNT: u64 = 500;

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
        /// How long the key stays taken; zero if it does not.
        keep: Duration,
    },
    /// Undo what this request did; with a tombstone if its acquire may still arrive.
    Cancel {
        /// The request.
        request: RequestRef,
        /// The first token of the hold that it is about, of which the reply tells whether it was
        /// still there; zero for none. One of the same request under another token ends as well.
        fence: Fence,
        /// How long a late acquire is refused; zero if none can be in flight.
        tombstone: Duration,
        /// How long the key of its hold stays taken; zero if it does not.
        keep: Duration,
    },
    /// End a hold in place of its process, which is notified: grant it to the next waiter, or free
    /// the lock.
    ForceRelease {
        /// The user's key.
        key: Arc<str>,
        /// A token of the hold.
        fence: Fence,
        /// How long at least the process can neither put the hold back nor acquire with its
        /// request.
        tombstone: Duration,
    },
    /// Renew holds and refresh waiters.
    Renew(Vec<Renewal>),
    /// Put back a hold with this first token, which the server has lost by a failover.
    Reclaim(Acquire, LostHold),
    /// Announce a longer lease to the server, for after a data loss, and to all processes. Always
    /// one of [`lease_steps`](super::keyspace::lease_steps), sent before the first command that
    /// writes such a ttl.
    RaiseMaxLease(Duration),
    /// Wait until so many replicas have what the server executed for this connection before.
    Wait {
        /// How many.
        replicas: u32,
        /// How long at most.
        limit: Duration,
    },
    /// Count the replicas that are online.
    CountReplicas,
    /// Read one lock.
    Inspect {
        /// The user's key.
        key: Arc<str>,
        /// How many waiters to list.
        limit: u32,
    },
    /// Find locks that are held: a step of a walk over all keys of the server.
    Scan {
        /// The names of the keys.
        space: Keyspace,
        /// Where to go on; zero to begin.
        from: u64,
    },
    /// Register a waiting request and look for a cycle.
    Probe(Probe),
    /// Register a waiting request under a section around it, or take that back. In a cluster.
    Register {
        /// The section.
        section: RequestId,
        /// The request.
        id: RequestId,
        /// What it waits for; `None` if it does not wait any more.
        wait: Option<RegisteredWait>,
    },
    /// Read which request holds this key.
    LookAtHold(Arc<str>),
    /// Read which requests wait inside this section.
    LookAtSection(RequestId),
    /// Receive notifications about the locks of a slot of a cluster, from now on.
    Subscribe(Slot),
    /// Open the tokens of a slot of a cluster.
    Open(OpenTokens),
    /// Do this on the node that a slot is being migrated to.
    Asking(Box<Command>),
}

/// What a master needs to draw tokens of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTokens {
    /// The slot.
    pub slot: Slot,
    /// The highest token of it that this process has seen.
    pub floor: Fence,
    /// The longest lease that any process may have been granted.
    pub max_lease: Duration,
    /// How long a failover is waited out. `None` opens no tokens of another master: the server only
    /// notes that they are not the last ones, if the floor is above them.
    pub grace: Option<Duration>,
    /// Whether missing tokens are lost. If not, the slot is new.
    pub is_lost: bool,
    /// The masters of the cluster: tokens of one of them have been migrated.
    pub living: Arc<[Mark]>,
}

/// A hold that a server does not know although its process has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostHold {
    /// Its first token.
    pub first: Fence,
    /// The masters that have granted it and confirmed it last. Neither has granted the lock to
    /// anybody else since.
    pub masters: [Mark; 2],
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
        /// Its first token. The request may have been granted the lock again under another one.
        fence: Fence,
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

/// What is registered of a request that waits inside sections, in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredWait {
    /// The number of the registration.
    pub count: u64,
    /// What it waits for.
    pub target: WaitTarget,
    /// The key that it waits for: for people to read, and the target of [`WaitTarget::Key`].
    pub key: Arc<str>,
    /// For people to read; the age of the wait by this counts.
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
    /// The script that executes it; none for those that are commands of the server.
    #[must_use]
    pub const fn script(&self) -> Option<Script> {
        Some(match self {
            Self::RaiseMaxLease(_)
            | Self::Wait { .. }
            | Self::CountReplicas
            | Self::Scan { .. }
            | Self::LookAtHold(_)
            | Self::LookAtSection(_)
            | Self::Subscribe(_) => {
                return None;
            }
            Self::Acquire(_) => Script::Acquire,
            Self::AcquireAll(_) => Script::AcquireMany,
            Self::Release { .. } => Script::Release,
            Self::Cancel { .. } => Script::Cancel,
            Self::ForceRelease { .. } => Script::ForceRelease,
            Self::Renew(_) => Script::Renew,
            Self::Reclaim(..) => Script::Reclaim,
            Self::Inspect { .. } => Script::Inspect,
            Self::Probe(_) => Script::Probe,
            Self::Register { .. } => Script::Register,
            Self::Open(_) => Script::Open,
            Self::Asking(command) => return command.script(),
        })
    }

    /// Appends this command to a server with this mark as it goes over the wire; returns whether it
    /// is one script call or one command of the server.
    pub fn encode(&self, space: &Keyspace, mark: Mark, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Acquire(acquire) => acquire.encode(space, mark, out),
            Self::AcquireAll(acquires) => {
                encode_acquires(b"all", &acquires.iter().collect::<Vec<_>>(), space, mark, out);
            }
            Self::Release { request, keep, .. } => {
                let args = if keep.is_zero() { 2 } else { 3 };
                let (mut call, _) = begin(space, Script::Release, &request.key, false, args, out);
                call.word(&[&request.id.hex()]);
                call.word(&[&mark.text()]);
                if !keep.is_zero() {
                    call.number(millis(*keep));
                }
            }
            Self::Cancel { request, fence, tombstone, keep } => {
                let args = if keep.is_zero() { 4 } else { 5 };
                let (mut call, _) = begin(space, Script::Cancel, &request.key, false, args, out);
                call.word(&[&request.id.hex()]);
                call.number(millis(*tombstone));
                call.word(&[&mark.text()]);
                call.number(fence.get());
                if !keep.is_zero() {
                    call.number(millis(*keep));
                }
            }
            Self::ForceRelease { key, fence, tombstone } => {
                let (mut call, _) = begin(space, Script::ForceRelease, key, false, 3, out);
                call.word(&[&mark.text()]);
                call.number(fence.get());
                call.number(millis(*tombstone));
            }
            Self::Renew(entries) => encode_renewals(entries, space, out),
            Self::Reclaim(acquire, lost) => acquire.encode_reclaim(*lost, space, mark, out),
            Self::Inspect { key, limit } => {
                let (mut call, _) = begin(space, Script::Inspect, key, true, 1, out);
                call.number((*limit).into());
            }
            Self::RaiseMaxLease(_)
            | Self::Wait { .. }
            | Self::CountReplicas
            | Self::Subscribe(_) => {
                return false;
            }
            Self::Probe(probe) => probe.encode(space, out),
            Self::Register { section, id, wait } => {
                let mut call = ScriptCall::begin(space, Script::Register, 1, 3, out);
                call.word(&[space.blocked(*section).as_bytes()]);
                call.word(&[&id.hex()]);
                call.number(millis(WAITER_LEASE));
                match wait {
                    Some(wait) => wait.encode(&mut call),
                    None => {
                        call.word(&[]);
                    }
                }
            }
            Self::Scan { space, from } => {
                let mut call = ScriptCall::of_server("SCAN", 7, out);
                call.number(*from);
                call.word(&[b"MATCH"]);
                call.word(&[space.holds_pattern().as_bytes()]);
                call.word(&[b"COUNT"]);
                call.number(SCAN_COUNT);
                call.word(&[b"TYPE"]);
                call.word(&[b"string"]);
            }
            Self::LookAtHold(key) => {
                // Unlike GET no error if the key has another type.
                let mut call = ScriptCall::of_server("MGET", 1, out);
                call.word(&space.hold_parts(key));
            }
            Self::LookAtSection(section) => {
                let mut call = ScriptCall::of_server("HGETALL", 1, out);
                call.word(&[space.blocked(*section).as_bytes()]);
            }
            Self::Open(open) => open.encode(space, mark, out),
            Self::Asking(command) => return command.encode(space, mark, out),
        }
        true
    }

    /// The slot that it is about; none for those that are about no lock.
    #[must_use]
    pub fn slot(&self, space: &Keyspace) -> Option<Slot> {
        let key = match self {
            Self::Acquire(acquire) | Self::Reclaim(acquire, _) => &acquire.request.key,
            Self::AcquireAll(acquires) => &acquires.first()?.request.key,
            Self::Release { request, .. } | Self::Cancel { request, .. } => &request.key,
            Self::Renew(entries) => entries.first()?.key(),
            Self::ForceRelease { key, .. } | Self::Inspect { key, .. } | Self::LookAtHold(key) => {
                key
            }
            Self::Register { section, .. } | Self::LookAtSection(section) => {
                return Some(space.slot_of_section(*section));
            }
            Self::Subscribe(slot) | Self::Open(OpenTokens { slot, .. }) => return Some(*slot),
            Self::Asking(command) => return command.slot(space),
            Self::RaiseMaxLease(_)
            | Self::Wait { .. }
            | Self::CountReplicas
            | Self::Scan { .. }
            | Self::Probe(_) => {
                return None;
            }
        };
        Some(space.slot(key))
    }

    /// Whether one script call is enough for both: two releases after which the key is free, or two
    /// acquires whose holds differ only in the request and in when it was made. On a cluster they
    /// have to be about one slot as well.
    #[must_use]
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Release { keep, .. }, Self::Release { keep: other, .. }) => {
                keep.is_zero() && other.is_zero()
            }
            (Self::Acquire(acquire), Self::Acquire(other)) => acquire.is_like(other),
            _ => false,
        }
    }

    /// Appends one script call for several commands that [go together](Self::goes_with): releases,
    /// or acquires of different keys that are presumably free.
    pub fn encode_batch<'a>(
        calls: impl Iterator<Item = &'a Self>,
        space: &Keyspace,
        mark: Mark,
        out: &mut Vec<u8>,
    ) {
        let (mut acquires, mut releases) = (Vec::new(), Vec::new());
        for call in calls {
            match call {
                Self::Acquire(acquire) => acquires.push(acquire),
                Self::Release { request, .. } => releases.push(request),
                _ => debug_assert!(false, "only acquires and releases are batched"),
            }
        }
        if acquires.is_empty() {
            encode_releases(&releases, space, mark, out);
        } else {
            encode_acquires(b"each", &acquires, space, mark, out);
        }
    }
}

impl Acquire {
    fn is_like(&self, other: &Self) -> bool {
        (self.ttl, self.fence_count, &self.inbox) == (other.ttl, other.fence_count, &other.inbox)
            && self.owner.is_like(&other.owner)
    }

    fn encode(&self, space: &Keyspace, mark: Mark, out: &mut Vec<u8>) {
        let RequestRef { key, min_fence, data_loss_grace, .. } = &self.request;
        let (mut call, slot) = begin(space, Script::Acquire, key, true, 7, out);
        call.number(min_fence.get());
        call.number(self.fence_count.into());
        call.number(millis(self.ttl));
        self.encode_head(&mut call);
        self.encode_tail(space, slot, &mut call);
        let (lease, ticket) = match &self.enqueue {
            Some(Enqueue { ticket, lease }) => (*lease, ticket.unwrap_or(0)),
            None => (Duration::ZERO, 0),
        };
        let DataLossGrace { max_lease, waits } = *data_loss_grace;
        let grace = Decimal::new(millis(max_lease), " ");
        let grace = if waits { grace } else { grace.prefixed(b'-') };
        let (lease, ticket) = (spaced(millis(lease)), Decimal::new(ticket, ""));
        call.word(&[grace.bytes(), lease.bytes(), ticket.bytes()]);
        call.word(&[&mark.text()]);
    }

    fn encode_reclaim(&self, lost: LostHold, space: &Keyspace, mark: Mark, out: &mut Vec<u8>) {
        let LostHold { first, masters: [granted_by, confirmed_by] } = lost;
        let key = &self.request.key;
        let (mut call, slot) = begin(space, Script::Reclaim, key, true, 7, out);
        call.word(&[&mark.text()]);
        self.encode_head(&mut call);
        call.number(first.get());
        self.encode_tail(space, slot, &mut call);
        call.number(millis(self.ttl));
        call.number(FenceRange::new(first, self.fence_count).last().get());
        call.word(&[&granted_by.text(), b" ", &confirmed_by.text()]);
    }

    /// The value of the hold from behind its flag up to its token.
    fn encode_head(&self, call: &mut ScriptCall<'_>) {
        let since = spaced(self.owner.since_unix_ms).prefixed(b' ');
        call.word(&[&self.request.id.hex(), since.bytes()]);
    }

    /// The value of the hold from behind its block.
    fn encode_tail(&self, space: &Keyspace, slot: Option<Slot>, call: &mut ScriptCall<'_>) {
        let OwnerInfo { ttl, pid, host, function, .. } = &self.owner;
        let (ttl, pid) = (spaced(millis(*ttl)).prefixed(b' '), spaced((*pid).into()));
        let [prefix, name, tag, end, process] = space.inbox_parts(slot, &self.inbox);
        call.word(&[
            prefix,
            name,
            tag,
            end,
            process,
            ttl.bytes(),
            pid.bytes(),
            host.as_bytes(),
            b" ",
            function.as_bytes(),
        ]);
    }
}

impl Renewal {
    const fn key(&self) -> &Arc<str> {
        let (Self::Hold { key, .. } | Self::Waiter { key, .. }) = self;
        key
    }
}

/// Begins a call about one lock with its keys: the hold, and if they are wanted the tokens. On a
/// cluster always all keys of the lock; also returns its slot there.
fn begin<'a>(
    space: &Keyspace,
    script: Script,
    key: &str,
    wants_tokens: bool,
    args: usize,
    out: &'a mut Vec<u8>,
) -> (ScriptCall<'a>, Option<Slot>) {
    let slot = space.shard(key);
    let keys = match (slot, wants_tokens) {
        (Some(_), _) => 4,
        (None, true) => 2,
        (None, false) => 1,
    };
    let mut call = ScriptCall::begin(space, script, keys, args, out);
    let hold = call.word(&space.hold_parts(key));
    if keys > 1 {
        call.word(&space.tokens_parts(slot));
    }
    if slot.is_some() {
        name_companions(&mut call, &hold);
    }
    (call, slot)
}

/// Adds the names of holds. On a cluster it returns where they are, for those of their companions.
fn name_holds<'a>(
    call: &mut ScriptCall<'_>,
    space: &Keyspace,
    keys: impl Iterator<Item = &'a Arc<str>>,
) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for key in keys {
        let place = call.word(&space.hold_parts(key));
        if space.is_sharded() {
            places.push(place);
        }
    }
    places
}

/// Adds the names of the queue and of the waiters of the lock whose hold is named there.
fn name_companions(call: &mut ScriptCall<'_>, hold: &Range<usize>) {
    for rest in COMPANIONS {
        call.longer_word(hold, rest);
    }
}

/// A number and a space.
fn spaced(number: u64) -> Decimal {
    Decimal::new(number, " ")
}

/// Acquires that are alike, by one process.
fn encode_acquires(
    mode: &[u8],
    acquires: &[&Acquire],
    space: &Keyspace,
    mark: Mark,
    out: &mut Vec<u8>,
) {
    let Some(first) = acquires.first() else { return };
    debug_assert!(acquires.iter().all(|acquire| acquire.is_like(first)), "they differ");
    let (locks, slot) = (acquires.len(), space.shard(&first.request.key));
    let keys = if slot.is_some() { locks * 2 + 1 } else { locks + 1 };
    let mut call = ScriptCall::begin(space, Script::AcquireMany, keys, locks + 6, out);
    let holds = name_holds(&mut call, space, acquires.iter().map(|acquire| &acquire.request.key));
    call.word(&space.tokens_parts(slot));
    let [queue, _] = COMPANIONS;
    for hold in &holds {
        call.longer_word(hold, queue);
    }
    let min_fence = acquires.iter().map(|acquire| acquire.request.min_fence).max();
    call.number(min_fence.unwrap_or(Fence::ZERO).get());
    call.word(&[mode]);
    call.number(first.fence_count.into());
    call.number(millis(first.ttl));
    first.encode_tail(space, slot, &mut call);
    call.word(&[&mark.text()]);
    for acquire in acquires {
        acquire.encode_head(&mut call);
    }
}

fn encode_releases(requests: &[&RequestRef], space: &Keyspace, mark: Mark, out: &mut Vec<u8>) {
    let Some(first) = requests.first() else { return };
    let (locks, slot) = (requests.len(), space.shard(&first.key));
    let keys = if slot.is_some() { locks * 3 + 1 } else { locks };
    let mut call = ScriptCall::begin(space, Script::ReleaseMany, keys, locks + 1, out);
    let holds = name_holds(&mut call, space, requests.iter().map(|request| &request.key));
    if slot.is_some() {
        call.word(&space.tokens_parts(slot));
        for hold in &holds {
            name_companions(&mut call, hold);
        }
    }
    for request in requests {
        call.word(&[&request.id.hex()]);
    }
    call.word(&[&mark.text()]);
}

fn encode_renewals(entries: &[Renewal], space: &Keyspace, out: &mut Vec<u8>) {
    // A hold is renewed by a call with its key alone: other keys may be on another node of a
    // cluster while their slot is being migrated.
    let is_waiter =
        |entry: &&Renewal| space.is_sharded() && matches!(entry, Renewal::Waiter { .. });
    let keys = entries.len() + entries.iter().filter(is_waiter).count() * 2;
    let mut call = ScriptCall::begin(space, Script::Renew, keys, entries.len() * 3, out);
    let holds = name_holds(&mut call, space, entries.iter().map(Renewal::key));
    for (hold, _) in holds.iter().zip(entries).filter(|(_, entry)| is_waiter(entry)) {
        name_companions(&mut call, hold);
    }
    for entry in entries {
        let (id, lasts) = match entry {
            Renewal::Hold { id, fence, ttl, .. } => {
                call.number(fence.get());
                (id, ttl)
            }
            Renewal::Waiter { id, lease, .. } => {
                call.word(&[b"w"]);
                (id, lease)
            }
        };
        call.word(&[&id.hex()]);
        call.number(millis(*lasts));
    }
}

impl OpenTokens {
    fn encode(&self, space: &Keyspace, mark: Mark, out: &mut Vec<u8>) {
        let Self { slot, floor, max_lease, grace, is_lost, living } = self;
        let mut call = ScriptCall::begin(space, Script::Open, 1, 5 + living.len(), out);
        call.word(&[space.tokens_in(*slot).as_bytes()]);
        call.word(&[&mark.text()]);
        call.number(floor.get());
        call.number(millis(*max_lease));
        match grace {
            Some(grace) => call.number(millis(*grace)),
            None => {
                call.word(&[b"-"]);
            }
        }
        call.number((*is_lost).into());
        for mark in &living[..] {
            call.word(&[&mark.text()]);
        }
    }
}

impl Probe {
    fn encode(&self, space: &Keyspace, out: &mut Vec<u8>) {
        let mut call = ScriptCall::begin(space, Script::Probe, self.chain.len(), 9, out);
        for &section in &self.chain {
            call.word(&[space.blocked(section).as_bytes()]);
        }
        call.word(&[&self.id.hex()]);
        call.word(&[space.prefix().as_bytes()]);
        call.number(millis(WAITER_LEASE));
        call.number(millis(PROBE_TTL));
        call.number(PROBE_LIMIT.into());
        call.number(u64::try_from(self.waited.as_micros()).unwrap_or(u64::MAX));
        call.word(&[self.target.to_string().as_bytes()]);
        call.word(&[self.key.as_bytes()]);
        call.word(&[self.owner.to_string().as_bytes()]);
    }
}

impl RegisteredWait {
    fn encode(&self, call: &mut ScriptCall<'_>) {
        let Self { count, target, key, owner } = self;
        call.word(&[format!("n{count} {target} {} {key} {owner}", key.len()).as_bytes()]);
    }
}

/// The section, or a dash.
impl fmt::Display for WaitTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("-"),
            Self::Section(section) => section.fmt(f),
        }
    }
}
