//! The requests that wait inside sections, and the search for a cycle among them: `probe.lua`.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::backend::memory::store::with_ttl::{ServerTime, count, micros};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::wire::limits::WAITER_LEASE;
use crate::wire::probe::{BlockedRequest, PROBE_LIMIT, PROBE_TTL, Probe, ProbeReply, WaitTarget};

/// Which requests are registered under which section.
#[derive(Debug, Default)]
pub(crate) struct WaitGraph {
    sections: HashMap<RequestId, BTreeMap<RequestId, WaitEntry>>,
}

#[derive(Clone, Debug)]
struct WaitEntry {
    registered_us: u64,
    since_us: u64,
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

    #[cfg(any(test, distlock_sim))]
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
