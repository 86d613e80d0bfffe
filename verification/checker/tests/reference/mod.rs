//! Random legal histories, by a lock that is trivially right: a key is free from an instant on, who asks next has it then.

use std::collections::HashMap;

use checker::{Event, Nanos, Refusal, Request, Rules, What};
use proptest::prelude::*;

const MS: Nanos = 1_000_000;
/// How long a hold is valid.
const TTL: Nanos = 50 * MS;

/// What the histories here obey: strict order, takeover within the ttl.
pub fn rules() -> Rules {
    Rules { lossless: true, slack: 10 * MS, passed_over: Some(0), takeover: Some(TTL) }
}

/// One request, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Step {
    key: u32,
    gap: Nanos,
    length: Nanos,
    fate: Fate,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
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
    let fate = prop_oneof![
        6 => Just(Fate::Plain),
        3 => Just(Fate::Nested),
        1 => Just(Fate::Renewed),
        1 => Just(Fate::Impatient),
        1 => Just(Fate::Cancelled),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Paused),
        1 => Just(Fate::Crashed),
    ];
    let step = (0..3_u32, 0..20_u64, 3..30_u64, fate);
    prop::collection::vec(step, count).prop_map(|steps| {
        let step =
            |(key, gap, length, fate)| Step { key, gap: gap * MS, length: length * MS, fate };
        steps.into_iter().map(step).collect()
    })
}

/// The lock, and what is written down of it.
#[derive(Default)]
struct Reference {
    events: Vec<Event>,
    now: Nanos,
    free_at: HashMap<u32, Nanos>,
    fence: u64,
}

/// The history of these requests, one request after the other, so not in order of time.
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
    fn note(&mut self, at: Nanos, request: Request, step: &Step, what: What) {
        let number = u32::try_from(request).unwrap();
        let process = match step.fate {
            Fate::Paused | Fate::Crashed => number + 1_000,
            _ => number / 10 % 8,
        };
        self.events.push(Event { at, process, task: number, what });
    }

    fn ask(&mut self, at: Nanos, request: Request, step: &Step, deadline: Option<Nanos>) {
        let (key, surely) = (step.key, false);
        self.note(at, request, step, What::Asked { request, key, deadline, surely });
    }

    fn serve(&mut self, request: Request, step: &Step) {
        self.now += step.gap;
        let (asked, free) = (self.now, self.free_at.get(&step.key).copied().unwrap_or(0));
        let patience = asked + free.saturating_sub(asked) / 2;
        let gives_up = matches!(step.fate, Fate::Impatient | Fate::Cancelled) && patience > asked;
        self.ask(asked, request, step, gives_up.then_some(patience));
        if free > asked {
            self.note(asked + 1, request, step, What::Queued { request });
        }
        match step.fate {
            Fate::Impatient if gives_up => {
                let why = Refusal::Busy;
                self.note(patience, request, step, What::Refused { request, why });
            }
            Fate::Cancelled if gives_up => {
                self.note(patience, request, step, What::Cancelled { request });
            }
            _ => self.hold(free.max(asked) + 1, request, step),
        }
    }

    fn hold(&mut self, at: Nanos, request: Request, step: &Step) {
        self.fence += 1;
        self.enter(at, request, step, None);
        let over = match step.fate {
            Fate::Renewed => self.renewed(at, request, step),
            Fate::Lost | Fate::Paused => self.outlived(at, request, step),
            Fate::Crashed => {
                self.note(at + step.length, request, step, What::Crashed);
                at + TTL
            }
            _ => self.lived(at, request, step),
        };
        self.free_at.insert(step.key, over);
    }

    fn enter(&mut self, at: Nanos, request: Request, step: &Step, within: Option<Request>) {
        let (fence, valid_until) = (self.fence, at + TTL);
        self.note(at, request, step, What::Entered { request, fence, valid_until, within });
    }

    fn work(&mut self, at: Nanos, request: Request, step: &Step) {
        self.note(at, request, step, What::Wrote { request, accepted: true });
        self.note(at, request, step, What::Counted { request, read: 0 });
    }

    fn lived(&mut self, at: Nanos, request: Request, step: &Step) -> Nanos {
        let over = at + step.length;
        if let Fate::Nested = step.fate {
            let third = step.length / 3;
            for (inner, from) in [(request + 1, at), (request + 2, at + third)] {
                self.ask(from, inner, step, None);
                self.enter(from, inner, step, Some(request));
                self.note(from + third, inner, step, What::Left { request: inner });
            }
        }
        self.work(over - 1, request, step);
        self.note(over, request, step, What::Left { request });
        over
    }

    fn renewed(&mut self, at: Nanos, request: Request, step: &Step) -> Nanos {
        let sent = at + TTL / 3;
        self.note(sent + 1, request, step, What::Valid { request, until: sent + TTL });
        let over = at + TTL + step.length / 3;
        self.work(over - 1, request, step);
        self.note(over, request, step, What::Left { request });
        over
    }

    /// The section goes on after its hold, and writes once more under its old token.
    fn outlived(&mut self, at: Nanos, request: Request, step: &Step) -> Nanos {
        let (end, late) = (at + TTL, at + 2 * TTL);
        if let Fate::Paused = step.fate {
            self.note(end - 1, request, step, What::Paused(true));
            self.note(late, request, step, What::Paused(false));
            self.note(late, request, step, What::Lost { request });
        } else {
            self.note(end, request, step, What::Lost { request });
        }
        self.note(late, request, step, What::Wrote { request, accepted: true });
        // Later than the slack, so that the notice of the loss is needed.
        self.note(late + TTL / 2, request, step, What::Left { request });
        end
    }
}

/// The indices of events of a kind, in order of time.
pub fn in_time(events: &[Event], kind: impl Fn(&What) -> bool) -> Vec<usize> {
    let mut found: Vec<usize> = (0..events.len()).filter(|at| kind(&events[*at].what)).collect();
    found.sort_by_key(|at| events[*at].at);
    found
}

/// The keys of requests.
pub fn keys(events: &[Event]) -> HashMap<Request, u32> {
    let asked = |event: &Event| match event.what {
        What::Asked { request, key, .. } => Some((request, key)),
        _ => None,
    };
    events.iter().filter_map(asked).collect()
}

/// The registers take what is not below the highest token so far.
fn decide_writes(events: &mut [Event]) {
    let keys = keys(events);
    let fences: HashMap<Request, u64> = events
        .iter()
        .filter_map(|event| match event.what {
            What::Entered { request, fence, .. } => Some((request, fence)),
            _ => None,
        })
        .collect();
    let mut highest = HashMap::new();
    for at in in_time(events, |what| matches!(what, What::Wrote { .. })) {
        if let What::Wrote { request, accepted } = &mut events[at].what {
            let highest = highest.entry(keys[request]).or_insert(0);
            *accepted = fences[request] >= *highest;
            *highest = fences[request].max(*highest);
        }
    }
}

/// The counters go up by one with each round.
fn count_up(events: &mut Vec<Event>) {
    let keys = keys(events);
    let mut counters: HashMap<u32, u64> = HashMap::new();
    for at in in_time(events, |what| matches!(what, What::Counted { .. })) {
        if let What::Counted { request, read } = &mut events[at].what {
            let counter = counters.entry(keys[request]).or_default();
            *read = *counter;
            *counter += 1;
        }
    }
    let end = events.iter().map(|event| event.at).max().unwrap_or(0);
    for (key, count) in counters {
        events.push(Event { at: end, process: 0, task: 0, what: What::Total { key, count } });
    }
}
