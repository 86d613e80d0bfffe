use super::*;
use crate::fault::FaultKind;
use crate::schedule::Overrides;

fn schedule(kind: FaultKind) -> Schedule {
    Schedule::of(1, &Overrides { faults: vec![kind], ..Overrides::default() })
}

/// A process acquires with these tokens; in between, another process acquires with token 100.
fn history(fences: [u64; 2]) -> Vec<Event> {
    let [first, second] = fences;
    let mut events = Vec::new();
    for (at, process, request, fence) in [(1, 1, 11, first), (2, 2, 21, 100), (3, 1, 12, second)] {
        let event = |kind| Event { at, process, task: 0, kind };
        events.push(event(EventKind::Requested {
            request,
            key: 0,
            deadline: None,
            must_succeed: false,
        }));
        events.push(event(EventKind::Acquired { request, fence, valid_until: 9, outer: None }));
    }
    events
}

fn rise() -> Violation {
    let property = Property::TokensRise;
    Violation { property, at: 3, text: String::new(), requests: vec![21, 12] }
}

#[test]
fn only_a_reserved_token_in_a_lossy_schedule_is_a_documented_exception() {
    let (lossy, lossless) = (schedule(FaultKind::DeleteHold), schedule(FaultKind::ScriptFlush));
    let handoff = history([50, 51]);
    assert!(DocumentedHoles::of(&lossy, &handoff).names(&rise()));
    assert!(!DocumentedHoles::of(&lossless, &handoff).names(&rise()));
    assert!(!DocumentedHoles::of(&lossy, &history([50, 49])).names(&rise()));
    let other = Violation { property: Property::FencedRegister, ..rise() };
    assert!(!DocumentedHoles::of(&lossy, &handoff).names(&other));
}
