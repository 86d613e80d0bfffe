//! Holds that a replica has confirmed. The primary of a schedule has one, and that is promoted.

use checker::{Event, EventKind, Nanos, Property, Violation};
use distlock_runtime::verification::FenceRange;

use super::{ObservedHold, holds};
use crate::plan::Plan;

/// A loss is noticed when the hold ends, or when a reply about it has expired on its way.
const ABOUT_OVER: Nanos = 3_000_000;

pub(super) fn violations(
    plan: &Plan,
    events: &[Event],
    grants: &[(FenceRange, bool)],
) -> Vec<Violation> {
    let confirmed = of_confirmed_processes(plan, events);
    let mut found: Vec<_> = overlap(events, &confirmed).into_iter().collect();
    found.extend(lost(events, &confirmed));
    if plan.keeps_token_order() {
        found.extend(shown_without_a_replica(&confirmed, grants));
    }
    found
}

fn of_confirmed_processes(plan: &Plan, events: &[Event]) -> Vec<ObservedHold> {
    if !(0..plan.processes.len()).any(|process| plan.is_confirmed(process)) {
        return Vec::new();
    }
    let mut all = holds(events);
    all.retain(|hold| plan.is_confirmed(hold.process as usize));
    all
}

/// Two of them for one key that were valid at once. What failovers lose of other processes matters
/// to none of them.
fn overlap(events: &[Event], holds: &[ObservedHold]) -> Option<Violation> {
    let end = |hold: &ObservedHold| {
        let is_end = |event: &&Event| match event.kind {
            EventKind::Released { request } | EventKind::LossReported { request } => {
                request == hold.request
            }
            EventKind::Crashed => event.process == hold.process && event.at >= hold.at,
            _ => false,
        };
        events.iter().find(is_end).map_or(hold.until, |event| event.at.min(hold.until))
    };
    let mut holds: Vec<_> = holds.iter().map(|hold| (hold, end(hold))).collect();
    holds.retain(|(hold, end)| hold.at < *end);
    holds.sort_by_key(|(hold, _)| (hold.key, hold.at));
    let of_key = holds.chunk_by(|one, other| one.0.key == other.0.key);
    let mut pairs = of_key.flat_map(|holds| holds.windows(2));
    let (first, second) = pairs.find_map(|pair| {
        let [(first, until), (second, _)] = pair else { return None };
        (second.at < *until).then_some((first, second))
    })?;
    Some(Violation {
        property: Property::MutualExclusion,
        at: second.at,
        text: format!(
            "key {}: the confirmed holds with tokens {} and {} were valid at once",
            first.key, first.fence, second.fence
        ),
        requests: vec![first.request, second.request],
    })
}

/// One that was lost before it was over.
fn lost(events: &[Event], holds: &[ObservedHold]) -> Option<Violation> {
    events.iter().find_map(|event| {
        let EventKind::LossReported { request } = event.kind else { return None };
        let hold = holds.iter().find(|hold| hold.request == request)?;
        (event.at + ABOUT_OVER < hold.until).then(|| Violation {
            property: Property::LossReported,
            at: event.at,
            text: format!("the confirmed hold of key {} was lost", hold.key),
            requests: vec![request],
        })
    })
}

/// One whose grant no replica had. Two primaries may have drawn the same token, and one of them may
/// have shown it to nobody.
fn shown_without_a_replica(
    holds: &[ObservedHold],
    grants: &[(FenceRange, bool)],
) -> Option<Violation> {
    let is_missing = |hold: &&ObservedHold| {
        let has_token = |(fences, _): &&(FenceRange, bool)| {
            (fences.first.get()..=fences.last().get()).contains(&hold.fence)
        };
        let mut drawn = grants.iter().filter(has_token).peekable();
        drawn.peek().is_some() && drawn.all(|&(_, has_replica)| !has_replica)
    };
    let hold = holds.iter().find(is_missing)?;
    Some(Violation {
        property: Property::MutualExclusion,
        at: hold.at,
        text: format!("token {} of key {} was shown and no replica had it", hold.fence, hold.key),
        requests: vec![hold.request],
    })
}
