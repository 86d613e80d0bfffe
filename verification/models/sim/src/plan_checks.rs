//! Checks of a history that need its plan, in addition to what the checker proves of any history.

mod confirmed;
mod deadlock;

use checker::{Event, EventKind, Nanos, Property, Request, Violation};
use distlock_runtime::verification::{FenceRange, WAITER_LEASE};

use crate::plan::{FaultKind, Plan};
use crate::world::nanos;

/// All violations of the plan. `undetected_data_loss`: no process could know of what was lost.
pub(crate) fn violations(
    plan: &Plan,
    events: &[Event],
    grants: &[(FenceRange, bool)],
    undetected_data_loss: bool,
) -> Vec<Violation> {
    let mut found = Vec::new();
    // A multi-key request holds its first locks while it waits for the next ones.
    if !plan.takes_several() {
        found.extend(deadlock::false_deadlocks(events));
    }
    // A hold that the server has forgotten can be reported as lost at any time.
    if plan.keeps_requests() {
        found.extend(expired_at_start(events));
    }
    if plan.puts_holds_back() && !undetected_data_loss {
        found.extend(lost_by_a_failover(plan, events));
    }
    if plan.keeps_token_order()
        && !plan.is_lossless()
        && !plan.has_two_primaries()
        && !plan.may_put_back_what_was_lost()
        && !plan.skips_a_primary()
        && !undetected_data_loss
    {
        found.extend(renewed_after_loss(plan, events));
    }
    if plan.keeps_confirmed() {
        found.extend(confirmed::violations(plan, events, grants));
    }
    found
}

/// The longest time to wake the caller that is granted the lock, or the next one.
const WAKE_UP: Nanos = 100_000;

/// Holds that have expired when their sections start. One can expire while its task is being woken.
/// Two in one schedule mean that late grants are passed on. A re-entry or a handoff checks the
/// hold, so none of those may be expired.
fn expired_at_start(events: &[Event]) -> Option<Violation> {
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
                let text = "a section started under an expired hold".to_owned();
                let (at, requests) = (event.at, vec![request]);
                return Some(Violation { property: Property::LossReported, at, text, requests });
            }
        }
    }
    None
}

/// How a section got its hold.
enum Entry {
    /// The grant arrived while the process was paused.
    AfterPause,
    /// A handoff from the previous section, or a lingering hold.
    Handed,
    /// A grant of the server.
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

/// With less than so much left, and what the packets take, a hold is not put back.
const TOO_LATE: Nanos = 400_000_000;

/// Holds that were lost although their processes reached the new primary in time. A replica without
/// any tokens counts as a loss of data.
fn lost_by_a_failover(plan: &Plan, events: &[Event]) -> Option<Violation> {
    let holds = holds(events);
    events.iter().find_map(|event| {
        let EventKind::LossReported { request } = event.kind else { return None };
        let hold = holds.iter().find(|hold| hold.request == request)?;
        if event.at + TOO_LATE >= hold.until {
            return None;
        }
        let is_empty = plan.faults.iter().any(|fault| {
            let FaultKind::Failover { lag, .. } = fault.what else { return false };
            let copied = nanos(fault.at.saturating_sub(lag));
            holds.iter().all(|hold| hold.at >= copied)
        });
        let text = format!("the hold of key {} was lost by a failover", hold.key);
        let (at, requests) = (event.at, vec![request]);
        let property = Property::LossReported;
        (!is_empty).then_some(Violation { property, at, text, requests })
    })
}

/// A hold as its process observed it.
#[derive(Clone, Copy)]
struct ObservedHold {
    request: Request,
    process: u32,
    key: u32,
    fence: u64,
    at: Nanos,
    until: Nanos,
}

/// A hold that is still renewed more than a ttl after another one was granted: the server does not
/// renew what it has forgotten.
fn renewed_after_loss(plan: &Plan, events: &[Event]) -> Option<Violation> {
    let mut holds = holds(events);
    // A process that was paused for long may see a grant only after it expired.
    holds.retain(|hold| hold.until > hold.at);
    holds.sort_by_key(|hold| (hold.key, std::cmp::Reverse(hold.fence)));
    // A late pushed grant is valid for its claim.
    let longest = nanos(plan.longest_ttl().max(WAITER_LEASE).mul_f64(1.01));
    for of_key in holds.chunk_by(|one, other| one.key == other.key) {
        let mut next: Option<ObservedHold> = None;
        for &hold in of_key {
            if let Some(next) = next.filter(|next| next.fence > hold.fence)
                && hold.until > next.at + longest
            {
                let (at, requests) = (hold.until, vec![hold.request, next.request]);
                let text = format!(
                    "key {}: the hold with token {} was renewed after the one with token {} began",
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

/// All holds, with the latest expiry that a section observed.
fn holds(events: &[Event]) -> Vec<ObservedHold> {
    let mut holds: Vec<ObservedHold> = Vec::new();
    // By request: its key, and the index of its hold.
    let mut requests: Vec<(u32, Option<usize>)> = Vec::new();
    for Event { at, process, kind, .. } in events {
        match *kind {
            EventKind::Requested { request, key, .. } => {
                let index = index(request);
                if requests.len() <= index {
                    requests.resize(index + 1, (0, None));
                }
                requests[index].0 = key;
            }
            EventKind::Acquired { request, fence, valid_until, outer } => {
                let hold = outer.and_then(|enclosing| requests[index(enclosing)].1);
                let hold = hold.unwrap_or(holds.len());
                let key = requests[index(request)].0;
                requests[index(request)].1 = Some(hold);
                match holds.get_mut(hold) {
                    Some(known) => known.until = known.until.max(valid_until),
                    None => {
                        holds.push(ObservedHold {
                            request,
                            process: *process,
                            key,
                            fence,
                            at: *at,
                            until: valid_until,
                        });
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
