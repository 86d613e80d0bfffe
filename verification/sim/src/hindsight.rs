//! What a history shows to whoever knows its plan, beside what the checker proves of any.

mod circle;

use checker::{Event, EventKind, Nanos, Property, Request, Violation};
use distlock_runtime::verification::WAITER_LEASE;

use crate::plan::Plan;
use crate::world::nanos;

/// All that goes against the plan.
pub(crate) fn violations(plan: &Plan, events: &[Event]) -> Vec<Violation> {
    let mut found = Vec::new();
    // A list keeps its first locks without a word while it waits for the next.
    if !plan.takes_several() {
        found.extend(circle::false_verdicts(events));
    }
    // What the server has forgotten may be found to be lost at any time.
    if plan.keeps_requests() {
        found.extend(over_at_once(events));
    }
    if plan.keeps_order() && !plan.is_lossless() {
        found.extend(outlived(plan, events));
    }
    found
}

/// As long as it takes at the most to wake whoever gets a lock, or is next.
const WAKE_UP: Nanos = 100_000;

/// Holds that are over when their sections begin. One may run out while its task is being woken; in one schedule that does not
/// happen twice, unless grants that come too late are passed on. What is entered or handed on within a process was looked at.
fn over_at_once(events: &[Event]) -> Option<Violation> {
    let mut by_chance = 0;
    for (place, event) in events.iter().enumerate() {
        let EventKind::Acquired { request, valid_until, outer: None, .. } = event.kind else {
            continue;
        };
        if valid_until > event.at {
            continue;
        }
        let before = &events[..place];
        match Entry::of(event, request, before) {
            Entry::AfterPause => {}
            Entry::Granted if by_chance == 0 => by_chance += 1,
            Entry::Granted | Entry::Handed => {
                let text = "a section began under a hold that was over by then".to_owned();
                let (at, requests) = (event.at, vec![request]);
                return Some(Violation { property: Property::LossReported, at, text, requests });
            }
        }
    }
    None
}

/// How a section came to its hold.
enum Entry {
    /// It was there or on its way while the process stood still.
    AfterPause,
    /// The process had it: from another section just before, or kept from one.
    Handed,
    /// The server gave it.
    Granted,
}

impl Entry {
    fn of(entered: &Event, request: Request, before: &[Event]) -> Self {
        let own = before.iter().rev().filter(|event| event.process == entered.process);
        let mut asked = None;
        let mut left = Vec::new();
        let mut paused = false;
        for event in own {
            let just_before = event.at + WAKE_UP >= entered.at;
            match event.kind {
                EventKind::Paused(_) => paused = true,
                EventKind::Released { request } if just_before && !paused => left.push(request),
                EventKind::Requested { request: other, key, .. } if other == request => {
                    asked = Some((event.at, key));
                    break;
                }
                _ => {}
            }
        }
        let Some((asked, key)) = asked else { return Self::AfterPause };
        let of_key = |event: &Event| match event.kind {
            EventKind::Requested { request, key: other, .. } => {
                other == key && left.contains(&request)
            }
            _ => false,
        };
        if asked == entered.at || before.iter().any(of_key) {
            return Self::Handed;
        }
        if paused { Self::AfterPause } else { Self::Granted }
    }
}

/// A hold as its process saw it.
#[derive(Clone, Copy)]
struct Seen {
    request: Request,
    key: u32,
    fence: u64,
    at: Nanos,
    until: Nanos,
}

/// A hold that lasts although another was granted the lock more than a ttl ago: what the server has forgotten is not renewed.
fn outlived(plan: &Plan, events: &[Event]) -> Option<Violation> {
    let mut holds = holds(events);
    // Whoever stood still for long may come to see a grant only when it is over.
    holds.retain(|hold| hold.until > hold.at);
    holds.sort_by_key(|hold| (hold.key, std::cmp::Reverse(hold.fence)));
    // A pushed grant that comes late is believed for its claim.
    let longest = nanos(plan.longest_ttl().max(WAITER_LEASE).mul_f64(1.01));
    for of_key in holds.chunk_by(|one, other| one.key == other.key) {
        let mut next: Option<Seen> = None;
        for &hold in of_key {
            if let Some(next) = next.filter(|next| next.fence > hold.fence)
                && hold.until > next.at + longest
            {
                let (at, requests) = (hold.until, vec![hold.request, next.request]);
                let text = format!(
                    "key {}: a hold under token {} was still prolonged after one under token {} had begun",
                    hold.key, hold.fence, next.fence,
                );
                return Some(Violation { property: Property::LossReported, at, text, requests });
            }
            if next.is_none_or(|next| hold.at < next.at) {
                next = Some(hold);
            }
        }
    }
    None
}

/// All holds, with the latest instant until which anybody inside has seen them last.
fn holds(events: &[Event]) -> Vec<Seen> {
    let mut holds: Vec<Seen> = Vec::new();
    // By request: its key, and where its hold is.
    let mut requests: Vec<(u32, Option<usize>)> = Vec::new();
    for Event { at, kind, .. } in events {
        match *kind {
            EventKind::Requested { request, key, .. } => {
                let index = index(request);
                if requests.len() <= index {
                    requests.resize(index + 1, (0, None));
                }
                requests[index].0 = key;
            }
            EventKind::Acquired { request, fence, valid_until, outer } => {
                let hold = outer.and_then(|around| requests[index(around)].1);
                let hold = hold.unwrap_or(holds.len());
                let key = requests[index(request)].0;
                requests[index(request)].1 = Some(hold);
                match holds.get_mut(hold) {
                    Some(known) => known.until = known.until.max(valid_until),
                    None => {
                        holds.push(Seen { request, key, fence, at: *at, until: valid_until });
                    }
                }
            }
            EventKind::Extended { request, until } => {
                if let Some(hold) = requests[index(request)].1 {
                    holds[hold].until = holds[hold].until.max(until);
                }
            }
            _ => {}
        }
    }
    holds
}

fn index(request: Request) -> usize {
    usize::try_from(request).expect("few requests")
}
