//! A history put in order: the life of each request, the state of each process.

mod build;
mod life;
mod process;

pub(crate) use life::{End, Hold, Life};
pub(crate) use process::Process;

use crate::event::{Event, Nanos};
use crate::moment::Moment;
use crate::violation::Violation;

/// A history put in order. Requests, keys and processes go by their index here.
#[derive(Default)]
pub(crate) struct Timeline<'a> {
    /// All requests, in order of `asked`.
    pub(crate) lives: Vec<Life>,
    /// The keys by their names.
    pub(crate) keys: Vec<u32>,
    /// The processes.
    pub(crate) processes: Vec<Process>,
    /// The requests that entered, in order of that.
    pub(crate) entered: Vec<u32>,
    /// Writes to the fenced registers: when, by whom, whether accepted.
    pub(crate) writes: Vec<(Nanos, u32, bool)>,
    /// Rounds of the unfenced counters: when, by whom, what was read.
    pub(crate) counts: Vec<(Nanos, u32, u64)>,
    /// The counters at the end: when, which key, what they stood at.
    pub(crate) totals: Vec<(Nanos, u32, u64)>,
    /// Holds that were said to be valid after their loss: when, which.
    pub(crate) revived: Vec<(Nanos, u32)>,
    /// What was left over.
    pub(crate) leftovers: Vec<&'a Event>,
    /// The last fault, crash or pause, or its end.
    pub(crate) disturbed: Option<Nanos>,
    /// The first event.
    pub(crate) start: Nanos,
    /// The last event.
    pub(crate) end: Nanos,
    /// What makes no sense in it.
    pub(crate) malformed: Vec<Violation>,
    /// The outer grants, by key, then by when they entered.
    outer: Vec<u32>,
    /// Where those of a key begin in it.
    outer_begins: Vec<u32>,
}

impl Timeline<'_> {
    /// The outer grants of a key, in order of when they entered.
    pub(crate) fn outer(&self, key: usize) -> &[u32] {
        &self.outer[self.outer_begins[key] as usize..self.outer_begins[key + 1] as usize]
    }

    /// The request.
    pub(crate) fn life(&self, index: u32) -> &Life {
        &self.lives[index as usize]
    }

    /// The hold of a request that entered.
    pub(crate) fn hold(&self, index: u32) -> &Hold {
        self.life(index).hold.as_ref().expect("only requests that entered are in lists of holds")
    }

    /// The process of a request.
    pub(crate) fn process(&self, life: &Life) -> &Process {
        &self.processes[life.process as usize]
    }

    /// When the process of a request crashed, with the request in it.
    pub(crate) fn crash(&self, life: &Life) -> Option<Nanos> {
        self.process(life).crash(life.crashes_before)
    }

    /// When a request stopped to wait: it ended, or its process crashed, or never.
    pub(crate) fn waited_until(&self, life: &Life) -> Option<Nanos> {
        life.answered().or_else(|| self.crash(life))
    }

    /// When the hold that an outer request has ended for everybody inside it: left, told lost, run out or crashed.
    pub(crate) fn over(&self, index: u32) -> Nanos {
        let hold = self.hold(index);
        let left = if hold.inside == 0 { hold.all_left } else { Nanos::MAX };
        let told = hold.told.unwrap_or(Nanos::MAX);
        let crash = self.crash(self.life(index)).unwrap_or(Nanos::MAX);
        left.min(told).min(crash).min(hold.until)
    }

    /// Who made a request, and its name: `p2/t7 (#41)`.
    pub(crate) fn who(&self, index: u32) -> String {
        let life = self.life(index);
        format!("p{}/t{} (#{})", self.process(life).name, life.task, life.request)
    }

    /// An instant for people.
    pub(crate) fn moment(&self, at: Nanos) -> Moment {
        Moment { at, start: self.start }
    }

    /// The names of requests.
    pub(crate) fn names(&self, indices: &[u32]) -> Vec<u64> {
        indices.iter().map(|index| self.life(*index).request).collect()
    }

    /// Puts the outer grants in order of their keys.
    fn sort_outer(&mut self) {
        let outer = |index: &u32| self.hold(*index).within.is_none();
        let mut begins = vec![0; self.keys.len() + 1];
        for index in self.entered.iter().copied().filter(outer) {
            begins[self.life(index).key as usize + 1] += 1;
        }
        for key in 1..begins.len() {
            begins[key] += begins[key - 1];
        }
        let mut free = begins.clone();
        let mut sorted = vec![0; *begins.last().expect("one more than keys") as usize];
        for index in self.entered.iter().copied().filter(outer) {
            let place = &mut free[self.life(index).key as usize];
            sorted[*place as usize] = index;
            *place += 1;
        }
        (self.outer, self.outer_begins) = (sorted, begins);
    }
}
