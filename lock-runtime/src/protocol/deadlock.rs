//! Deadlock detection: probes for waits that are part of a cycle.
//!
//! The server stores the wait-for graph of all processes (`probe.lua`; edge chasing: Chandy, Misra
//! and Haas, "Distributed deadlock detection", 1983). Each probe registers its wait there. Only the
//! youngest member of a cycle finds it and becomes the victim, because it has done the least work.
//! One observation proves nothing: some of its edges may be gone, as a member that was granted its
//! lock or gave up stays registered for a while. The deadlock is reported when the same cycle is
//! seen again and each member has registered since the first observation. All of them were then
//! waiting at the time of that observation, and in a cycle no wait can end.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::commands::CommandKind;
use crate::protocol::request::GroupOutput;
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe};
use crate::wire::reply::{BlockedRequest, ProbeReply};

/// Most waits are over by then and need no probe.
pub(crate) const PROBE_AFTER: Duration = Duration::from_millis(200);
/// Well within the time for which a registered wait counts.
const PROBE_AGAIN: Duration = Duration::from_millis(300);
/// How soon a suspected cycle is checked again.
const CONFIRM: Duration = Duration::from_millis(100);

/// The waits that are probed.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    probes: RequestMap<Probe_>,
    timers: BTreeSet<(Timestamp, RequestId)>,
}

#[derive(Debug)]
struct Probe_ {
    /// When to probe next; `None` while a probe is under way.
    due: Option<Timestamp>,
    suspect: Option<SuspectedCycle>,
}

/// A cycle that was seen once.
#[derive(Debug)]
struct SuspectedCycle {
    at_us: u64,
    ids: Vec<RequestId>,
}

impl Protocol {
    /// Starts to probe a wait.
    pub fn start_probing(&mut self, now: Timestamp, id: RequestId) {
        if let Entry::Vacant(vacant) = self.probes.probes.entry(id) {
            vacant.insert(Probe_ { due: None, suspect: None });
            self.probes.schedule(id, now, PROBE_AFTER);
        }
    }

    /// The wait is over.
    pub fn stop_probing(&mut self, id: RequestId) {
        self.probes.remove(id);
    }

    /// The answer to [`GroupOutput::Probe`]: what the request waits for now, and inside which
    /// sections.
    pub fn send_probe(&mut self, now: Timestamp, probe: Probe) {
        let id = probe.id;
        if self.down_since.is_some() {
            return self.probes.schedule(id, now, PROBE_AGAIN);
        }
        if self.probes.take_up(id) {
            self.send(now, CommandKind::Probe(id), Command::Probe(probe));
        }
    }

    pub(crate) fn probe_due(&mut self, now: Timestamp) {
        if self.down_since.is_some() {
            return;
        }
        while let Some(id) = self.probes.next_due(now) {
            self.probes.take_up(id);
            self.signals.push_back(GroupOutput::Probe(id));
        }
    }

    /// When the next probe is due; never without a connection.
    pub(crate) fn next_probe(&self) -> Option<Timestamp> {
        let first = self.probes.timers.first().map(|&(due, _)| due);
        first.filter(|_| self.down_since.is_none())
    }

    pub(crate) fn probe_reply(&mut self, now: Timestamp, id: RequestId, probe_reply: ProbeReply) {
        let Some(probe) = self.probes.probes.get_mut(&id) else {
            return;
        };
        if probe.is_confirmed_by(&probe_reply) {
            self.probes.remove(id);
            return self.signals.push_back(GroupOutput::Deadlock(id, probe_reply.cycle));
        }
        let seen = probe.see(&probe_reply);
        self.probes.schedule(id, now, if seen { CONFIRM } else { PROBE_AGAIN });
    }

    /// The server may have changed, and an observation counts by the clock of one server: discard
    /// it.
    pub(crate) fn probe_failed(&mut self, now: Timestamp, id: RequestId) {
        if let Some(probe) = self.probes.probes.get_mut(&id) {
            probe.suspect = None;
        }
        self.probes.schedule(id, now, PROBE_AGAIN);
    }
}

impl Probe_ {
    /// Whether this is the cycle seen before and all its members have registered since.
    fn is_confirmed_by(&self, probe_reply: &ProbeReply) -> bool {
        let Some(first) = self.suspect.as_ref().filter(|first| first.shows(&probe_reply.cycle))
        else {
            return false;
        };
        let since = |member: &BlockedRequest| member.refreshed_us > first.at_us;
        is_in_order(probe_reply) && probe_reply.cycle.iter().all(since)
    }

    /// Remembers a cycle that is seen for the first time. Returns whether there is one.
    fn see(&mut self, probe_reply: &ProbeReply) -> bool {
        let known = self.suspect.as_ref().is_some_and(|first| {
            // If the clock was set back since, old registrations would look new.
            first.shows(&probe_reply.cycle) && first.at_us <= probe_reply.at_us
        });
        if !known {
            let ids: Vec<_> = probe_reply.cycle.iter().map(|member| member.id).collect();
            let sighted = !ids.is_empty() && is_in_order(probe_reply);
            self.suspect = sighted.then_some(SuspectedCycle { at_us: probe_reply.at_us, ids });
        }
        self.suspect.is_some()
    }
}

/// Whether no member registered in the future. If one did, the server's clock was set back and old
/// entries look new.
fn is_in_order(probe_reply: &ProbeReply) -> bool {
    probe_reply.cycle.iter().all(|member| member.refreshed_us <= probe_reply.at_us)
}

impl SuspectedCycle {
    fn shows(&self, cycle: &[BlockedRequest]) -> bool {
        self.ids.iter().eq(cycle.iter().map(|member| &member.id))
    }
}

impl Probes {
    fn next_due(&self, now: Timestamp) -> Option<RequestId> {
        self.timers.first().filter(|&&(due, _)| due <= now).map(|&(_, id)| id)
    }

    /// Spread by a tenth either way with the bits of the id, so that waits of one moment drift
    /// apart.
    fn schedule(&mut self, id: RequestId, now: Timestamp, after: Duration) {
        let Some(probe) = self.probes.get_mut(&id) else {
            return;
        };
        let due = now.plus(after * 9 / 10 + after / 5 * u32::from(id.jitter()) / 255);
        if let Some(old) = probe.due.replace(due) {
            self.timers.remove(&(old, id));
        }
        self.timers.insert((due, id));
    }

    /// Removes the timer while a probe is in flight. Returns whether this wait is probed at all.
    fn take_up(&mut self, id: RequestId) -> bool {
        let Some(probe) = self.probes.get_mut(&id) else {
            return false;
        };
        if let Some(due) = probe.due.take() {
            self.timers.remove(&(due, id));
        }
        true
    }

    fn remove(&mut self, id: RequestId) {
        self.take_up(id);
        self.probes.remove(&id);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
