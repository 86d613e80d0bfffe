//! What a history shows to whoever knows its plan, beside what the checker proves of any.

use history::{Event, Nanos, Property, Request, Violation, What};

use crate::plan::Plan;
use crate::wire::WAITER_LEASE;
use crate::world::nanos;

/// All that goes against the plan.
pub(crate) fn violations(plan: &Plan, events: &[Event]) -> Vec<Violation> {
    let mut found = Vec::from_iter(over_at_once(events));
    if plan.keeps_order() && !plan.is_lossless() {
        found.extend(outlived(plan, events));
    }
    found
}

/// How long after a pause holds may have run out unseen: longer than the longest ttl of any plan.
const STALE: Nanos = 10_000_000_000;

/// Holds that are over when their sections begin. It takes a moment to wake whoever gets a lock, and a hold may run out in it;
/// in one schedule that does not happen twice, unless grants that come too late are passed on.
fn over_at_once(events: &[Event]) -> Option<Violation> {
    let mut awake_since = [0; 64];
    let mut over = Vec::new();
    for Event { at, process, what, .. } in events {
        match *what {
            What::Paused(_) => awake_since[*process as usize % 64] = *at + STALE,
            What::Entered { request, valid_until, within: None, .. }
                if valid_until <= *at && awake_since[*process as usize % 64] <= *at =>
            {
                over.push((*at, request));
            }
            _ => {}
        }
    }
    let &(at, _) = over.get(1)?;
    let text = format!("{} sections began under holds that were over by then", over.len());
    let requests = over.into_iter().map(|(_, request)| request).collect();
    Some(Violation { property: Property::Told, at, text, requests })
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
    holds.sort_by_key(|hold| (hold.key, std::cmp::Reverse(hold.fence)));
    // A pushed grant that comes late is believed for its claim.
    let longest = nanos(plan.ttl.max(WAITER_LEASE).mul_f64(1.01));
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
                return Some(Violation { property: Property::Told, at, text, requests });
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
    for Event { at, what, .. } in events {
        match *what {
            What::Asked { request, key, .. } => {
                let index = index(request);
                if requests.len() <= index {
                    requests.resize(index + 1, (0, None));
                }
                requests[index].0 = key;
            }
            What::Entered { request, fence, valid_until, within } => {
                let hold = within.and_then(|around| requests[index(around)].1);
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
            What::Valid { request, until } => {
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
