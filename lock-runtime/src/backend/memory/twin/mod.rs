//! The in-process twin of the scripts: the same decisions over a map instead of a server.
//!
//! It mirrors `acquire`, `acquire_all`, `release`, `cancel`, `renew`, `inspect`, `probe` and `open` of `wire/scripts` step by step, and what the store says
//! beside them when it connects:
//! every key with its expiry, the queue, the tombstones, the fence counter with its quarantine, the requests that
//! wait inside sections. Time comes in, nothing is random. A property test feeds random calls to this and to a real server and compares every reply and every
//! pushed grant; change a script and its twin together.
//!
//! Four shortcuts, none of which shows in a reply: the queue and the waiters' entries are one map here, because
//! on the server they are written and expire together; `acquire_free.lua` and `release_quiet.lua` are left out,
//! because they only shorten what the long scripts do anyway; a ttl below a millisecond, which the script refuses
//! with an error, is the caller's to refuse; the TTL of a section's hash is left out, because each of its fields
//! counts no longer than that.

pub(crate) mod blocked;
pub(crate) mod counter;
pub(crate) mod expiry;
#[cfg(any(test, distlock_sim, feature = "test-util"))]
mod harm;
pub(crate) mod record;
pub(crate) mod step;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::memory::twin::blocked::Blocked;
use crate::backend::memory::twin::counter::Counter;
use crate::backend::memory::twin::expiry::Stamp;
use crate::backend::memory::twin::record::{Hold, Record};
use crate::backend::memory::twin::step::Step;
use crate::types::fence::{Fence, FenceBlock};
use crate::types::owner_info::Holder;
use crate::wire::call::{Acquire, Call, Give, Renewal};
use crate::wire::keyspace::EVERYONE;
use crate::wire::probe::{Probe, Probed};
use crate::wire::reply::{Inspection, Notice, RenewalReply, Reply, Waiter};

/// How a process is told of something: its inbox and what; answers whether anybody listens there.
pub type Publish<'a> = dyn FnMut(&str, Notice) -> bool + 'a;

/// What a server knows about all locks, in memory.
#[derive(Debug, Default)]
pub struct Twin {
    counter: Counter,
    records: HashMap<Arc<str>, Record>,
    blocked: Blocked,
    sweep_at: usize,
    /// What the server's scripts say of the longest lease: they outlive its data.
    bound: Duration,
}

impl Twin {
    /// Does what the server does on this call at this instant, in microseconds of one clock that never goes
    /// back. What processes are told goes through `publish`.
    pub fn call(&mut self, now_us: u64, call: &Call, publish: &mut Publish<'_>) -> Reply {
        let now = Stamp::from_micros(now_us);
        self.sweep(now);
        match call {
            Call::Acquire(ask) => {
                Reply::Acquire(self.step(now, &ask.give, publish, |mut step| step.acquire(ask)))
            }
            Call::AcquireAll(asks) => Reply::AcquiredAll(self.acquire_all(now, asks)),
            Call::Free(give) | Call::Release(give) => {
                Reply::Ended(self.step(now, give, publish, |mut step| step.release()))
            }
            Call::Cancel { give, tombstone } => {
                Reply::Ended(self.step(now, give, publish, |mut step| step.cancel(*tombstone)))
            }
            Call::Renew(entries) => {
                Reply::Renewed(entries.iter().map(|entry| self.renew(now, entry)).collect())
            }
            Call::Raise(bound) => {
                self.raise(*bound, publish);
                Reply::Raised
            }
            Call::Inspect { key, limit } => Reply::Inspection(self.inspect(now, key, *limit)),
            Call::Probe(probe) => Reply::Probed(self.probe(now, probe)),
        }
    }

    /// Makes the fence counter if there is none, as `open.lua` does; whether it did.
    pub fn open(&mut self, now_us: u64, floor: Fence, longest: Duration, lost: bool) -> bool {
        self.counter.open(Stamp::from_micros(now_us), floor, longest, lost)
    }

    /// A client connects, as the Redis store does it. `acquainted`: it was connected before. Answers the bound on all leases.
    pub fn welcome(
        &mut self,
        now_us: u64,
        floor: Fence,
        bound: Duration,
        acquainted: bool,
        publish: &mut Publish<'_>,
    ) -> Duration {
        let lost = acquainted || floor > Fence::ZERO || !self.bound.is_zero();
        let known = bound.max(self.bound);
        self.open(now_us, floor, known, lost);
        if known > self.bound {
            self.raise(known, publish);
        }
        known
    }

    fn raise(&mut self, bound: Duration, publish: &mut Publish<'_>) {
        publish(EVERYONE, Notice::Bound(bound));
        self.bound = self.bound.max(bound);
    }

    fn step<T>(
        &mut self,
        now: Stamp,
        give: &Give,
        publish: &mut Publish<'_>,
        act: impl FnOnce(Step<'_, '_>) -> T,
    ) -> T {
        let mut record = self.records.remove(&give.key).unwrap_or_default();
        record.expire(now);
        let counter = &mut self.counter;
        let answer = act(Step { now, counter, record: &mut record, give, publish });
        if !record.is_empty(now) {
            self.records.insert(give.key.clone(), record);
        }
        answer
    }

    fn acquire_all(&mut self, now: Stamp, asks: &[Acquire]) -> Option<FenceBlock> {
        debug_assert!(asks.iter().all(|ask| ask.ttl.as_millis() > 0), "the script refuses it");
        let free = asks
            .iter()
            .all(|ask| self.live(now, &ask.give.key).is_none_or(|record| record.is_untouched()));
        let floor = asks.iter().map(|ask| ask.give.floor).fold(Fence::ZERO, Ord::max);
        let size = u32::try_from(asks.len()).ok().filter(|_| free)?;
        let fences = self.counter.take_all(size, floor)?;
        let mut rest = fences;
        for ask in asks {
            let fence = rest.take()?;
            let (nonce, who) = (ask.give.nonce, ask.who.clone());
            let holder = Holder { nonce, fence, who, held_unix_ms: None };
            let fences = FenceBlock::new(fence, 1);
            let inbox = ask.inbox.clone();
            let hold = Hold::Ours { holder, fences, inbox, waited_for: false };
            self.records.entry(ask.give.key.clone()).or_default().put_hold(now, hold, ask.ttl);
        }
        Some(fences)
    }

    fn renew(&mut self, now: Stamp, entry: &Renewal) -> RenewalReply {
        match entry {
            Renewal::Hold { key, nonce, ttl } => {
                let record = self.live(now, key);
                record.map_or(RenewalReply::Gone, |record| record.renew_hold(now, *nonce, *ttl))
            }
            Renewal::Waiter { key, nonce, lease } => {
                let record = self.live(now, key);
                let kept = record.and_then(|record| record.renew_waiter(now, *nonce, *lease));
                kept.unwrap_or(RenewalReply::Ask)
            }
        }
    }

    fn inspect(&mut self, now: Stamp, key: &str, limit: u32) -> Inspection {
        let empty = Record::default();
        let record: &Record = self.live(now, key).map_or(&empty, |record| record);
        let (waiting, live) = record.seen_waiters(now);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let waiters = live.into_iter().take(limit);
        Inspection {
            holder: record.holder().cloned(),
            foreign: matches!(record.hold(), Some(Hold::Foreign | Hold::OfOthers)),
            left: record.hold_left(now),
            waiting,
            waiters: waiters.map(|(nonce, who)| Waiter { nonce, who: who.clone() }).collect(),
        }
    }

    fn probe(&mut self, now: Stamp, probe: &Probe) -> Probed {
        let Self { records, blocked, .. } = self;
        blocked.probe(now, probe, &mut |key| {
            let record = records.get_mut(key)?;
            record.expire(now);
            record.holder().map(|holder| holder.nonce)
        })
    }

    fn live(&mut self, now: Stamp, key: &str) -> Option<&mut Record> {
        let record = self.records.get_mut(key)?;
        record.expire(now);
        Some(record)
    }

    /// Drops what has expired, often enough that the map holds at most twice what is live.
    fn sweep(&mut self, now: Stamp) {
        const FEW: usize = 64;
        if self.records.len() >= self.sweep_at.max(FEW) {
            self.records.retain(|_, record| !record.is_empty(now));
            self.sweep_at = self.records.len() * 2;
        }
    }
}
