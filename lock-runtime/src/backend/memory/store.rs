//! The in-memory equivalent of the Lua scripts: the same decisions over a map instead of a server.
//!
//! It mirrors `acquire`, `release`, `cancel`, `force_release`, `renew`, `reclaim`, `inspect`,
//! `probe`, `register` and `open` of `wire/scripts` step by step, and what the Redis backend does
//! at connect: keys with expiry, the queue, tombstones, the fence counter with its data-loss grace
//! period, and the wait-for graph. Time is an argument, nothing is random. A parity test sends
//! random commands to this and to a real server and compares every reply and notification. Change a
//! script and its equivalent together.
//!
//! A walk over all locks is one step, and finds only locks of this library.
//!
//! Four simplifications, none of which shows in a reply: the queue and its entries are one map with
//! two TTLs, because on the server an entry without a place counts as none; the
//! uncontended and the usual beginnings of `acquire` and `release` are missing, because they only
//! shorten what follows; a ttl below a millisecond, which the script refuses, is the caller's to
//! refuse; and the TTL of a section's hash is missing, because none of its fields counts longer.

pub(crate) mod fence_counter;
pub(crate) mod key_state;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::store::fence_counter::{
    FenceCounter, Opening, ServerTime, WaitKind, count, micros,
};
use crate::backend::memory::store::key_state::{KeyOp, KeyState, Publish, StoredHold, WORK};
use crate::protocol::request::CommandError;
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::request_id::RequestId;
use crate::wire::command::{
    Acquire, Command, OpenTokens, PROBE_LIMIT, PROBE_TTL, Probe, RegisteredWait, Renewal,
    RequestRef, WaitTarget,
};
#[cfg(distlock_verification)]
use crate::wire::keyspace::Mark;
use crate::wire::keyspace::{DataLossGrace, EVERYONE, Keyspace, WAITER_LEASE};
use crate::wire::reply::{
    BlockedRequest, BlockedWait, LockState, Notification, Page, ProbeReply, RenewalReply, Reply,
};
use crate::wire::slot::Slot;

/// All locks of a server, in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    /// The names of its keys, if it is a node of a cluster.
    node: Option<Keyspace>,
    /// The tokens; of a node those of a slot without any.
    counter: FenceCounter,
    /// The tokens of each slot of a node.
    slots: BTreeMap<Slot, FenceCounter>,
    records: HashMap<Arc<str>, KeyState>,
    blocked: WaitGraph,
    sweep_at: usize,
    /// The longest lease by what outlives a flush, as the script cache does.
    max_lease: Duration,
    /// The longest lease by the data, which outlives a restart.
    stored_max_lease: Duration,
    /// How many replicas confirm what is done; `None`: as many as are asked for.
    replicas: Option<u32>,
}

impl MemoryStore {
    /// A node of a cluster with keys of these names. Its notifications go to the channels of the
    /// slots, and each slot has its own tokens.
    #[cfg(any(test, distlock_verification))]
    #[must_use]
    pub fn node(space: Keyspace) -> Self {
        Self { node: Some(space.sharded()), ..Self::default() }
    }

    /// Executes a command at this instant, in microseconds of a clock that never goes back.
    /// Notifications go through `publish`.
    ///
    /// # Errors
    ///
    /// If the tokens are those of another master.
    pub fn call(
        &mut self,
        now_us: u64,
        call: &Command,
        publish: &mut Publish<'_>,
    ) -> Result<Reply, CommandError> {
        let now = ServerTime::from_micros(now_us);
        self.sweep(now);
        Ok(match call {
            Command::Acquire(acquire) => {
                let reply =
                    self.step(now, &acquire.request, publish, |mut step| step.acquire(acquire));
                Reply::Acquire(reply.ok_or_else(|| self.unopened())?)
            }
            Command::AcquireAll(acquires) => Reply::AcquiredAll(self.acquire_all(now, acquires)),
            Command::Release { request, keep, .. } => {
                Reply::Released(self.step(now, request, publish, |mut step| step.release(*keep)))
            }
            Command::Cancel { request, fence, tombstone, keep } => Reply::Released(self.step(
                now,
                request,
                publish,
                |mut step| step.cancel(*fence, *tombstone, *keep),
            )),
            Command::ForceRelease { key, fence, tombstone } => {
                Reply::Released(self.force_release(now, key, *fence, *tombstone, publish))
            }
            Command::Renew(entries) => {
                Reply::Renewed(entries.iter().map(|entry| self.renew(now, entry)).collect())
            }
            Command::Reclaim(acquire, lost) => Reply::Reclaimed(self.step(
                now,
                &acquire.request,
                publish,
                |mut step| step.reclaim(acquire, lost),
            )),
            Command::RaiseMaxLease(max_lease) => {
                self.raise(*max_lease, publish);
                Reply::MaxLeaseRaised
            }
            Command::Wait { replicas, .. } => {
                Reply::Acknowledged(self.replicas.unwrap_or(*replicas))
            }
            Command::CountReplicas => Reply::OnlineReplicas(self.online_replicas()),
            Command::Inspect { key, limit } => Reply::Inspection(self.inspect(now, key, *limit)),
            Command::Scan { .. } => Reply::Page(self.scan(now)),
            Command::Probe(probe) => Reply::Probed(self.probe(now, probe)),
            Command::Register { section, id, wait } => {
                self.blocked.register(now, *section, *id, wait.as_ref());
                Reply::Registered
            }
            Command::LookAtHold(key) => Reply::Holder(self.holder_of(now, key)),
            Command::LookAtSection(section) => Reply::Blocked(self.blocked.inside(now, *section)),
            Command::Subscribe(_) => Reply::Subscribed,
            Command::Open(open) => {
                self.open_slot(now_us, open);
                Reply::Opened
            }
            Command::Asking(command) => return self.call(now_us, command, publish),
        })
    }

    /// Opens the tokens of a slot, as `open.lua` does. Returns what is waited for.
    pub(crate) fn open_slot(&mut self, now_us: u64, open: &OpenTokens) -> Option<WaitKind> {
        let &OpenTokens { slot, floor, max_lease, grace, is_lost, ref living } = open;
        let (min_fence, lease, lost) = (floor, max_lease, is_lost);
        let opening = Opening { min_fence, lease, failover_grace: grace, lost };
        self.tokens_of(slot).open(ServerTime::from_micros(now_us), opening, living)
    }

    fn unopened(&self) -> CommandError {
        if self.node.is_some() {
            return CommandError::Unopened;
        }
        CommandError::NotPrimary("UNOPENED this connection was made to another primary".to_owned())
    }

    fn tokens_of(&mut self, slot: Slot) -> &mut FenceCounter {
        if self.node.is_none() {
            return &mut self.counter;
        }
        self.slots.entry(slot).or_insert(self.counter.emptied())
    }

    fn tokens_for(&mut self, key: &str) -> &mut FenceCounter {
        let slot = self.node.as_ref().map(|space| space.slot(key));
        self.tokens_of(slot.unwrap_or_default())
    }

    /// How many replicas confirm. It has none, but as many as are asked for confirm unless a test
    /// says otherwise: what is in memory is lost with all who use it.
    pub(crate) fn online_replicas(&self) -> u32 {
        self.replicas.unwrap_or(1)
    }

    /// Only so many replicas confirm from now on.
    #[cfg(feature = "test-util")]
    pub(crate) fn set_replicas(&mut self, replicas: u32) {
        self.replicas = Some(replicas);
    }

    /// Opens the tokens, as `open.lua` does. Returns what is waited for.
    pub(crate) fn open(&mut self, now_us: u64, opening: Opening) -> Option<WaitKind> {
        self.counter.open(ServerTime::from_micros(now_us), opening, &[])
    }

    /// A client connects, as with Redis. `connected_before`: it was connected earlier. Returns the
    /// longest lease.
    pub fn welcome(
        &mut self,
        now_us: u64,
        min_fence: Fence,
        max_lease: Duration,
        failover_grace: Duration,
        connected_before: bool,
        publish: &mut Publish<'_>,
    ) -> Duration {
        let announced = self.max_lease.max(self.stored_max_lease);
        let lost = connected_before || min_fence > Fence::ZERO || !announced.is_zero();
        let known = max_lease.max(announced);
        let failover_grace = Some(failover_grace);
        self.open(now_us, Opening { min_fence, lease: known, failover_grace, lost });
        if known > self.max_lease.min(self.stored_max_lease) {
            self.raise(known, publish);
        }
        known
    }

    fn raise(&mut self, max_lease: Duration, publish: &mut Publish<'_>) {
        publish(EVERYONE, Some(Notification::MaxLease(max_lease)));
        self.max_lease = self.max_lease.max(max_lease);
        self.stored_max_lease = self.stored_max_lease.max(max_lease);
    }

    fn step<T>(
        &mut self,
        now: ServerTime,
        request: &RequestRef,
        publish: &mut Publish<'_>,
        act: impl FnOnce(KeyOp<'_, '_>) -> T,
    ) -> T {
        let mut record = self.records.remove(&request.key).unwrap_or_default();
        record.expire(now);
        let node = self.node.clone();
        let is_node = node.is_some();
        let mut to_slot = |inbox: &str, notice| match &node {
            Some(space) => {
                let slot = space.slot(&request.key);
                publish(&space.inbox_in(slot, space.process_of(inbox)), notice)
            }
            None => publish(inbox, notice),
        };
        let answer = act(KeyOp {
            now,
            counter: self.tokens_for(&request.key),
            record: &mut record,
            is_node,
            request,
            ended: None,
            publish: &mut to_slot,
            work: WORK,
            unreachable: HashSet::new(),
        });
        if !record.is_empty(now) {
            self.records.insert(request.key.clone(), record);
        }
        answer
    }

    fn acquire_all(&mut self, now: ServerTime, acquires: &[Acquire]) -> Option<FenceRange> {
        debug_assert!(
            acquires.iter().all(|acquire| acquire.ttl.as_millis() > 0),
            "the script refuses it"
        );
        let free = acquires.iter().all(|acquire| {
            self.records.get(&acquire.request.key).is_none_or(|record| record.is_empty(now))
        });
        let min_fence =
            acquires.iter().map(|acquire| acquire.request.min_fence).fold(Fence::ZERO, Ord::max);
        let size = u32::try_from(acquires.len()).ok().filter(|_| free)?;
        let tokens = self.tokens_for(&acquires.first()?.request.key);
        let fences = tokens.take_all(size, min_fence)?;
        let mut rest = fences;
        for acquire in acquires {
            let fence = rest.take()?;
            let (id, owner) = (acquire.request.id, acquire.owner.clone());
            let holder = HolderInfo { id, fence, owner, held_unix_ms: None };
            let fences = FenceRange::new(fence, 1);
            let inbox = acquire.inbox.clone();
            let hold = StoredHold::Ours { holder, fences, inbox, contended: false };
            let record = self.records.entry(acquire.request.key.clone()).or_default();
            record.put_hold(now, hold, acquire.ttl);
        }
        Some(fences)
    }

    fn renew(&mut self, now: ServerTime, entry: &Renewal) -> RenewalReply {
        match entry {
            Renewal::Hold { key, id, fence, ttl } => {
                let record = self.live(now, key).filter(|_| ttl.as_millis() > 0);
                let mine = record.filter(|record| record.held_with(*id, *fence));
                match mine.and_then(|record| record.extend_hold(now, *ttl)) {
                    Some(grant) if grant.contended => RenewalReply::RenewedContended,
                    Some(_) => RenewalReply::Renewed,
                    None => RenewalReply::NotHeld,
                }
            }
            Renewal::Waiter { key, id, lease } => {
                let record = self.live(now, key);
                let kept = record.and_then(|record| record.renew_waiter(now, *id, *lease));
                kept.unwrap_or(RenewalReply::AcquireAgain)
            }
        }
    }

    fn force_release(
        &mut self,
        now: ServerTime,
        key: &Arc<str>,
        fence: Fence,
        tombstone: Duration,
        publish: &mut Publish<'_>,
    ) -> bool {
        let Some(holder) = self.live(now, key).and_then(|record| record.holder()) else {
            return false;
        };
        let request = RequestRef {
            key: Arc::clone(key),
            id: holder.id,
            min_fence: Fence::ZERO,
            data_loss_grace: DataLossGrace { max_lease: Duration::ZERO, waits: true },
        };
        self.step(now, &request, publish, |mut step| step.force_release(fence, tombstone))
    }

    fn inspect(&mut self, now: ServerTime, key: &str, limit: u32) -> LockState {
        let tokens = *self.tokens_for(key);
        let empty = KeyState::default();
        let record: &KeyState = self.live(now, key).map_or(&empty, |record| record);
        let (waiting, mut waiters) = record.seen_waiters(now);
        waiters.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        LockState {
            holder: record.holder().cloned(),
            not_a_lock: record.hold.is_some() && record.holder().is_none(),
            left: record.hold_left(now),
            waiting,
            waiters,
            mark: tokens.drawn_by(),
            pause: tokens.pause(now),
        }
    }

    fn scan(&mut self, now: ServerTime) -> Page {
        let held = self.records.iter_mut().filter_map(|(key, record)| {
            record.expire(now);
            record.holder().map(|_| key.to_string())
        });
        Page { next: 0, keys: held.collect() }
    }

    fn probe(&mut self, now: ServerTime, probe: &Probe) -> ProbeReply {
        let Self { records, blocked, .. } = self;
        blocked.probe(now, probe, &mut |key| {
            let record = records.get_mut(key)?;
            record.expire(now);
            record.holder().map(|holder| holder.id)
        })
    }

    fn holder_of(&mut self, now: ServerTime, key: &str) -> Option<RequestId> {
        let holder = self.live(now, key)?.holder()?;
        (!holder.is_kept()).then_some(holder.id)
    }

    fn live(&mut self, now: ServerTime, key: &str) -> Option<&mut KeyState> {
        let record = self.records.get_mut(key)?;
        record.expire(now);
        Some(record)
    }

    /// Drops what has expired, often enough that the map holds at most twice what is live.
    fn sweep(&mut self, now: ServerTime) {
        const FEW: usize = 64;
        if self.records.len() >= self.sweep_at.max(FEW) {
            self.records.retain(|_, record| !record.is_empty(now));
            self.sweep_at = self.records.len() * 2;
        }
    }
}

/// Faults for tests and simulations, and checks that nothing is left.
#[cfg(any(test, distlock_verification, feature = "test-util"))]
impl MemoryStore {
    /// Forgets all data, as FLUSHALL does.
    pub fn flush(&mut self) {
        let (node, counter, max_lease) = (self.node.take(), self.counter.emptied(), self.max_lease);
        *self = Self { node, counter, max_lease, ..Self::default() };
    }

    /// The bound on all leases, as far as the server knows.
    #[cfg(any(test, distlock_verification))]
    #[must_use]
    pub fn max_lease(&self) -> Duration {
        self.max_lease.max(self.stored_max_lease)
    }

    /// Forgets what it knew of the longest lease, as SCRIPT FLUSH does.
    #[cfg(distlock_verification)]
    pub fn forget_scripts(&mut self) {
        self.max_lease = Duration::ZERO;
    }

    /// A client that has just found out loads its scripts again.
    #[cfg(distlock_verification)]
    pub fn load_scripts(&mut self, max_lease: Duration) {
        self.max_lease = self.max_lease.max(max_lease);
    }

    /// Deletes the hold of a lock, no matter which process has it.
    #[cfg(any(test, distlock_verification, feature = "test-util"))]
    pub fn delete_hold(&mut self, key: &str) {
        self.records.entry(key.into()).or_default().hold = None;
    }

    /// Deletes the queue of a lock, with all who wait in it and all tombstones.
    #[cfg(distlock_verification)]
    pub fn delete_queue(&mut self, key: &str) {
        self.records.entry(key.into()).or_default().queue = None;
    }

    /// Whether there is a fence counter, or the grace period after a data loss.
    #[cfg(distlock_verification)]
    #[must_use]
    pub const fn has_counter(&self) -> bool {
        !self.counter.is_missing()
    }

    /// Whether there are tokens of a slot.
    #[cfg(distlock_verification)]
    #[must_use]
    pub fn has_tokens(&self, slot: Slot) -> bool {
        self.slots.get(&slot).is_some_and(|tokens| !tokens.is_missing())
    }

    /// The mark of the master that draws the tokens of a slot.
    #[cfg(distlock_verification)]
    #[must_use]
    pub fn drawn_by(&self, slot: Slot) -> Option<Mark> {
        self.slots.get(&slot)?.drawn_by()
    }

    /// Deletes the fence counter.
    #[cfg(distlock_verification)]
    pub fn delete_counter(&mut self) {
        self.counter = self.counter.emptied();
    }

    /// Another server, which has the same data, is the master from now on. A client has to connect
    /// to it before it sends anything else.
    #[cfg(any(test, distlock_verification))]
    pub fn promote(&mut self, mark: u32) {
        self.set_mark(mark, self.node.is_some());
    }

    /// All slots are on another node from now on, which was its master from the beginning.
    #[cfg(test)]
    pub(crate) fn move_to(&mut self, mark: u32) {
        self.set_mark(mark, false);
    }

    #[cfg(any(test, distlock_verification))]
    fn set_mark(&mut self, mark: u32, was_replica: bool) {
        self.slots.values_mut().chain([&mut self.counter]).for_each(|tokens| {
            tokens.promote(mark.into(), was_replica);
        });
    }

    /// Another node has the slot from now on, with all that is in it.
    #[cfg(distlock_verification)]
    pub fn migrate(&mut self, slot: Slot, to: &mut Self) {
        let Some(space) = &self.node else { return };
        let keys: Vec<_> = self.records.keys().filter(|key| space.slot(key) == slot).collect();
        let keys: Vec<_> = keys.into_iter().cloned().collect();
        to.records.extend(keys.into_iter().filter_map(|key| self.records.remove_entry(&key)));
        if let Some(tokens) = self.slots.remove(&slot) {
            to.slots.insert(slot, tokens.on(&to.counter));
        }
    }

    /// Puts a key that is not a lock under the name of this lock, for good.
    #[cfg(any(test, distlock_verification))]
    pub fn put_not_a_lock(&mut self, key: &str) {
        let record = self.records.entry(key.into()).or_default();
        record.hold = Some(fence_counter::WithTtl::lasting(StoredHold::Foreign));
    }

    /// Puts the lock of another kind of client under the name of this lock.
    #[cfg(test)]
    pub fn put_other_client_lock(&mut self, now_us: u64, key: &str, ttl: Duration) {
        let record = self.records.entry(key.into()).or_default();
        record.put_hold(ServerTime::from_micros(now_us), StoredHold::Foreign, ttl);
    }

    /// Whether nothing is stored but the fence counter.
    #[cfg(any(test, distlock_verification))]
    #[must_use]
    pub fn is_empty(&self, now_us: u64) -> bool {
        let now = ServerTime::from_micros(now_us);
        self.records.values().all(|record| record.is_empty(now)) && self.blocked.is_empty(now)
    }
}

/// The requests that wait inside sections, and the search for a cycle among them: `probe.lua`.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitGraph {
    sections: HashMap<RequestId, BTreeMap<RequestId, WaitEntry>>,
}

#[derive(Clone, Debug)]
struct WaitEntry {
    registered_us: u64,
    since_us: u64,
    /// The number of a registration in a cluster.
    count: u64,
    target: WaitTarget,
    key: String,
    owner: OwnerInfo,
}

/// Returns which request holds a key.
pub(crate) type HolderOf<'a> = dyn FnMut(&str) -> Option<RequestId> + 'a;

impl WaitGraph {
    pub(crate) fn probe(
        &mut self,
        now: ServerTime,
        probe: &Probe,
        holder_of: &mut HolderOf<'_>,
    ) -> ProbeReply {
        self.expire(now);
        let at_us = now.micros();
        let known =
            probe.chain.iter().find_map(|section| self.sections.get(section)?.get(&probe.id));
        let since_us =
            known.map_or_else(|| at_us.saturating_sub(waited_us(probe)), |known| known.since_us);
        let entry = WaitEntry {
            registered_us: at_us,
            since_us,
            count: 0,
            target: probe.target,
            key: probe.key.clone(),
            owner: probe.owner.clone(),
        };
        for section in &probe.chain {
            self.sections.entry(*section).or_default().insert(probe.id, entry.clone());
        }
        let mut walk = CycleSearch {
            blocked: self,
            start: (since_us, probe.id),
            fresh_us: at_us.saturating_sub(micros(PROBE_TTL)),
            around: probe.chain.iter().copied().collect(),
            holder_of,
            seen: HashSet::from([probe.id]),
            way: Vec::new(),
        };
        walk.leads_back(probe.id, &entry);
        ProbeReply { at_us, cycle: walk.way }
    }

    /// As `register.lua`.
    fn register(
        &mut self,
        now: ServerTime,
        section: RequestId,
        id: RequestId,
        wait: Option<&RegisteredWait>,
    ) {
        let requests = self.sections.entry(section).or_default();
        requests.retain(|&other, entry| other != id && !entry.is_over(now));
        if let Some(RegisteredWait { count, target, key, owner }) = wait.cloned() {
            let (registered_us, key) = (now.micros(), key.to_string());
            requests
                .insert(id, WaitEntry { registered_us, since_us: 0, count, target, key, owner });
        } else if requests.is_empty() {
            self.sections.remove(&section);
        }
    }

    /// All that is registered under a section while one of it is not over.
    fn inside(&self, now: ServerTime, section: RequestId) -> Vec<BlockedWait> {
        let requests = self.sections.get(&section);
        let requests = requests.filter(|all| all.values().any(|entry| !entry.is_over(now)));
        let blocked = |(&id, entry): (&RequestId, &WaitEntry)| {
            let WaitEntry { registered_us: refreshed_us, count, target, key, owner, .. } =
                entry.clone();
            BlockedWait { request: BlockedRequest { id, refreshed_us, key, owner }, count, target }
        };
        requests.into_iter().flatten().map(blocked).collect()
    }

    #[cfg(any(test, distlock_verification))]
    pub(crate) fn is_empty(&self, now: ServerTime) -> bool {
        self.sections.values().flat_map(BTreeMap::values).all(|entry| entry.is_over(now))
    }

    fn expire(&mut self, now: ServerTime) {
        self.sections.retain(|_, requests| {
            requests.retain(|_, entry| !entry.is_over(now));
            !requests.is_empty()
        });
    }
}

impl WaitEntry {
    fn is_over(&self, now: ServerTime) -> bool {
        self.registered_us.saturating_add(micros(WAITER_LEASE)) < now.micros()
    }
}

fn waited_us(probe: &Probe) -> u64 {
    u64::try_from(probe.waited.as_micros()).unwrap_or(u64::MAX)
}

struct CycleSearch<'a, 'h> {
    blocked: &'a WaitGraph,
    start: (u64, RequestId),
    fresh_us: u64,
    around: HashSet<RequestId>,
    holder_of: &'a mut HolderOf<'h>,
    /// The probing request, and those that were visited.
    seen: HashSet<RequestId>,
    way: Vec<BlockedRequest>,
}

impl CycleSearch<'_, '_> {
    fn leads_back(&mut self, id: RequestId, entry: &WaitEntry) -> bool {
        let WaitEntry { registered_us: refreshed_us, key, owner, .. } = entry.clone();
        self.way.push(BlockedRequest { id, refreshed_us, key, owner });
        let Some(section) = self.blocked_by(id, entry) else {
            self.way.pop();
            return false;
        };
        if self.around.contains(&section) {
            return true;
        }
        let blocked = self.blocked;
        for (&other, next) in blocked.sections.get(&section).into_iter().flatten() {
            let room = count(self.seen.len()) <= u64::from(PROBE_LIMIT);
            if self.counts(other, next)
                && room
                && self.seen.insert(other)
                && self.leads_back(other, next)
            {
                return true;
            }
        }
        self.way.pop();
        false
    }

    fn blocked_by(&mut self, id: RequestId, entry: &WaitEntry) -> Option<RequestId> {
        match entry.target {
            WaitTarget::Section(section) => Some(section),
            WaitTarget::Key => (self.holder_of)(&entry.key).filter(|&holder| holder != id),
        }
    }

    fn counts(&self, id: RequestId, entry: &WaitEntry) -> bool {
        (entry.since_us, id) < self.start && entry.registered_us >= self.fresh_us
    }
}
