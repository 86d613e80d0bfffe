//! Whether whoever was told of a deadlock had ever waited for itself.

use std::collections::{BTreeMap, BTreeSet};

use checker::{Event, EventKind, Property, Refusal, Request, Violation};

use crate::stage::TaskId;

/// Deadlocks that were told of without a circle of waits at any instant of the wait. A request is taken to be inside of all that
/// its task has entered, siblings' sections too: so a circle may be seen that is none, and never none where there is one.
pub(super) fn false_verdicts(events: &[Event]) -> Vec<Violation> {
    let told = events.iter().enumerate().filter_map(|(place, event)| match event.kind {
        EventKind::Refused { request, why: Refusal::Deadlock } => Some((place, request)),
        _ => None,
    });
    told.filter_map(|(place, request)| false_verdict(&events[..place], request)).collect()
}

fn false_verdict(before: &[Event], request: Request) -> Option<Violation> {
    let asks = |event: &Event| matches!(event.kind, EventKind::Requested { request: asked, .. } if asked == request);
    let asked = before.iter().position(asks)?;
    let mut waits = Waits::default();
    let mut in_circle = false;
    for (place, event) in before.iter().enumerate() {
        waits.take_in(event);
        // A circle closes with a wait that begins.
        let begins = matches!(event.kind, EventKind::Requested { .. });
        in_circle |= place >= asked && begins && waits.is_in_circle(request);
    }
    (!in_circle).then(|| Violation {
        property: Property::Deadline,
        at: before[asked].at,
        text: format!("#{request} was told that it waits for itself, and never did"),
        requests: vec![request],
    })
}

/// Who waits and who is inside, at one instant.
#[derive(Default)]
struct Waits {
    /// The key that each waiting request wants, and its task.
    waiting: BTreeMap<Request, (u32, TaskId)>,
    /// The same of each that is inside.
    inside: BTreeMap<Request, (u32, TaskId)>,
}

impl Waits {
    fn take_in(&mut self, event: &Event) {
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

    fn is_in_circle(&self, start: Request) -> bool {
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

    /// The tasks inside of sections of this key.
    fn holders(&self, key: u32) -> Vec<TaskId> {
        let held = self.inside.values().filter(|(inside, _)| *inside == key);
        held.map(|&(_, task)| task).collect()
    }
}
