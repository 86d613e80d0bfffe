//! The watch over waits that may never end: those for a lock that waits, over others, for the waiting request itself.
//!
//! The server holds the wait-for graph of all processes (`probe.lua`; edge chasing: Chandy, Misra and Haas,
//! "Distributed deadlock detection", 1983). A watched wait is registered there by every probe and found in a cycle by
//! the youngest member of it alone, which is the victim: it has done the least. One sighting proves nothing, as some
//! of its edges may be gone already: a member that was granted its lock or gave up stays registered for a while. So
//! the verdict needs the same cycle again, each member registered anew after the first sighting. At the instant of
//! that sighting all of them then waited, and in a cycle nobody gets what he waits for.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::protocol::machine::{Machine, Purpose};
use crate::protocol::signal::Signal;
use crate::types::request_id::{Nonce, NonceMap};
use crate::types::time::Timestamp;
use crate::wire::call::Call;
use crate::wire::probe::{Member, Probe, Probed};

/// Most waits are over by then and cost no probe.
pub(crate) const PROBE_AFTER: Duration = Duration::from_millis(200);
/// Well within the time that a registered request counts.
const PROBE_AGAIN: Duration = Duration::from_millis(300);
/// How soon a cycle is looked at again.
const CONFIRM: Duration = Duration::from_millis(100);

/// The waits that are watched.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watches: NonceMap<Watch>,
    timers: BTreeSet<(Timestamp, Nonce)>,
}

#[derive(Debug)]
struct Watch {
    /// When to probe next; `None` while a probe is under way.
    due: Option<Timestamp>,
    sighting: Option<Sighting>,
}

/// A cycle that was seen and not confirmed yet.
#[derive(Debug)]
struct Sighting {
    at_us: u64,
    ids: Vec<Nonce>,
}

impl Machine {
    /// Begins to watch a wait.
    pub fn watch(&mut self, now: Timestamp, id: Nonce) {
        if let Entry::Vacant(vacant) = self.watches.watches.entry(id) {
            vacant.insert(Watch { due: None, sighting: None });
            self.watches.schedule(id, now, PROBE_AFTER);
        }
    }

    /// The wait is over.
    pub fn unwatch(&mut self, id: Nonce) {
        self.watches.remove(id);
    }

    /// The answer to [`Signal::Probe`]: what the request waits for now, and inside of what.
    pub fn probe(&mut self, now: Timestamp, probe: Probe) {
        let id = probe.id;
        if self.down_since.is_some() {
            return self.watches.schedule(id, now, PROBE_AGAIN);
        }
        if self.watches.take_up(id) {
            self.send(now, Purpose::Probe(id), Call::Probe(probe));
        }
    }

    pub(crate) fn probe_due(&mut self, now: Timestamp) {
        if self.down_since.is_some() {
            return;
        }
        while let Some(id) = self.watches.next_due(now) {
            self.watches.take_up(id);
            self.signals.push_back(Signal::Probe(id));
        }
    }

    /// When the next probe is due; never without a connection.
    pub(crate) fn next_probe(&self) -> Option<Timestamp> {
        let first = self.watches.timers.first().map(|&(due, _)| due);
        first.filter(|_| self.down_since.is_none())
    }

    pub(crate) fn probed(&mut self, now: Timestamp, id: Nonce, probed: Probed) {
        let Some(watch) = self.watches.watches.get_mut(&id) else {
            return;
        };
        if watch.is_confirmed_by(&probed) {
            self.watches.remove(id);
            return self.signals.push_back(Signal::Deadlock(id, probed.cycle));
        }
        let seen = watch.see(&probed);
        self.watches.schedule(id, now, if seen { CONFIRM } else { PROBE_AGAIN });
    }

    /// Nobody knows what the server did, or which server will be asked next: a sighting of this one's clock is void.
    pub(crate) fn probe_failed(&mut self, now: Timestamp, id: Nonce) {
        if let Some(watch) = self.watches.watches.get_mut(&id) {
            watch.sighting = None;
        }
        self.watches.schedule(id, now, PROBE_AGAIN);
    }
}

impl Watch {
    /// Whether this is the cycle seen before and all its members have registered since.
    fn is_confirmed_by(&self, probed: &Probed) -> bool {
        let Some(first) = self.sighting.as_ref().filter(|first| first.shows(&probed.cycle)) else {
            return false;
        };
        let since = |member: &Member| member.refreshed_us > first.at_us;
        is_in_order(probed) && probed.cycle.iter().all(since)
    }

    /// Remembers the first sighting of a cycle; whether there is one.
    fn see(&mut self, probed: &Probed) -> bool {
        let known = self.sighting.as_ref().is_some_and(|first| {
            // A clock that was set back since would have its past count as what came after.
            first.shows(&probed.cycle) && first.at_us <= probed.at_us
        });
        if !known {
            let ids: Vec<_> = probed.cycle.iter().map(|member| member.id).collect();
            let sighted = !ids.is_empty() && is_in_order(probed);
            self.sighting = sighted.then_some(Sighting { at_us: probed.at_us, ids });
        }
        self.sighting.is_some()
    }
}

/// Whether nobody registered later than now: else the server's clock was set back, and what is old looks new.
fn is_in_order(probed: &Probed) -> bool {
    probed.cycle.iter().all(|member| member.refreshed_us <= probed.at_us)
}

impl Sighting {
    fn shows(&self, cycle: &[Member]) -> bool {
        self.ids.iter().eq(cycle.iter().map(|member| &member.id))
    }
}

impl Watches {
    fn next_due(&self, now: Timestamp) -> Option<Nonce> {
        self.timers.first().filter(|&&(due, _)| due <= now).map(|&(_, id)| id)
    }

    /// Spread by a tenth either way with the bits of the id, so that waits of one moment drift apart.
    fn schedule(&mut self, id: Nonce, now: Timestamp, after: Duration) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        let due = now.plus(after * 9 / 10 + after / 5 * u32::from(id.jitter()) / 255);
        if let Some(old) = watch.due.replace(due) {
            self.timers.remove(&(old, id));
        }
        self.timers.insert((due, id));
    }

    /// Takes the timer out while somebody is at work on this watch; whether it is watched at all.
    fn take_up(&mut self, id: Nonce) -> bool {
        let Some(watch) = self.watches.get_mut(&id) else {
            return false;
        };
        if let Some(due) = watch.due.take() {
            self.timers.remove(&(due, id));
        }
        true
    }

    fn remove(&mut self, id: Nonce) {
        self.take_up(id);
        self.watches.remove(&id);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
