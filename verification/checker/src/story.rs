//! A history for people.

use std::fmt;

use rustc_hash::FxHashMap;

use crate::event::{Event, Nanos, Refusal, Request, What};
use crate::moment::Moment;

/// Prints a history, one event a line: when, whether it is a fault, who, what.
///
/// ```
/// # use checker::{Event, Story, What};
/// let asked = What::Asked { request: 41, key: 3, deadline: Some(9_000_000), surely: false };
/// let events = [
///     Event { at: 4_000_000, process: 2, task: 7, what: asked },
///     Event { at: 5_500_000, process: 0, task: 0, what: What::Fault("the server forgets all".into()) },
/// ];
/// assert_eq!(
///     Story::new(&events).to_string(),
///     "    +0.000 ms         p2/t7   asks for key 3 (#41), to be answered by +5.000 ms\n\
///      \x20   +1.500 ms  FAULT          the server forgets all\n",
/// );
/// ```
pub struct Story<'a> {
    events: Vec<&'a Event>,
    keys: FxHashMap<Request, u32>,
    marked: &'a [Request],
    start: Nanos,
}

impl<'a> Story<'a> {
    /// The story of these events, which may come in any order.
    #[must_use]
    pub fn new(events: &'a [Event]) -> Self {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by_key(|event| event.at);
        let keys = events.iter().filter_map(|event| match event.what {
            What::Asked { request, key, .. } => Some((request, key)),
            _ => None,
        });
        let keys = keys.collect();
        let start = events.first().map_or(0, |event| event.at);
        Self { events, keys, marked: &[], start }
    }

    /// Marks the lines about these requests with `>`; none by default.
    #[must_use]
    pub fn marking(mut self, requests: &'a [Request]) -> Self {
        self.marked = requests;
        self
    }

    fn moment(&self, at: Nanos) -> Moment {
        Moment { at, start: self.start }
    }

    /// `key 3 (#41)`.
    fn named(&self, request: Request) -> String {
        self.keys
            .get(&request)
            .map_or_else(|| format!("#{request}"), |key| format!("key {key} (#{request})"))
    }

    fn told(&self, what: &What) -> String {
        match what {
            What::Asked { request, key, deadline, surely } => {
                let sure = if *surely { ", which it is sure to have" } else { "" };
                let by = deadline.map_or_else(
                    || ", however long it takes".to_owned(),
                    |deadline| format!(", to be answered by {}", self.moment(deadline)),
                );
                format!("asks for key {key} (#{request}){by}{sure}")
            }
            What::Entered { request, fence, valid_until, within } => {
                let verb = within.map_or_else(
                    || format!("enters {}", self.named(*request)),
                    |outer| format!("re-enters {} inside #{outer}", self.named(*request)),
                );
                format!("{verb} under token {fence}, valid until {}", self.moment(*valid_until))
            }
            What::Queued { request } => format!("is queued for {}", self.named(*request)),
            What::Valid { request, until } => {
                format!("knows {} to be valid until {}", self.named(*request), self.moment(*until))
            }
            What::Lost { request } => format!("is told that it lost {}", self.named(*request)),
            What::Left { request } => format!("leaves {}", self.named(*request)),
            What::Refused { request, why } => {
                format!("does not get {}: {}", self.named(*request), reason(*why))
            }
            What::Cancelled { request } => {
                format!("does not want {} any more", self.named(*request))
            }
            What::Wrote { request, accepted } => {
                let answer = if *accepted { "taken" } else { "refused" };
                format!("writes to the register under {}: {answer}", self.named(*request))
            }
            What::Counted { request, read } => {
                format!(
                    "reads {read} from the counter under {} and writes {}",
                    self.named(*request),
                    read + 1
                )
            }
            What::Total { key, count } => format!("the counter of key {key} stands at {count}"),
            What::Paused(true) => "stands still".to_owned(),
            What::Paused(false) => "goes on".to_owned(),
            What::Crashed => "crashes".to_owned(),
            What::Fault(words) => words.clone(),
            What::Leftover { kind, count } => format!("left over: {count} of {kind}"),
        }
    }
}

fn reason(why: Refusal) -> &'static str {
    match why {
        Refusal::Busy => "busy until its deadline",
        Refusal::Unavailable => "the server cannot be reached",
        Refusal::Refused => "the server refuses",
        Refusal::Deadlock => "it would wait for itself",
        Refusal::Lost => "a hold that it needs is over",
    }
}

/// Who does it: a task, a whole process, or nobody.
fn who(event: &Event) -> String {
    match event.what {
        What::Fault(_) | What::Total { .. } => String::new(),
        What::Paused(_) | What::Crashed | What::Leftover { .. } => format!("p{}", event.process),
        _ => format!("p{}/t{}", event.process, event.task),
    }
}

/// What the column of faults says.
fn fault(what: &What) -> &'static str {
    match what {
        What::Fault(_) => "FAULT",
        What::Paused(_) => "PAUSE",
        What::Crashed => "CRASH",
        What::Lost { .. } => "lost",
        _ => "",
    }
}

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            let marked = event.what.request().is_some_and(|request| self.marked.contains(&request));
            writeln!(
                f,
                "{}{:>12}  {:<5}  {:<7} {}",
                if marked { '>' } else { ' ' },
                self.moment(event.at),
                fault(&event.what),
                who(event),
                self.told(&event.what),
            )?;
        }
        Ok(())
    }
}
