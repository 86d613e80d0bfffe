//! The requests that wait inside sections, and the search for a cycle among them: `probe.lua`.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::backend::memory::twin::expiry::{Stamp, count, micros};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::Nonce;
use crate::wire::call::WAITER_LEASE;
use crate::wire::probe::{Member, PROBE_FRESH, PROBE_LIMIT, Probe, Probed, Target};

/// Which requests are registered under which section.
#[derive(Debug, Default)]
pub(crate) struct Blocked {
    sections: HashMap<Nonce, BTreeMap<Nonce, Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    registered_us: u64,
    since_us: u64,
    target: Target,
    key: String,
    who: OwnerInfo,
}

/// Says which request holds a key.
pub(crate) type HolderOf<'a> = dyn FnMut(&str) -> Option<Nonce> + 'a;

impl Blocked {
    pub(crate) fn probe(
        &mut self,
        now: Stamp,
        probe: &Probe,
        holder_of: &mut HolderOf<'_>,
    ) -> Probed {
        self.expire(now);
        let at_us = now.micros();
        let known =
            probe.chain.iter().find_map(|section| self.sections.get(section)?.get(&probe.id));
        let since_us =
            known.map_or_else(|| at_us.saturating_sub(waited_us(probe)), |known| known.since_us);
        let entry = Entry {
            registered_us: at_us,
            since_us,
            target: probe.target,
            key: probe.key.clone(),
            who: probe.who.clone(),
        };
        for section in &probe.chain {
            self.sections.entry(*section).or_default().insert(probe.id, entry.clone());
        }
        let mut walk = Walk {
            blocked: self,
            start: (since_us, probe.id),
            fresh_us: at_us.saturating_sub(micros(PROBE_FRESH)),
            around: probe.chain.iter().copied().collect(),
            holder_of,
            seen: HashSet::from([probe.id]),
            way: Vec::new(),
        };
        walk.leads_back(probe.id, &entry);
        Probed { at_us, cycle: walk.way }
    }

    #[cfg(any(test, distlock_sim))]
    pub(crate) fn is_empty(&self, now: Stamp) -> bool {
        self.sections.values().flat_map(BTreeMap::values).all(|entry| entry.is_over(now))
    }

    fn expire(&mut self, now: Stamp) {
        self.sections.retain(|_, requests| {
            requests.retain(|_, entry| !entry.is_over(now));
            !requests.is_empty()
        });
    }
}

impl Entry {
    fn is_over(&self, now: Stamp) -> bool {
        self.registered_us.saturating_add(micros(WAITER_LEASE)) < now.micros()
    }
}

fn waited_us(probe: &Probe) -> u64 {
    u64::try_from(probe.waited.as_micros()).unwrap_or(u64::MAX)
}

struct Walk<'a, 'h> {
    blocked: &'a Blocked,
    start: (u64, Nonce),
    fresh_us: u64,
    around: HashSet<Nonce>,
    holder_of: &'a mut HolderOf<'h>,
    /// The asking request, and those that were visited.
    seen: HashSet<Nonce>,
    way: Vec<Member>,
}

impl Walk<'_, '_> {
    fn leads_back(&mut self, id: Nonce, entry: &Entry) -> bool {
        let Entry { registered_us: refreshed_us, key, who, .. } = entry.clone();
        self.way.push(Member { id, refreshed_us, key, who });
        let Some(section) = self.obstacle(id, entry) else {
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

    fn obstacle(&mut self, id: Nonce, entry: &Entry) -> Option<Nonce> {
        match entry.target {
            Target::Section(section) => Some(section),
            Target::Key => (self.holder_of)(&entry.key).filter(|&holder| holder != id),
        }
    }

    fn counts(&self, id: Nonce, entry: &Entry) -> bool {
        (entry.since_us, id) < self.start && entry.registered_us >= self.fresh_us
    }
}
