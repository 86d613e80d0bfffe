//! Random legal histories pass; with one change they do not.

mod reference;

use checker::{Event, Property, Request, What, check};
use proptest::prelude::*;
use proptest::sample::Index;
use reference::{history, in_time, keys, rules, steps};

/// One way to spoil a history.
#[derive(Clone, Copy, Debug)]
enum Change {
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

const CHANGES: [(Change, Property); 13] = [
    (Change::SwapTokens, Property::TokensRise),
    (Change::RepeatToken, Property::TokensDistinct),
    (Change::RaiseTokenInside, Property::Reentry),
    (Change::Overlap, Property::Disjoint),
    (Change::OverlapSiblings, Property::Siblings),
    (Change::TakeOldToken, Property::Register),
    (Change::LoseUpdate, Property::Counter),
    (Change::DropAnswer, Property::Deadline),
    (Change::DropLost, Property::Told),
    (Change::DropLeft, Property::Told),
    (Change::WaitInVain, Property::Takeover),
    (Change::PassOver, Property::PassedOver),
    (Change::LeaveTwice, Property::Malformed),
];

const SECOND: u64 = 1_000_000_000;

/// Spoils a history in this way somewhere, if there is a place for it.
fn spoil(events: &mut Vec<Event>, change: Change, pick: Index) -> Option<()> {
    match change {
        Change::SwapTokens => {
            let (one, other) = neighbours(events, pick)?;
            let (lower, higher) = (fence(events, one), fence(events, other));
            *fence_mut(events, one) = higher;
            *fence_mut(events, other) = lower;
        }
        Change::RepeatToken => {
            let (one, other) = neighbours(events, pick)?;
            *fence_mut(events, other) = fence(events, one);
        }
        Change::RaiseTokenInside => {
            let inner = one_of(&in_time(events, |what| is_entered(what, true)), pick)?;
            *fence_mut(events, inner) += 1;
        }
        Change::Overlap => overlap(events, pick)?,
        Change::OverlapSiblings => {
            let inner = in_time(events, |what| is_left_of(what, |request| request % 10 == 1));
            events[one_of(&inner, pick)?].at += 1;
        }
        Change::TakeOldToken => {
            let refused = |what: &What| matches!(what, What::Wrote { accepted: false, .. });
            let at = one_of(&in_time(events, refused), pick)?;
            if let What::Wrote { accepted, .. } = &mut events[at].what {
                *accepted = true;
            }
        }
        Change::LoseUpdate => {
            let later = |what: &What| matches!(what, What::Counted { read: 1.., .. });
            let at = one_of(&in_time(events, later), pick)?;
            if let What::Counted { read, .. } = &mut events[at].what {
                *read -= 1;
            }
        }
        Change::DropAnswer => {
            let ends = |what: &What| matches!(what, What::Refused { .. } | What::Cancelled { .. });
            events.remove(one_of(&in_time(events, ends), pick)?);
        }
        Change::DropLost => {
            events
                .remove(one_of(&in_time(events, |what| matches!(what, What::Lost { .. })), pick)?);
        }
        Change::DropLeft => drop_left(events, pick)?,
        Change::WaitInVain => wait_in_vain(events),
        Change::PassOver => pass_over(events, pick)?,
        Change::LeaveTwice => {
            let at = one_of(&in_time(events, |what| is_left_of(what, |_| true)), pick)?;
            let again = events[at].clone();
            events.push(again);
        }
    }
    Some(())
}

fn one_of(places: &[usize], pick: Index) -> Option<usize> {
    (!places.is_empty()).then(|| places[pick.index(places.len())])
}

fn is_entered(what: &What, inner: bool) -> bool {
    matches!(what, What::Entered { within, .. } if within.is_some() == inner)
}

fn is_left_of(what: &What, which: impl Fn(Request) -> bool) -> bool {
    matches!(what, What::Left { request } if which(*request))
}

fn fence(events: &[Event], at: usize) -> u64 {
    let What::Entered { fence, .. } = events[at].what else { panic!("enters") };
    fence
}

fn fence_mut(events: &mut [Event], at: usize) -> &mut u64 {
    let What::Entered { fence, .. } = &mut events[at].what else { panic!("enters") };
    fence
}

/// Two grants of a key, one after the other.
fn neighbours(events: &[Event], pick: Index) -> Option<(usize, usize)> {
    let keys = keys(events);
    let key = |at: usize| keys[&events[at].what.request().unwrap()];
    let mut grants = in_time(events, |what| is_entered(what, false));
    grants.sort_by_key(|at| key(*at));
    let pairs: Vec<(usize, usize)> = grants
        .windows(2)
        .filter(|pair| key(pair[0]) == key(pair[1]))
        .map(|pair| (pair[0], pair[1]))
        .collect();
    (!pairs.is_empty()).then(|| pairs[pick.index(pairs.len())])
}

/// A holder is in its section until after the next one's entry, and valid until then.
fn overlap(events: &mut [Event], pick: Index) -> Option<()> {
    let (one, other) = neighbours(events, pick)?;
    let (request, entered) = (events[one].what.request(), events[other].at);
    let ends = |what: &What| matches!(what, What::Left { .. } | What::Lost { .. });
    for event in events.iter_mut().filter(|event| event.what.request() == request) {
        if let What::Entered { valid_until, .. } = &mut event.what {
            *valid_until = entered + SECOND;
        } else if ends(&event.what) {
            event.at = event.at.max(entered + 1);
        }
    }
    // A crash is not undone: such a holder is let live.
    let process = events[one].process;
    let crash =
        events.iter_mut().find(|event| event.process == process && event.what == What::Crashed);
    if let Some(crash) = crash {
        crash.at = crash.at.max(entered + 1);
    }
    Some(())
}

/// A holder never leaves, nor is it told of the end of its hold.
fn drop_left(events: &mut Vec<Event>, pick: Index) -> Option<()> {
    let at = one_of(&in_time(events, |what| is_left_of(what, |request| request % 10 == 0)), pick)?;
    let request = events[at].what.request();
    let ends = |what: &What| matches!(what, What::Left { .. } | What::Lost { .. });
    events.retain(|event| event.what.request() != request || !ends(&event.what));
    Some(())
}

/// Somebody waits for a key that nobody holds.
fn wait_in_vain(events: &mut Vec<Event>) {
    let end = events.iter().map(|event| event.at).max().unwrap_or(0) + SECOND;
    let request = Request::MAX;
    let asked = What::Asked { request, key: 0, deadline: None, surely: false };
    events.push(Event { at: end, process: 9, task: 0, what: asked });
    events.push(Event { at: end + SECOND, process: 9, task: 0, what: What::Cancelled { request } });
}

/// Somebody is queued before a request is made that has the lock before it.
fn pass_over(events: &mut Vec<Event>, pick: Index) -> Option<()> {
    let at = one_of(&in_time(events, |what| is_entered(what, false)), pick)?;
    let passes = events[at].what.request()?;
    let made =
        |event: &&Event| matches!(event.what, What::Asked { request, .. } if request == passes);
    let asked = events.iter().find(made)?.at.checked_sub(1)?;
    let (key, until, request) = (keys(events)[&passes], events[at].at + 1, Request::MAX);
    let mut note = |at, what| events.push(Event { at, process: 9, task: 0, what });
    note(asked, What::Asked { request, key, deadline: None, surely: false });
    note(asked, What::Queued { request });
    note(until, What::Cancelled { request });
    Some(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_legal_history_is_right(steps in steps(0..60)) {
        let report = check(&history(&steps), &rules());
        prop_assert!(report.is_right(), "{:#?}", report.violations);
    }

    #[test]
    fn a_legal_history_is_right_in_any_order_of_processes(steps in steps(0..60)) {
        let mut events = history(&steps);
        let told = check(&events, &rules());
        events.sort_by_key(|event| event.process);
        prop_assert_eq!(check(&events, &rules()), told);
    }

    #[test]
    fn a_spoilt_history_is_wrong(
        steps in steps(10..60),
        (change, property) in prop::sample::select(CHANGES.as_slice()),
        pick: Index,
    ) {
        let mut events = history(&steps);
        prop_assume!(spoil(&mut events, change, pick).is_some());
        let report = check(&events, &rules());
        let found = report.violations.iter().any(|violation| violation.property == property);
        prop_assert!(found, "{change:?} gives {:#?}", report.violations);
    }
}
