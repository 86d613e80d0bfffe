//! Builds a timeline from events, and reports events that cannot happen.
//!
//! Every event about a request comes from its process, after `Requested` and before the process
//! crashes. A request ends its wait once, and `Queued` comes before that. `Kept`, `Extended`,
//! `LossReported`, `RegisterWrite` and `CounterUpdate` come between `Acquired` and `Released`.

use rustc_hash::FxHashMap;

use super::{Hold, Process, RequestRecord, Timeline, Unsuccessful};
use crate::event::{Event, EventKind, Nanos, Request};
use crate::property::Property;
use crate::rules::Rules;
use crate::violation::Violation;

#[derive(Default)]
struct Builder<'a> {
    run: Timeline<'a>,
    indices: FxHashMap<Request, u32>,
    keys: FxHashMap<u32, u32>,
    processes: FxHashMap<u32, u32>,
}

/// Where a request has to be in its record for an event to make sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RequestPhase {
    Waiting,
    Holding,
}

impl<'a> Timeline<'a> {
    pub(crate) fn new(events: &'a [Event], rules: &Rules) -> Self {
        let mut sorted: Vec<&Event> = events.iter().collect();
        sorted.sort_by_key(|event| event.at);
        let mut builder = Builder::default();
        builder.indices.reserve(events.len() / 4);
        builder.run.requests.reserve(events.len() / 4);
        builder.run.start = sorted.first().map_or(0, |event| event.at);
        builder.run.end = sorted.last().map_or(0, |event| event.at);
        for event in sorted {
            builder.add(event);
        }
        for process in &mut builder.run.processes {
            process.join_pauses(rules.slack);
        }
        builder.run.sort_outermost();
        builder.run
    }
}

impl<'a> Builder<'a> {
    fn add(&mut self, event: &'a Event) {
        let at = event.at;
        match &event.kind {
            EventKind::Requested { .. } => self.request(event),
            EventKind::Acquired { outer, .. } => self.acquire(event, *outer),
            EventKind::Queued { request } => {
                if let Some(index) = self.in_phase(event, *request, RequestPhase::Waiting) {
                    self.run.requests[index as usize].queued.get_or_insert(at);
                }
            }
            EventKind::Refused { request, .. } => self.fail(event, *request, false),
            EventKind::Cancelled { request } => self.fail(event, *request, true),
            EventKind::Kept { request, until } => {
                if let Some(index) = self.in_phase(event, *request, RequestPhase::Holding) {
                    self.root(index).kept_until = Some(*until);
                }
            }
            EventKind::Extended { request, until } => self.extend(event, *request, *until),
            EventKind::LossReported { request } => {
                if let Some(index) = self.in_phase(event, *request, RequestPhase::Holding) {
                    self.root(index).loss_reported.get_or_insert(at);
                }
            }
            EventKind::Released { request } => self.release(event, *request),
            EventKind::RegisterWrite { request, accepted } => {
                if let Some(index) = self.in_phase(event, *request, RequestPhase::Holding) {
                    self.run.register_writes.push((at, index, *accepted));
                }
            }
            EventKind::CounterUpdate { request, read } => {
                if let Some(index) = self.in_phase(event, *request, RequestPhase::Holding) {
                    self.run.counter_updates.push((at, index, *read));
                }
            }
            EventKind::CounterTotal { key, count } => {
                let key = self.key(*key);
                self.run.counter_totals.push((at, key, *count));
            }
            EventKind::Leak { .. } => self.run.leaks.push(event),
            EventKind::Fault(_) => self.run.last_disturbance = Some(at),
            EventKind::Paused(_) | EventKind::Crashed => self.disturb(event),
            EventKind::Stalled { since } => {
                let process = self.process(event.process);
                self.run.processes[process as usize].record_stall(*since, at);
            }
        }
    }

    fn request(&mut self, event: &Event) {
        let EventKind::Requested { request, key, deadline, must_succeed } = event.kind else {
            return;
        };
        let (key, process) = (self.key(key), self.process(event.process));
        let index = u32::try_from(self.run.requests.len()).expect("fewer requests than 2^32");
        if self.indices.insert(request, index).is_some() {
            self.malformed(event, "duplicate request", request);
        }
        let crashes_before = self.run.processes[process as usize].crashes();
        self.run.requests.push(RequestRecord {
            request,
            key,
            process,
            task: event.task,
            crashes_before,
            requested: event.at,
            deadline,
            must_succeed,
            queued: None,
            hold: None,
            end: None,
        });
    }

    fn acquire(&mut self, event: &Event, outer: Option<Request>) {
        let EventKind::Acquired { request, fence, valid_until, .. } = event.kind else { return };
        let Some(index) = self.in_phase(event, request, RequestPhase::Waiting) else { return };
        let outer = outer.map(|outer| self.enclosing(outer, index));
        if outer == Some(None) {
            return self.malformed(
                event,
                "no enclosing hold of this key for the re-entry",
                request,
            );
        }
        let outer = outer.flatten();
        let root = outer.map_or(index, |outer| self.run.hold(outer).root);
        self.run.requests[index as usize].hold = Some(Hold {
            at: event.at,
            fence,
            outer,
            root,
            released: None,
            until: valid_until,
            kept_until: None,
            loss_reported: None,
            inside: 0,
            last_release: 0,
        });
        self.root(index).inside += 1;
        // A re-entry does not look at the clock: with no time left, the hold was over before it.
        if valid_until > event.at {
            self.extend_root(event, index, valid_until);
        }
        self.run.acquired.push(index);
    }

    /// The enclosing hold that a re-entry names, if it exists.
    fn enclosing(&self, outer: Request, inner: u32) -> Option<u32> {
        let outer = *self.indices.get(&outer)?;
        let same_key = self.run.request(outer).key == self.run.request(inner).key;
        (same_key && self.run.request(outer).hold.is_some()).then_some(outer)
    }

    fn fail(&mut self, event: &Event, request: Request, cancelled: bool) {
        if let Some(index) = self.in_phase(event, request, RequestPhase::Waiting) {
            self.run.requests[index as usize].end = Some(Unsuccessful { at: event.at, cancelled });
        }
    }

    fn extend(&mut self, event: &Event, request: Request, until: Nanos) {
        if let Some(index) = self.in_phase(event, request, RequestPhase::Holding) {
            self.extend_root(event, index, until);
        }
    }

    fn extend_root(&mut self, event: &Event, index: u32, until: Nanos) {
        let root = self.root(index);
        if root.loss_reported.is_none_or(|reported| reported >= event.at) {
            root.until = root.until.max(until);
        } else {
            self.run.extended_after_loss.push((event.at, index));
        }
    }

    fn release(&mut self, event: &Event, request: Request) {
        let Some(index) = self.in_phase(event, request, RequestPhase::Holding) else { return };
        self.run.requests[index as usize].hold.as_mut().expect("it holds the lock").released =
            Some(event.at);
        let root = self.root(index);
        root.inside -= 1;
        root.last_release = event.at;
    }

    fn disturb(&mut self, event: &Event) {
        let index = self.process(event.process);
        let process = &mut self.run.processes[index as usize];
        let valid = match event.kind {
            EventKind::Paused(true) => process.record_pause(event.at),
            EventKind::Paused(false) => process.record_resume(event.at),
            _ => {
                process.record_crash(event.at);
                true
            }
        };
        self.run.last_disturbance = Some(event.at);
        if !valid {
            let text = format!("p{} is paused or resumed twice", event.process);
            self.run.malformed.push(malformed(event.at, text, Vec::new()));
        }
    }

    /// The request of an event, if it is in the phase that the event requires.
    fn in_phase(&mut self, event: &Event, request: Request, phase: RequestPhase) -> Option<u32> {
        let problem = match self.indices.get(&request) {
            None => "unknown request",
            Some(&index) => {
                let record = self.run.request(index);
                let process = self.run.process(record);
                if process.name != event.process {
                    "request of another process"
                } else if process.crashes() > record.crashes_before {
                    "its process crashed before, which ended"
                } else if phase == RequestPhase::Waiting && record.settled().is_some() {
                    "no longer waiting"
                } else if phase == RequestPhase::Holding && !record.is_held() {
                    "not held"
                } else {
                    return Some(index);
                }
            }
        };
        self.malformed(event, problem, request);
        None
    }

    fn malformed(&mut self, event: &Event, problem: &str, request: Request) {
        let when = self.run.time(event.at);
        let (process, task) = (event.process, event.task);
        let text = format!("p{process}/t{task} at {when}: {problem} #{request}: {:?}", event.kind);
        self.run.malformed.push(malformed(event.at, text, vec![request]));
    }

    fn root(&mut self, index: u32) -> &mut Hold {
        let root = self.run.hold(index).root;
        self.run.requests[root as usize].hold.as_mut().expect("a root has a hold")
    }

    fn key(&mut self, name: u32) -> u32 {
        *self.keys.entry(name).or_insert_with(|| {
            self.run.keys.push(name);
            u32::try_from(self.run.keys.len() - 1).expect("names are of 32 bits")
        })
    }

    fn process(&mut self, name: u32) -> u32 {
        *self.processes.entry(name).or_insert_with(|| {
            self.run.processes.push(Process::new(name));
            u32::try_from(self.run.processes.len() - 1).expect("names are of 32 bits")
        })
    }
}

fn malformed(at: Nanos, text: String, requests: Vec<Request>) -> Violation {
    Violation { property: Property::WellFormed, at, text, requests }
}
