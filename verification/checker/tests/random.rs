//! Random legal histories pass, and fail after one mutation.

mod reference;

use checker::{Event, EventKind, Property, Request, check};
use proptest::prelude::*;
use proptest::sample::Index;
use reference::{history, in_time, keys, rules, steps};

/// One way to make a legal history illegal.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    SwapTokens,
    RepeatToken,
    RaiseTokenInside,
    Overlap,
    OverlapSiblings,
    TakeOldToken,
    LoseUpdate,
    DropAnswer,
    DropLost,
    DropLeft,
    WaitInVain,
    PassOver,
    LeaveTwice,
}

const CHANGES: [(Mutation, Property); 13] = [
    (Mutation::SwapTokens, Property::TokensRise),
    (Mutation::RepeatToken, Property::TokensDistinct),
    (Mutation::RaiseTokenInside, Property::Reentry),
    (Mutation::Overlap, Property::MutualExclusion),
    (Mutation::OverlapSiblings, Property::SiblingExclusion),
    (Mutation::TakeOldToken, Property::FencedRegister),
    (Mutation::LoseUpdate, Property::UnfencedCounter),
    (Mutation::DropAnswer, Property::Deadline),
    (Mutation::DropLost, Property::LossReported),
    (Mutation::DropLeft, Property::LossReported),
    (Mutation::WaitInVain, Property::Takeover),
    (Mutation::PassOver, Property::BoundedBypass),
    (Mutation::LeaveTwice, Property::WellFormed),
];

const SECOND: u64 = 1_000_000_000;

/// Applies a mutation somewhere, if the history has an event that it applies to.
fn mutate(events: &mut Vec<Event>, change: Mutation, pick: Index) -> Option<()> {
    match change {
        Mutation::SwapTokens => {
            let (one, other) = consecutive_grants(events, pick)?;
            let (lower, higher) = (fence(events, one), fence(events, other));
            *fence_mut(events, one) = higher;
            *fence_mut(events, other) = lower;
        }
        Mutation::RepeatToken => {
            let (one, other) = consecutive_grants(events, pick)?;
            *fence_mut(events, other) = fence(events, one);
        }
        Mutation::RaiseTokenInside => {
            let inner = one_of(&in_time(events, |kind| is_entered(kind, true)), pick)?;
            *fence_mut(events, inner) += 1;
        }
        Mutation::Overlap => overlap(events, pick)?,
        Mutation::OverlapSiblings => {
            let inner = in_time(events, |kind| is_left_of(kind, |request| request % 10 == 1));
            events[one_of(&inner, pick)?].at += 1;
        }
        Mutation::TakeOldToken => {
            let refused =
                |kind: &EventKind| matches!(kind, EventKind::RegisterWrite { accepted: false, .. });
            let at = one_of(&in_time(events, refused), pick)?;
            if let EventKind::RegisterWrite { accepted, .. } = &mut events[at].kind {
                *accepted = true;
            }
        }
        Mutation::LoseUpdate => {
            let later =
                |kind: &EventKind| matches!(kind, EventKind::CounterUpdate { read: 1.., .. });
            let at = one_of(&in_time(events, later), pick)?;
            if let EventKind::CounterUpdate { read, .. } = &mut events[at].kind {
                *read -= 1;
            }
        }
        Mutation::DropAnswer => {
            let ends = |kind: &EventKind| {
                matches!(kind, EventKind::Refused { .. } | EventKind::Cancelled { .. })
            };
            events.remove(one_of(&in_time(events, ends), pick)?);
        }
        Mutation::DropLost => {
            events.remove(one_of(
                &in_time(events, |kind| matches!(kind, EventKind::LossReported { .. })),
                pick,
            )?);
        }
        Mutation::DropLeft => drop_left(events, pick)?,
        Mutation::WaitInVain => wait_in_vain(events),
        Mutation::PassOver => bypass(events, pick)?,
        Mutation::LeaveTwice => {
            let at = one_of(&in_time(events, |kind| is_left_of(kind, |_| true)), pick)?;
            let again = events[at].clone();
            events.push(again);
        }
    }
    Some(())
}

fn one_of(places: &[usize], pick: Index) -> Option<usize> {
    (!places.is_empty()).then(|| places[pick.index(places.len())])
}

fn is_entered(kind: &EventKind, inner: bool) -> bool {
    matches!(kind, EventKind::Acquired { outer, .. } if outer.is_some() == inner)
}

fn is_left_of(kind: &EventKind, which: impl Fn(Request) -> bool) -> bool {
    matches!(kind, EventKind::Released { request } if which(*request))
}

fn fence(events: &[Event], at: usize) -> u64 {
    let EventKind::Acquired { fence, .. } = events[at].kind else { panic!("enters") };
    fence
}

fn fence_mut(events: &mut [Event], at: usize) -> &mut u64 {
    let EventKind::Acquired { fence, .. } = &mut events[at].kind else { panic!("enters") };
    fence
}

/// Two consecutive grants of a key.
fn consecutive_grants(events: &[Event], pick: Index) -> Option<(usize, usize)> {
    let keys = keys(events);
    let key = |at: usize| keys[&events[at].kind.request().unwrap()];
    let mut grants = in_time(events, |kind| is_entered(kind, false));
    grants.sort_by_key(|at| key(*at));
    let pairs: Vec<(usize, usize)> = grants
        .windows(2)
        .filter(|pair| key(pair[0]) == key(pair[1]))
        .map(|pair| (pair[0], pair[1]))
        .collect();
    (!pairs.is_empty()).then(|| pairs[pick.index(pairs.len())])
}

/// A holder stays in its section, with a valid lease, until after the next one acquires.
fn overlap(events: &mut [Event], pick: Index) -> Option<()> {
    let (one, other) = consecutive_grants(events, pick)?;
    let (request, entered) = (events[one].kind.request(), events[other].at);
    let ends = |kind: &EventKind| {
        matches!(kind, EventKind::Released { .. } | EventKind::LossReported { .. })
    };
    for event in events.iter_mut().filter(|event| event.kind.request() == request) {
        if let EventKind::Acquired { valid_until, .. } = &mut event.kind {
            *valid_until = entered + SECOND;
        } else if ends(&event.kind) {
            event.at = event.at.max(entered + 1);
        }
    }
    // A crash cannot be removed, so the holder is not changed.
    let process = events[one].process;
    let crash = events
        .iter_mut()
        .find(|event| event.process == process && event.kind == EventKind::Crashed);
    if let Some(crash) = crash {
        crash.at = crash.at.max(entered + 1);
    }
    Some(())
}

/// A holder neither releases nor learns of the loss.
fn drop_left(events: &mut Vec<Event>, pick: Index) -> Option<()> {
    let at = one_of(&in_time(events, |kind| is_left_of(kind, |request| request % 10 == 0)), pick)?;
    let request = events[at].kind.request();
    let ends = |kind: &EventKind| {
        matches!(kind, EventKind::Released { .. } | EventKind::LossReported { .. })
    };
    events.retain(|event| event.kind.request() != request || !ends(&event.kind));
    Some(())
}

/// A request waits for a key that is free.
fn wait_in_vain(events: &mut Vec<Event>) {
    let end = events.iter().map(|event| event.at).max().unwrap_or(0) + SECOND;
    let request = Request::MAX;
    let asked = EventKind::Requested { request, key: 0, deadline: None, must_succeed: false };
    events.push(Event { at: end, process: 9, task: 0, kind: asked });
    events.push(Event {
        at: end + SECOND,
        process: 9,
        task: 0,
        kind: EventKind::Cancelled { request },
    });
}

/// A request is queued before a later one is made and gets the lock first.
fn bypass(events: &mut Vec<Event>, pick: Index) -> Option<()> {
    let at = one_of(&in_time(events, |kind| is_entered(kind, false)), pick)?;
    let passes = events[at].kind.request()?;
    let made = |event: &&Event| {
        let EventKind::Requested { request, .. } = event.kind else { return false };
        request == passes
    };
    let asked = events.iter().find(made)?.at.checked_sub(1)?;
    let (key, until, request) = (keys(events)[&passes], events[at].at + 1, Request::MAX);
    let mut note = |at, kind| events.push(Event { at, process: 9, task: 0, kind });
    note(asked, EventKind::Requested { request, key, deadline: None, must_succeed: false });
    note(asked, EventKind::Queued { request });
    note(until, EventKind::Cancelled { request });
    Some(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_legal_history_passes(steps in steps(0..60)) {
        let report = check(&history(&steps), &rules());
        prop_assert!(report.is_right(), "{:#?}", report.violations);
    }

    #[test]
    fn the_order_of_processes_in_a_legal_history_does_not_matter(steps in steps(0..60)) {
        let mut events = history(&steps);
        let findings = check(&events, &rules());
        events.sort_by_key(|event| event.process);
        prop_assert_eq!(check(&events, &rules()), findings);
    }

    #[test]
    fn a_mutated_history_is_found(
        steps in steps(10..60),
        (change, property) in prop::sample::select(CHANGES.as_slice()),
        pick: Index,
    ) {
        let mut events = history(&steps);
        prop_assume!(mutate(&mut events, change, pick).is_some());
        let report = check(&events, &rules());
        let found = report.violations.iter().any(|violation| violation.property == property);
        prop_assert!(found, "{change:?} gives {:#?}", report.violations);
    }
}
