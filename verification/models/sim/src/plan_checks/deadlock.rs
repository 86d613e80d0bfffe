//! Whether each reported deadlock was real.

use std::collections::{BTreeMap, BTreeSet};

use checker::{Event, EventKind, Property, Refusal, Request, Violation};

use crate::context::TaskId;

/// Deadlocks that were reported although no cycle of waits existed at any instant of the wait. A
/// request counts as nested in everything that its task has acquired, including siblings' sections.
/// So this check may see a cycle that is none, and never misses one.
pub(super) fn false_deadlocks(events: &[Event]) -> Vec<Violation> {
    let reported = events.iter().enumerate().filter_map(|(place, event)| match event.kind {
        EventKind::Refused { request, why: Refusal::Deadlock } => Some((place, request)),
        _ => None,
    });
    reported.filter_map(|(place, request)| false_deadlock(&events[..place], request)).collect()
}

fn false_deadlock(before: &[Event], request: Request) -> Option<Violation> {
    let asks = |event: &Event| match event.kind {
        EventKind::Requested { request: asked, .. } => asked == request,
        _ => false,
    };
    let asked = before.iter().position(asks)?;
    let mut waits = Waits::default();
    let mut in_cycle = false;
    for (place, event) in before.iter().enumerate() {
        waits.record(event);
        // A cycle closes when a wait begins.
        let begins = matches!(event.kind, EventKind::Requested { .. });
        in_cycle |= place >= asked && begins && waits.is_in_cycle(request);
    }
    (!in_cycle).then(|| Violation {
        property: Property::Deadline,
        at: before[asked].at,
        text: format!("#{request} failed with a deadlock, but there was no cycle"),
        requests: vec![request],
    })
}

/// The waiting requests and the running sections at one instant.
#[derive(Default)]
struct Waits {
    /// The key and the task of each waiting request.
    waiting: BTreeMap<Request, (u32, TaskId)>,
    /// The same of each running section.
    inside: BTreeMap<Request, (u32, TaskId)>,
}

impl Waits {
    fn record(&mut self, event: &Event) {
        match event.kind {
            EventKind::Requested { request, key, .. } => {
                self.waiting.insert(request, (key, (event.process, event.task)));
            }
            EventKind::Acquired { request, .. } => {
                let entered = self.waiting.remove(&request);
                self.inside.extend(entered.map(|entered| (request, entered)));
            }
            EventKind::Refused { request, .. }
            | EventKind::Cancelled { request }
            | EventKind::Released { request } => {
                self.waiting.remove(&request);
                self.inside.remove(&request);
            }
            EventKind::Crashed => {
                let gone = |(_, task): &(u32, TaskId)| task.0 == event.process;
                self.waiting.retain(|_, wait| !gone(wait));
            }
            _ => {}
        }
    }

    fn is_in_cycle(&self, start: Request) -> bool {
        let Some(&(key, home)) = self.waiting.get(&start) else { return false };
        let mut seen = BTreeSet::new();
        let mut next = self.holders(key);
        while let Some(task) = next.pop() {
            if task == home {
                return true;
            }
            if seen.insert(task) {
                let waits = self.waiting.values().filter(|(_, waiter)| *waiter == task);
                next.extend(waits.flat_map(|&(key, _)| self.holders(key)));
            }
        }
        false
    }

    /// The tasks that run sections of this key.
    fn holders(&self, key: u32) -> Vec<TaskId> {
        let held = self.inside.values().filter(|(inside, _)| *inside == key);
        held.map(|&(_, task)| task).collect()
    }
}
