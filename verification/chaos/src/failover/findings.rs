//! What the history of a failover shows, beside the properties of the checker.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use checker::{Event, EventKind, Nanos, Request};

use super::FailoverKind;
use super::servers::Switch;
use crate::workers::LEADER;

#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Holds of before the failover that were not released when the new primary was named.
    pub(super) across: u64,
    /// Those that were lost although their processes reached the new primary.
    pub(super) lost: u64,
    /// Writes that the register refused: storage without tokens accepts them.
    pub(super) late: u64,
    /// Writes that it accepted although a later hold had written.
    pub(super) accepted: u64,
    /// How much longer than its wait a call took.
    pub(super) overrun: Duration,
    /// From the first write that the new primary accepts, and from when clients could know of it,
    /// to its first grant.
    pub(super) resumed: Option<(Duration, Duration)>,
    /// From the fault to the first grant of the new primary.
    pub(super) without_grants: Duration,
    /// What has to hold and did not.
    pub(super) wrong: Vec<String>,
    stale: HashSet<Request>,
}

/// The tokens of two primaries are further apart: each starts a second ahead of its clock.
pub(crate) const APART_US: u64 = 20_000;

struct Call {
    process: u32,
    key: u32,
    requested: Nanos,
    deadline: Option<Nanos>,
    fence: u64,
    acquired: Option<Nanos>,
    lost: bool,
    released: Option<Nanos>,
}

impl Findings {
    pub(super) fn of(
        kind: FailoverKind,
        resumes_within: Duration,
        switch: &Switch,
        history: &[Event],
    ) -> Self {
        let mut sorted: Vec<_> = history.iter().collect();
        sorted.sort_by_key(|event| event.at);
        let mut found = Self::default();
        let calls = found.calls(&sorted);
        found.holds(kind, switch, &calls);
        let within = kind.is_followed_by_a_pause().then_some(resumes_within);
        found.resumption(within, switch, &calls);
        found.writes(&sorted, &calls);
        found
    }

    /// Whether an old primary granted it after the new one had granted the same lock.
    pub(super) fn is_stale(&self, request: Request) -> bool {
        self.stale.contains(&request)
    }

    fn calls(&mut self, sorted: &[&Event]) -> HashMap<Request, Call> {
        let mut calls = HashMap::new();
        for Event { at, process, kind, .. } in sorted {
            if let EventKind::Requested { request, key, deadline, .. } = *kind {
                let (acquired, released) = (None, None);
                let requested = *at;
                let call = Call {
                    process: *process,
                    key,
                    requested,
                    deadline,
                    fence: 0,
                    acquired,
                    lost: false,
                    released,
                };
                calls.insert(request, call);
            }
            let Some(call) = kind.request().and_then(|request| calls.get_mut(&request)) else {
                continue;
            };
            match *kind {
                EventKind::Acquired { fence, .. } => {
                    call.fence = fence;
                    call.acquired = Some(*at);
                }
                EventKind::LossReported { .. } => call.lost = true,
                EventKind::Released { .. } => call.released = Some(*at),
                _ => {}
            }
            let ends = matches!(kind, EventKind::Acquired { .. } | EventKind::Refused { .. });
            if let Some(deadline) = call.deadline.filter(|_| ends) {
                let over = Duration::from_nanos(at.saturating_sub(deadline));
                self.overrun = self.overrun.max(over);
            }
        }
        calls
    }

    fn holds(&mut self, kind: FailoverKind, switch: &Switch, calls: &HashMap<Request, Call>) {
        let mut acquired: Vec<_> = calls.values().filter(|call| call.acquired.is_some()).collect();
        acquired.sort_by_key(|call| call.acquired);
        for (&request, call) in calls {
            let Some(at) = call.acquired else { continue };
            let before = acquired.partition_point(|other| other.acquired < Some(call.requested));
            let of_key = acquired[..before].iter().filter(|other| other.key == call.key);
            if of_key.map(|other| other.fence).max() > Some(call.fence + APART_US) {
                self.stale.insert(request);
            }
            let is_cut_off = kind.is_partition() && call.process == 1;
            let is_across =
                at < switch.fault && call.released.is_none_or(|released| released > switch.named);
            if is_across && !is_cut_off {
                self.across += 1;
                self.lost += u64::from(call.lost);
            }
        }
        if self.lost > 0 {
            self.wrong.push(format!("{} holds of before were lost", self.lost));
        }
    }

    fn resumption(
        &mut self,
        within: Option<Duration>,
        switch: &Switch,
        calls: &HashMap<Request, Call>,
    ) {
        let of_new = |call: &&Call| {
            let is_above = call.fence > switch.clock_us;
            is_above && switch.keys.contains(&call.key) && call.process != LEADER
        };
        let first = calls.values().filter(of_new).filter_map(|call| call.acquired).min();
        let Some(first) = first else {
            self.wrong.push("the new primary granted nothing".to_owned());
            return;
        };
        let since = |at: Nanos| Duration::from_nanos(first.saturating_sub(at));
        self.resumed = Some((since(switch.accepts), since(switch.named)));
        self.without_grants = since(switch.fault);
        if within.is_some_and(|within| since(switch.named) > within) {
            self.wrong.push(format!("the first grant came {:?} later", since(switch.named)));
        }
    }

    fn writes(&mut self, sorted: &[&Event], calls: &HashMap<Request, Call>) {
        // By key: when the latest of the holds that have written was requested.
        let mut latest: BTreeMap<u32, Nanos> = BTreeMap::new();
        for event in sorted {
            let EventKind::RegisterWrite { request, accepted } = event.kind else { continue };
            let Some(call) = calls.get(&request) else { continue };
            self.late += u64::from(!accepted);
            if !accepted || self.stale.contains(&request) {
                continue;
            }
            let before = latest.entry(call.key).or_default();
            if call.acquired.is_some_and(|acquired| acquired < *before) {
                self.accepted += 1;
            }
            *before = call.requested.max(*before);
        }
        if self.accepted > 0 {
            self.wrong.push(format!("{} writes of earlier holds were accepted", self.accepted));
        }
    }
}
