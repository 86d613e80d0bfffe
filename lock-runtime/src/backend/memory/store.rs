//! The in-memory equivalent of the Lua scripts: the same decisions over a map instead of a server.
//!
//! It mirrors `acquire`, `acquire_all`, `release`, `cancel`, `renew`, `inspect`, `probe` and `open`
//! of `wire/scripts` step by step, and what the Redis backend does at connect: keys with expiry,
//! the queue, tombstones, the fence counter with its data-loss grace period, and the wait-for
//! graph. Time is an argument, nothing is random. A parity test sends random commands to this and
//! to a real server and compares every reply and notification. Change a script and its equivalent
//! together.
//!
//! Four simplifications, none of which shows in a reply: the queue and its entries are one map,
//! because on the server they are written and expire together; `acquire_free.lua` and
//! `release_quiet.lua` are missing, because they only shorten what the long scripts do; a ttl below
//! a millisecond, which the script refuses, is the caller's to refuse; and the TTL of a section's
//! hash is missing, because none of its fields counts longer.

pub(crate) mod fence_counter;
pub(crate) mod key_op;
pub(crate) mod key_state;
#[cfg(any(test, distlock_sim, feature = "test-util"))]
mod test_faults;
pub(crate) mod wait_graph;
pub(crate) mod with_ttl;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::store::fence_counter::FenceCounter;
use crate::backend::memory::store::key_op::{KeyOp, Publish};
use crate::backend::memory::store::key_state::{KeyState, StoredHold};
use crate::backend::memory::store::wait_graph::WaitGraph;
use crate::backend::memory::store::with_ttl::ServerTime;
use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::HolderInfo;
use crate::wire::command::{Acquire, Command, Renewal, RequestRef};
use crate::wire::keyspace::EVERYONE;
use crate::wire::probe::{Probe, ProbeReply};
use crate::wire::reply::{LockState, Notification, RenewalReply, Reply, WaiterInfo};

/// All locks of a server, in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    counter: FenceCounter,
    records: HashMap<Arc<str>, KeyState>,
    blocked: WaitGraph,
    sweep_at: usize,
    /// The longest lease, which outlives the data.
    max_lease: Duration,
}

impl MemoryStore {
    /// Executes a command at this instant, in microseconds of a clock that never goes back.
    /// Notifications go through `publish`.
    pub fn call(&mut self, now_us: u64, call: &Command, publish: &mut Publish<'_>) -> Reply {
        let now = ServerTime::from_micros(now_us);
        self.sweep(now);
        match call {
            Command::Acquire(acquire) => {
                Reply::Acquire(
                    self.step(now, &acquire.request, publish, |mut step| step.acquire(acquire)),
                )
            }
            Command::AcquireAll(acquires) => Reply::AcquiredAll(self.acquire_all(now, acquires)),
            Command::Free(request) | Command::Release(request) => {
                Reply::Released(self.step(now, request, publish, |mut step| step.release()))
            }
            Command::Cancel { request, tombstone } => {
                Reply::Released(
                    self.step(now, request, publish, |mut step| step.cancel(*tombstone)),
                )
            }
            Command::Renew(entries) => {
                Reply::Renewed(entries.iter().map(|entry| self.renew(now, entry)).collect())
            }
            Command::RaiseMaxLease(max_lease) => {
                self.raise(*max_lease, publish);
                Reply::MaxLeaseRaised
            }
            Command::Inspect { key, limit } => Reply::Inspection(self.inspect(now, key, *limit)),
            Command::Probe(probe) => Reply::Probed(self.probe(now, probe)),
        }
    }

    /// Makes the fence counter if there is none, as `open.lua` does; whether it did.
    pub fn open(&mut self, now_us: u64, min_fence: Fence, longest: Duration, lost: bool) -> bool {
        self.counter.open(ServerTime::from_micros(now_us), min_fence, longest, lost)
    }

    /// A client connects, as with Redis. `connected_before`: it was connected earlier. Returns the
    /// longest lease.
    pub fn welcome(
        &mut self,
        now_us: u64,
        min_fence: Fence,
        max_lease: Duration,
        connected_before: bool,
        publish: &mut Publish<'_>,
    ) -> Duration {
        let lost = connected_before || min_fence > Fence::ZERO || !self.max_lease.is_zero();
        let known = max_lease.max(self.max_lease);
        self.open(now_us, min_fence, known, lost);
        if known > self.max_lease {
            self.raise(known, publish);
        }
        known
    }

    fn raise(&mut self, max_lease: Duration, publish: &mut Publish<'_>) {
        publish(EVERYONE, Notification::MaxLease(max_lease));
        self.max_lease = self.max_lease.max(max_lease);
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
        let counter = &mut self.counter;
        let answer = act(KeyOp { now, counter, record: &mut record, request, publish });
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
            self.live(now, &acquire.request.key).is_none_or(|record| record.is_untouched())
        });
        let min_fence =
            acquires.iter().map(|acquire| acquire.request.min_fence).fold(Fence::ZERO, Ord::max);
        let size = u32::try_from(acquires.len()).ok().filter(|_| free)?;
        let fences = self.counter.take_all(size, min_fence)?;
        let mut rest = fences;
        for acquire in acquires {
            let fence = rest.take()?;
            let (id, owner) = (acquire.request.id, acquire.owner.clone());
            let holder = HolderInfo { id, fence, owner, held_unix_ms: None };
            let fences = FenceRange::new(fence, 1);
            let inbox = acquire.inbox.clone();
            let hold = StoredHold::Ours { holder, fences, inbox, contended: false };
            self.records.entry(acquire.request.key.clone()).or_default().put_hold(
                now,
                hold,
                acquire.ttl,
            );
        }
        Some(fences)
    }

    fn renew(&mut self, now: ServerTime, entry: &Renewal) -> RenewalReply {
        match entry {
            Renewal::Hold { key, id, ttl } => {
                let record = self.live(now, key);
                record.map_or(RenewalReply::NotHeld, |record| record.renew_hold(now, *id, *ttl))
            }
            Renewal::Waiter { key, id, lease } => {
                let record = self.live(now, key);
                let kept = record.and_then(|record| record.renew_waiter(now, *id, *lease));
                kept.unwrap_or(RenewalReply::AcquireAgain)
            }
        }
    }

    fn inspect(&mut self, now: ServerTime, key: &str, limit: u32) -> LockState {
        let empty = KeyState::default();
        let record: &KeyState = self.live(now, key).map_or(&empty, |record| record);
        let (waiting, live) = record.seen_waiters(now);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let waiters = live.into_iter().take(limit);
        LockState {
            holder: record.holder().cloned(),
            not_a_lock: matches!(
                record.hold(),
                Some(StoredHold::NotALock | StoredHold::OtherClientLock)
            ),
            left: record.hold_left(now),
            waiting,
            waiters: waiters.map(|(id, owner)| WaiterInfo { id, owner: owner.clone() }).collect(),
        }
    }

    fn probe(&mut self, now: ServerTime, probe: &Probe) -> ProbeReply {
        let Self { records, blocked, .. } = self;
        blocked.probe(now, probe, &mut |key| {
            let record = records.get_mut(key)?;
            record.expire(now);
            record.holder().map(|holder| holder.id)
        })
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
