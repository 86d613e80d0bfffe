//! Prints a history for people.

use std::fmt;

use rustc_hash::FxHashMap;

use crate::event::{Event, EventKind, Nanos, Refusal, Request};
use crate::relative_time::RelativeTime;

/// Prints a history, one event a line: time, kind of fault, process and task, description.
///
/// ```
/// # use checker::{Event, EventKind, Trace};
/// let deadline = Some(9_000_000);
/// let requested = EventKind::Requested { request: 41, key: 3, deadline, must_succeed: false };
/// let fault = EventKind::Fault("the server loses all data".into());
/// let events = [
///     Event { at: 4_000_000, process: 2, task: 7, kind: requested },
///     Event { at: 5_500_000, process: 0, task: 0, kind: fault },
/// ];
/// assert_eq!(
///     Trace::new(&events).to_string(),
///     "    +0.000 ms         p2/t7   requests key 3 (#41), deadline +5.000 ms\n\
///      \x20   +1.500 ms  FAULT          the server loses all data\n",
/// );
/// ```
pub struct Trace<'a> {
    events: Vec<&'a Event>,
    keys: FxHashMap<Request, u32>,
    highlighted: &'a [Request],
    start: Nanos,
}

impl<'a> Trace<'a> {
    /// The trace of these events, which may come in any order.
    #[must_use]
    pub fn new(events: &'a [Event]) -> Self {
        let mut events: Vec<&Event> = events.iter().collect();
        events.sort_by_key(|event| event.at);
        let keys = events.iter().filter_map(|event| match event.kind {
            EventKind::Requested { request, key, .. } => Some((request, key)),
            _ => None,
        });
        let keys = keys.collect();
        let start = events.first().map_or(0, |event| event.at);
        Self { events, keys, highlighted: &[], start }
    }

    /// Marks the lines about these requests with `>`; none by default.
    #[must_use]
    pub fn highlight(mut self, requests: &'a [Request]) -> Self {
        self.highlighted = requests;
        self
    }

    fn time(&self, at: Nanos) -> RelativeTime {
        RelativeTime { at, start: self.start }
    }

    /// `key 3 (#41)`.
    fn name(&self, request: Request) -> String {
        self.keys
            .get(&request)
            .map_or_else(|| format!("#{request}"), |key| format!("key {key} (#{request})"))
    }

    fn describe(&self, kind: &EventKind) -> String {
        match kind {
            EventKind::Requested { request, key, deadline, must_succeed } => {
                let deadline = deadline.map_or_else(
                    || "no deadline".to_owned(),
                    |deadline| format!("deadline {}", self.time(deadline)),
                );
                let certain = if *must_succeed { ", must succeed" } else { "" };
                format!("requests key {key} (#{request}), {deadline}{certain}")
            }
            EventKind::Acquired { request, fence, valid_until, outer } => {
                let verb = outer.map_or_else(
                    || format!("acquires {}", self.name(*request)),
                    |outer| format!("re-enters {} inside #{outer}", self.name(*request)),
                );
                format!("{verb} with token {fence}, valid until {}", self.time(*valid_until))
            }
            EventKind::Queued { request } => format!("is queued for {}", self.name(*request)),
            EventKind::Kept { request, until } => {
                format!("keeps {} until {}", self.name(*request), self.time(*until))
            }
            EventKind::Extended { request, until } => {
                format!("extends {}, valid until {}", self.name(*request), self.time(*until))
            }
            EventKind::LossReported { request } => {
                format!("is notified that {} is lost", self.name(*request))
            }
            EventKind::Released { request } => format!("releases {}", self.name(*request)),
            EventKind::Refused { request, why } => {
                format!("does not get {}: {}", self.name(*request), reason(*why))
            }
            EventKind::Cancelled { request } => format!("cancels {}", self.name(*request)),
            EventKind::RegisterWrite { request, accepted } => {
                let outcome = if *accepted { "accepted" } else { "rejected" };
                format!("writes to the register under {}: {outcome}", self.name(*request))
            }
            EventKind::CounterUpdate { request, read } => {
                format!(
                    "reads {read} from the counter under {} and writes {}",
                    self.name(*request),
                    read + 1
                )
            }
            EventKind::CounterTotal { key, count } => {
                format!("the counter of key {key} is {count}")
            }
            EventKind::Paused(true) => "is paused".to_owned(),
            EventKind::Paused(false) => "is resumed".to_owned(),
            EventKind::Stalled { since } => {
                format!("has a thread that could not run since {}", self.time(*since))
            }
            EventKind::Crashed => "crashes".to_owned(),
            EventKind::Fault(text) => text.clone(),
            EventKind::Leak { resource, count } => format!("leaks {resource}: {count}"),
        }
    }
}

fn reason(why: Refusal) -> &'static str {
    match why {
        Refusal::Busy => "busy until its deadline",
        Refusal::Unavailable => "the server cannot be reached",
        Refusal::Refused => "the server rejects it",
        Refusal::Deadlock => "deadlock",
        Refusal::Lost => "a hold that it needs is lost",
    }
}

/// The task or process that an event belongs to; empty for events of the whole run.
fn actor(event: &Event) -> String {
    match event.kind {
        EventKind::Fault(_) | EventKind::CounterTotal { .. } => String::new(),
        EventKind::Paused(_)
        | EventKind::Stalled { .. }
        | EventKind::Crashed
        | EventKind::Leak { .. } => {
            format!("p{}", event.process)
        }
        _ => format!("p{}/t{}", event.process, event.task),
    }
}

fn fault(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Fault(_) => "FAULT",
        EventKind::Paused(_) => "PAUSE",
        EventKind::Stalled { .. } => "STALL",
        EventKind::Crashed => "CRASH",
        EventKind::LossReported { .. } => "lost",
        _ => "",
    }
}

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            let request = event.kind.request();
            let marked = request.is_some_and(|request| self.highlighted.contains(&request));
            writeln!(
                f,
                "{}{:>12}  {:<5}  {:<7} {}",
                if marked { '>' } else { ' ' },
                self.time(event.at),
                fault(&event.kind),
                actor(event),
                self.describe(&event.kind),
            )?;
        }
        Ok(())
    }
}
