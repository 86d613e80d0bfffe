//! Deadlock detection: probes for waits that are part of a cycle.
//!
//! The server stores the wait-for graph of all processes (`probe.lua`; edge chasing: Chandy, Misra
//! and Haas, "Distributed deadlock detection", 1983). Each probe registers its wait there. Only the
//! youngest member of a cycle finds it and becomes the victim, because it has done the least work.
//! One observation proves nothing: some of its edges may be gone, as a member that was granted its
//! lock or gave up stays registered for a while. The deadlock is reported when the same cycle is
//! seen again and each member has registered since the first observation. All of them were then
//! waiting at the time of that observation, and in a cycle no wait can end.

use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::commands::CommandKind;
use crate::protocol::request::Output;
use crate::protocol::timing::{PROBE_AFTER, Timers, spread};
use crate::types::request_id::{RequestId, RequestMap};
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe};
use crate::wire::reply::ProbeReply;

/// Well within the time for which a registered wait counts.
const PROBE_AGAIN: Duration = Duration::from_millis(300);
/// How soon a suspected cycle is checked again.
const CONFIRM: Duration = Duration::from_millis(100);

/// The waits that are probed.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    waits: RequestMap<ProbedWait>,
    timers: Timers,
}

#[derive(Debug, Default)]
struct ProbedWait {
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
        if let Entry::Vacant(vacant) = self.probes.waits.entry(id) {
            vacant.insert(ProbedWait::default());
            self.probes.schedule(id, now, PROBE_AFTER);
        }
    }

    /// The wait is over.
    pub fn stop_probing(&mut self, id: RequestId) {
        self.probes.take_up(id);
        self.probes.waits.remove(&id);
    }

    /// The answer to [`Output::Probe`]: what the request waits for now, and inside which sections.
    pub fn send_probe(&mut self, now: Timestamp, probe: Probe) {
        let id = probe.id;
        if self.server.down_since.is_some() {
            return self.probes.schedule(id, now, PROBE_AGAIN);
        }
        if self.probes.take_up(id) {
            self.send(now, CommandKind::Probe(id), Command::Probe(probe));
        }
    }

    pub(crate) fn probe_due(&mut self, now: Timestamp) {
        if self.server.down_since.is_some() {
            return;
        }
        while let Some(id) = self.probes.timers.first_due_by(now) {
            self.probes.take_up(id);
            self.outputs.push_back(Output::Probe(id));
        }
    }

    /// When the next probe is due; never without a connection.
    pub(crate) fn next_probe(&self) -> Option<Timestamp> {
        self.probes.timers.first().filter(|_| self.server.down_since.is_none())
    }

    pub(crate) fn probe_reply(&mut self, now: Timestamp, id: RequestId, probe_reply: ProbeReply) {
        let Some(wait) = self.probes.waits.get_mut(&id) else {
            return;
        };
        if wait.is_confirmed_by(&probe_reply) {
            self.stop_probing(id);
            return self.outputs.push_back(Output::Deadlock(id, probe_reply.cycle));
        }
        let after = if wait.suspect.is_some() { CONFIRM } else { PROBE_AGAIN };
        self.probes.schedule(id, now, after);
    }

    /// The server may have changed, and an observation counts by the clock of one server: discard
    /// it.
    pub(crate) fn probe_failed(&mut self, now: Timestamp, id: RequestId) {
        if let Some(wait) = self.probes.waits.get_mut(&id) {
            wait.suspect = None;
        }
        self.probes.schedule(id, now, PROBE_AGAIN);
    }
}

impl ProbedWait {
    /// Whether this is the cycle seen before and all its members have registered since. Remembers a
    /// cycle that is seen for the first time.
    fn is_confirmed_by(&mut self, &ProbeReply { at_us, ref cycle }: &ProbeReply) -> bool {
        // If a member registered in the future, the server's clock was set back and old entries
        // look new.
        let in_order = cycle.iter().all(|member| member.refreshed_us <= at_us);
        let ids: Vec<_> = cycle.iter().map(|member| member.id).collect();
        if let Some(first) = self.suspect.as_ref().filter(|first| first.ids == ids) {
            if in_order && cycle.iter().all(|member| member.refreshed_us > first.at_us) {
                return true;
            }
            if first.at_us <= at_us {
                return false;
            }
        }
        let is_cycle = in_order && !ids.is_empty();
        self.suspect = is_cycle.then_some(SuspectedCycle { at_us, ids });
        false
    }
}

impl Probes {
    fn schedule(&mut self, id: RequestId, now: Timestamp, after: Duration) {
        if let Some(wait) = self.waits.get_mut(&id) {
            let due = now.plus(spread(after, id));
            self.timers.set(id, &mut wait.due, Some(due));
        }
    }

    /// Removes the timer while a probe is in flight. Returns whether this wait is probed at all.
    fn take_up(&mut self, id: RequestId) -> bool {
        let wait = self.waits.get_mut(&id);
        wait.map(|wait| self.timers.set(id, &mut wait.due, None)).is_some()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
