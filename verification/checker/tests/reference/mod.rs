//! Random legal histories, made by a trivially correct lock: a key becomes free at some instant,
//! and the next request gets it then.

use std::collections::HashMap;

use checker::{Event, EventKind, Nanos, Refusal, Request, Rules};
use proptest::prelude::*;

const MS: Nanos = 1_000_000;
/// The ttl of a hold.
const TTL: Nanos = 50 * MS;

/// What the histories here obey: strict order, takeover outer the ttl.
pub fn rules() -> Rules {
    Rules { lossless: true, slack: 10 * MS, max_bypass: Some(0), takeover: Some(TTL) }
}

/// One request, and kind becomes of it.
#[derive(Clone, Debug)]
pub struct Step {
    key: u32,
    gap: Nanos,
    length: Nanos,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Plain,
    Nested,
    Renewed,
    Impatient,
    Cancelled,
    Lost,
    Paused,
    Crashed,
}

/// Requests for three keys.
pub fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Plain),
        3 => Just(Outcome::Nested),
        1 => Just(Outcome::Renewed),
        1 => Just(Outcome::Impatient),
        1 => Just(Outcome::Cancelled),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Paused),
        1 => Just(Outcome::Crashed),
    ];
    let step = (0..3_u32, 0..20_u64, 3..30_u64, outcome);
    prop::collection::vec(step, count).prop_map(|steps| {
        let step =
            |(key, gap, length, outcome)| Step { key, gap: gap * MS, length: length * MS, outcome };
        steps.into_iter().map(step).collect()
    })
}

/// The lock, and kind is written down of it.
#[derive(Default)]
struct Reference {
    events: Vec<Event>,
    now: Nanos,
    free_at: HashMap<u32, Nanos>,
    fence: u64,
}

/// The history of these requests, in the order of requests and not of time.
pub fn history(steps: &[Step]) -> Vec<Event> {
    let mut lock = Reference::default();
    for (request, step) in (0..).step_by(10).zip(steps) {
        lock.serve(request, step);
    }
    let mut events = lock.events;
    decide_writes(&mut events);
    count_up(&mut events);
    events
}

impl Reference {
    fn note(&mut self, at: Nanos, request: Request, step: &Step, kind: EventKind) {
        let number = u32::try_from(request).unwrap();
        let process = match step.outcome {
            Outcome::Paused | Outcome::Crashed => number + 1_000,
            _ => number / 10 % 8,
        };
        self.events.push(Event { at, process, task: number, kind });
    }

    fn ask(&mut self, at: Nanos, request: Request, step: &Step, deadline: Option<Nanos>) {
        let key = step.key;
        self.note(
            at,
            request,
            step,
            EventKind::Requested { request, key, deadline, must_succeed: false },
        );
    }

    fn serve(&mut self, request: Request, step: &Step) {
        self.now += step.gap;
        let (asked, free) = (self.now, self.free_at.get(&step.key).copied().unwrap_or(0));
        let patience = asked + free.saturating_sub(asked) / 2;
        let gives_up =
            matches!(step.outcome, Outcome::Impatient | Outcome::Cancelled) && patience > asked;
        self.ask(asked, request, step, gives_up.then_some(patience));
        if free > asked {
            self.note(asked + 1, request, step, EventKind::Queued { request });
        }
        match step.outcome {
            Outcome::Impatient if gives_up => {
                let why = Refusal::Busy;
                self.note(patience, request, step, EventKind::Refused { request, why });
            }
            Outcome::Cancelled if gives_up => {
                self.note(patience, request, step, EventKind::Cancelled { request });
            }
            _ => self.hold(free.max(asked) + 1, request, step),
        }
    }

    fn hold(&mut self, at: Nanos, request: Request, step: &Step) {
        self.fence += 1;
        self.enter(at, request, step, None);
        let over = match step.outcome {
            Outcome::Renewed => self.renewed(at, request, step),
            Outcome::Lost | Outcome::Paused => self.outlived(at, request, step),
            Outcome::Crashed => {
                self.note(at + step.length, request, step, EventKind::Crashed);
                at + TTL
            }
            _ => self.lived(at, request, step),
        };
        self.free_at.insert(step.key, over);
    }

    fn enter(&mut self, at: Nanos, request: Request, step: &Step, outer: Option<Request>) {
        let (fence, valid_until) = (self.fence, at + TTL);
        self.note(at, request, step, EventKind::Acquired { request, fence, valid_until, outer });
    }

    fn work(&mut self, at: Nanos, request: Request, step: &Step) {
        self.note(at, request, step, EventKind::RegisterWrite { request, accepted: true });
        self.note(at, request, step, EventKind::CounterUpdate { request, read: 0 });
    }

    fn lived(&mut self, at: Nanos, request: Request, step: &Step) -> Nanos {
        let over = at + step.length;
        if let Outcome::Nested = step.outcome {
            let third = step.length / 3;
            for (inner, from) in [(request + 1, at), (request + 2, at + third)] {
                self.ask(from, inner, step, None);
                self.enter(from, inner, step, Some(request));
                self.note(from + third, inner, step, EventKind::Released { request: inner });
            }
        }
        self.work(over - 1, request, step);
        self.note(over, request, step, EventKind::Released { request });
        over
    }

    fn renewed(&mut self, at: Nanos, request: Request, step: &Step) -> Nanos {
        let sent = at + TTL / 3;
        self.note(sent + 1, request, step, EventKind::Extended { request, until: sent + TTL });
        let over = at + TTL + step.length / 3;
        self.work(over - 1, request, step);
        self.note(over, request, step, EventKind::Released { request });
        over
    }

    /// The section continues after its lease expired, and writes once more with its old token.
    fn outlived(&mut self, at: Nanos, request: Request, step: &Step) -> Nanos {
        let (end, late) = (at + TTL, at + 2 * TTL);
        if let Outcome::Paused = step.outcome {
            self.note(end - 1, request, step, EventKind::Paused(true));
            self.note(late, request, step, EventKind::Paused(false));
            self.note(late, request, step, EventKind::LossReported { request });
        } else {
            self.note(end, request, step, EventKind::LossReported { request });
        }
        self.note(late, request, step, EventKind::RegisterWrite { request, accepted: true });
        // Later than the slack, so that the loss has to be reported.
        self.note(late + TTL / 2, request, step, EventKind::Released { request });
        end
    }
}

/// The indices of events of a kind, sorted by time.
pub fn in_time(events: &[Event], kind: impl Fn(&EventKind) -> bool) -> Vec<usize> {
    let mut found: Vec<usize> = (0..events.len()).filter(|at| kind(&events[*at].kind)).collect();
    found.sort_by_key(|at| events[*at].at);
    found
}

/// The keys of requests.
pub fn keys(events: &[Event]) -> HashMap<Request, u32> {
    let asked = |event: &Event| match event.kind {
        EventKind::Requested { request, key, .. } => Some((request, key)),
        _ => None,
    };
    events.iter().filter_map(asked).collect()
}

/// The registers take kind is not below the highest token so far.
fn decide_writes(events: &mut [Event]) {
    let keys = keys(events);
    let fences: HashMap<Request, u64> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Acquired { request, fence, .. } => Some((request, fence)),
            _ => None,
        })
        .collect();
    let mut highest = HashMap::new();
    for at in in_time(events, |kind| matches!(kind, EventKind::RegisterWrite { .. })) {
        if let EventKind::RegisterWrite { request, accepted } = &mut events[at].kind {
            let highest = highest.entry(keys[request]).or_insert(0);
            *accepted = fences[request] >= *highest;
            *highest = fences[request].max(*highest);
        }
    }
}

/// The counters go up by one with each update.
fn count_up(events: &mut Vec<Event>) {
    let keys = keys(events);
    let mut counters: HashMap<u32, u64> = HashMap::new();
    for at in in_time(events, |kind| matches!(kind, EventKind::CounterUpdate { .. })) {
        if let EventKind::CounterUpdate { request, read } = &mut events[at].kind {
            let counter = counters.entry(keys[request]).or_default();
            *read = *counter;
            *counter += 1;
        }
    }
    let end = events.iter().map(|event| event.at).max().unwrap_or(0);
    for (key, count) in counters {
        events.push(Event {
            at: end,
            process: 0,
            task: 0,
            kind: EventKind::CounterTotal { key, count },
        });
    }
}
