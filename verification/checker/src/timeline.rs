//! The history of a run, sorted: the record of each request and the state of each process.

mod build;
mod process;
mod request;

pub(crate) use process::Process;
pub(crate) use request::{Hold, RequestRecord, Unsuccessful};

use crate::event::{Event, Nanos};
use crate::relative_time::RelativeTime;
use crate::violation::Violation;

/// The sorted history of a run. Requests, keys and processes are identified by their index here.
#[derive(Default)]
pub(crate) struct Timeline<'a> {
    /// In the order in which they were requested.
    pub(crate) requests: Vec<RequestRecord>,
    /// The names of the keys.
    pub(crate) keys: Vec<u32>,
    pub(crate) processes: Vec<Process>,
    /// The requests that acquired, in that order.
    pub(crate) acquired: Vec<u32>,
    /// Time, request, and whether the register accepted the write.
    pub(crate) register_writes: Vec<(Nanos, u32, bool)>,
    /// Time, request, and the value that was read.
    pub(crate) counter_updates: Vec<(Nanos, u32, u64)>,
    /// Time, key and final value.
    pub(crate) counter_totals: Vec<(Nanos, u32, u64)>,
    /// Time and request.
    pub(crate) extended_after_loss: Vec<(Nanos, u32)>,
    pub(crate) leaks: Vec<&'a Event>,
    /// The time of the last fault, crash, pause or resumption.
    pub(crate) last_disturbance: Option<Nanos>,
    pub(crate) start: Nanos,
    pub(crate) end: Nanos,
    /// Violations of [`Property::WellFormed`](crate::Property::WellFormed).
    pub(crate) malformed: Vec<Violation>,
    /// The outermost grants, by key, then in the order in which they were acquired.
    outermost: Vec<u32>,
    /// Where the grants of a key begin in `outermost`.
    outermost_begins: Vec<u32>,
}

impl Timeline<'_> {
    /// The outermost grants of a key, in the order in which they were acquired.
    pub(crate) fn outermost(&self, key: usize) -> &[u32] {
        &self.outermost
            [self.outermost_begins[key] as usize..self.outermost_begins[key + 1] as usize]
    }

    pub(crate) fn request(&self, index: u32) -> &RequestRecord {
        &self.requests[index as usize]
    }

    /// The hold of a request that succeeded.
    pub(crate) fn hold(&self, index: u32) -> &Hold {
        self.request(index)
            .hold
            .as_ref()
            .expect("only requests that succeeded are in lists of holds")
    }

    pub(crate) fn process(&self, record: &RequestRecord) -> &Process {
        &self.processes[record.process as usize]
    }

    /// When the process of a request crashed and so ended it.
    pub(crate) fn crash(&self, record: &RequestRecord) -> Option<Nanos> {
        self.process(record).crash(record.crashes_before)
    }

    /// When a request stopped waiting, because it ended or its process crashed.
    pub(crate) fn waited_until(&self, record: &RequestRecord) -> Option<Nanos> {
        record.settled().or_else(|| self.crash(record))
    }

    /// When the hold of an outermost request ended: released, reported lost, expired or crashed.
    pub(crate) fn end_of(&self, index: u32) -> Nanos {
        let hold = self.hold(index);
        let released = if hold.inside == 0 { hold.last_release } else { Nanos::MAX };
        let loss = hold.loss_reported.unwrap_or(Nanos::MAX);
        let crash = self.crash(self.request(index)).unwrap_or(Nanos::MAX);
        released.min(loss).min(crash).min(hold.until)
    }

    /// `p2/t7 (#41)`.
    pub(crate) fn who(&self, index: u32) -> String {
        let record = self.request(index);
        format!("p{}/t{} (#{})", self.process(record).name, record.task, record.request)
    }

    pub(crate) fn time(&self, at: Nanos) -> RelativeTime {
        RelativeTime { at, start: self.start }
    }

    pub(crate) fn names(&self, indices: &[u32]) -> Vec<u64> {
        indices.iter().map(|index| self.request(*index).request).collect()
    }

    /// Sorts the outermost grants by key, with a counting sort.
    fn sort_outermost(&mut self) {
        let is_outermost = |index: &u32| self.hold(*index).outer.is_none();
        let mut begins = vec![0; self.keys.len() + 1];
        for index in self.acquired.iter().copied().filter(is_outermost) {
            begins[self.request(index).key as usize + 1] += 1;
        }
        for key in 1..begins.len() {
            begins[key] += begins[key - 1];
        }
        let mut free = begins.clone();
        let mut sorted = vec![0; *begins.last().expect("one more than keys") as usize];
        for index in self.acquired.iter().copied().filter(is_outermost) {
            let slot = &mut free[self.request(index).key as usize];
            sorted[*slot as usize] = index;
            *slot += 1;
        }
        (self.outermost, self.outermost_begins) = (sorted, begins);
    }
}
