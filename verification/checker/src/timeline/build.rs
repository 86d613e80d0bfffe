//! From events to a timeline; what makes no sense in them is found here.
//!
//! Every event about a request comes from its process, after `Asked` and before the process crashes; `Queued` and the ends of
//! the wait before any such end; `Valid`, `Lost`, `Wrote`, `Counted` and `Left` between `Entered` and `Left`.

use rustc_hash::FxHashMap;

use super::{End, Hold, Life, Process, Timeline};
use crate::event::{Event, Nanos, Request, What};
use crate::property::Property;
use crate::rules::Rules;
use crate::violation::Violation;

/// A timeline in the making.
#[derive(Default)]
struct Builder<'a> {
    run: Timeline<'a>,
    requests: FxHashMap<Request, u32>,
    keys: FxHashMap<u32, u32>,
    processes: FxHashMap<u32, u32>,
}

/// Where a request has to be in its life for an event to make sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Inside,
}

impl<'a> Timeline<'a> {
    /// Puts events in order.
    pub(crate) fn new(events: &'a [Event], rules: &Rules) -> Self {
        let mut sorted: Vec<&Event> = events.iter().collect();
        sorted.sort_by_key(|event| event.at);
        let mut builder = Builder::default();
        builder.requests.reserve(events.len() / 4);
        builder.run.lives.reserve(events.len() / 4);
        builder.run.start = sorted.first().map_or(0, |event| event.at);
        builder.run.end = sorted.last().map_or(0, |event| event.at);
        for event in sorted {
            builder.take(event);
        }
        for process in &mut builder.run.processes {
            process.join_pauses(rules.slack);
        }
        builder.run.sort_outer();
        builder.run
    }
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: &'a Event) {
        let at = event.at;
        match &event.what {
            What::Asked { .. } => self.ask(event),
            What::Entered { within, .. } => self.enter(event, *within),
            What::Queued { request } => {
                if let Some(index) = self.at_stage(event, *request, Stage::Waiting) {
                    self.run.lives[index as usize].queued.get_or_insert(at);
                }
            }
            What::Refused { request, .. } => self.end(event, *request, false),
            What::Cancelled { request } => self.end(event, *request, true),
            What::Valid { request, until } => self.extend(event, *request, *until),
            What::Lost { request } => {
                if let Some(index) = self.at_stage(event, *request, Stage::Inside) {
                    self.root(index).told.get_or_insert(at);
                }
            }
            What::Left { request } => self.leave(event, *request),
            What::Wrote { request, accepted } => {
                if let Some(index) = self.at_stage(event, *request, Stage::Inside) {
                    self.run.writes.push((at, index, *accepted));
                }
            }
            What::Counted { request, read } => {
                if let Some(index) = self.at_stage(event, *request, Stage::Inside) {
                    self.run.counts.push((at, index, *read));
                }
            }
            What::Total { key, count } => {
                let key = self.key(*key);
                self.run.totals.push((at, key, *count));
            }
            What::Leftover { .. } => self.run.leftovers.push(event),
            What::Fault(_) => self.run.disturbed = Some(at),
            What::Paused(_) | What::Crashed => self.disturb(event),
        }
    }

    fn ask(&mut self, event: &Event) {
        let What::Asked { request, key, deadline, surely } = event.what else { return };
        let (key, process) = (self.key(key), self.process(event.process));
        let index = u32::try_from(self.run.lives.len()).expect("fewer requests than 2^32");
        if self.requests.insert(request, index).is_some() {
            self.malformed(event, "a second request has the name", request);
        }
        let crashes_before = self.run.processes[process as usize].crashes();
        self.run.lives.push(Life {
            request,
            key,
            process,
            task: event.task,
            crashes_before,
            asked: event.at,
            deadline,
            surely,
            queued: None,
            hold: None,
            end: None,
        });
    }

    fn enter(&mut self, event: &Event, within: Option<Request>) {
        let What::Entered { request, fence, valid_until, .. } = event.what else { return };
        let Some(index) = self.at_stage(event, request, Stage::Waiting) else { return };
        let outer = within.map(|outer| self.outer(outer, index));
        if outer == Some(None) {
            return self.malformed(
                event,
                "there is no such hold of its key to re-enter for",
                request,
            );
        }
        let within = outer.flatten();
        let root = within.map_or(index, |outer| self.run.hold(outer).root);
        self.run.lives[index as usize].hold = Some(Hold {
            at: event.at,
            fence,
            within,
            root,
            left: None,
            until: valid_until,
            told: None,
            inside: 0,
            all_left: 0,
        });
        let root = self.root(index);
        root.inside += 1;
        root.until = root.until.max(valid_until);
        self.run.entered.push(index);
    }

    /// The hold that a request says it re-enters.
    fn outer(&self, outer: Request, inner: u32) -> Option<u32> {
        let outer = *self.requests.get(&outer)?;
        let same_key = self.run.life(outer).key == self.run.life(inner).key;
        (same_key && self.run.life(outer).hold.is_some()).then_some(outer)
    }

    fn end(&mut self, event: &Event, request: Request, cancelled: bool) {
        if let Some(index) = self.at_stage(event, request, Stage::Waiting) {
            self.run.lives[index as usize].end = Some(End { at: event.at, cancelled });
        }
    }

    fn extend(&mut self, event: &Event, request: Request, until: Nanos) {
        let Some(index) = self.at_stage(event, request, Stage::Inside) else { return };
        let root = self.root(index);
        if root.told.is_none_or(|told| told >= event.at) {
            root.until = root.until.max(until);
        } else {
            self.run.revived.push((event.at, index));
        }
    }

    fn leave(&mut self, event: &Event, request: Request) {
        let Some(index) = self.at_stage(event, request, Stage::Inside) else { return };
        self.run.lives[index as usize].hold.as_mut().expect("inside").left = Some(event.at);
        let root = self.root(index);
        root.inside -= 1;
        root.all_left = event.at;
    }

    fn disturb(&mut self, event: &Event) {
        let index = self.process(event.process);
        let process = &mut self.run.processes[index as usize];
        let sense = match event.what {
            What::Paused(true) => process.paused(event.at),
            What::Paused(false) => process.resumed(event.at),
            _ => {
                process.crashed(event.at);
                true
            }
        };
        self.run.disturbed = Some(event.at);
        if !sense {
            let text = format!("p{} is paused twice, or resumed twice", event.process);
            self.run.malformed.push(malformed(event.at, text, Vec::new()));
        }
    }

    /// The request of an event, if it is where it has to be for it.
    fn at_stage(&mut self, event: &Event, request: Request, stage: Stage) -> Option<u32> {
        let complaint = match self.requests.get(&request) {
            None => "nobody has asked for",
            Some(&index) => {
                let life = self.run.life(index);
                let process = self.run.process(life);
                if process.name != event.process {
                    "another process made"
                } else if process.crashes() > life.crashes_before {
                    "its process has crashed with"
                } else if stage == Stage::Waiting && life.answered().is_some() {
                    "it waits no more for"
                } else if stage == Stage::Inside && !life.is_inside() {
                    "it is not inside"
                } else {
                    return Some(index);
                }
            }
        };
        self.malformed(event, complaint, request);
        None
    }

    fn malformed(&mut self, event: &Event, complaint: &str, request: Request) {
        let when = self.run.moment(event.at);
        let (process, task) = (event.process, event.task);
        let text =
            format!("p{process}/t{task} at {when}: {complaint} #{request}: {:?}", event.what);
        self.run.malformed.push(malformed(event.at, text, vec![request]));
    }

    fn root(&mut self, index: u32) -> &mut Hold {
        let root = self.run.hold(index).root;
        self.run.lives[root as usize].hold.as_mut().expect("a root has entered")
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
    Violation { property: Property::Malformed, at, text, requests }
}
