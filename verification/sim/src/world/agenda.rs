//! What happens when.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use checker::Nanos;
use distlock_runtime::verification::Notification;

use super::traffic::{Answer, Request};
use crate::stage::TaskId;

/// Something that happens.
pub(super) enum Happening {
    /// A process starts.
    Born(usize),
    /// A process's I/O thread has something to do.
    Turn(usize),
    /// A task was woken.
    Poll(TaskId),
    /// A fault of the plan.
    Fault(usize),
    /// It is over.
    FaultOver(usize),
    /// A process that stood still runs on.
    Resumed(usize),
    /// The server is there again, or runs on.
    ServerBack,
    /// A process tries to connect.
    Connect(usize),
    /// The attempt arrives at the server.
    Hello(usize),
    /// Its answer arrives, and says what the server knows of the longest lease.
    Welcome(usize, Duration),
    /// An attempt of a process to connect, by the number of the connection, comes to nothing.
    ConnectFailed(usize, usize),
    /// A batch of calls arrives at the server.
    Request(usize, Request),
    /// The replies arrive.
    Answer(usize, Answer),
    /// What the server tells unasked arrives.
    Push(usize, Notification),
    /// The client finds that its connection is gone.
    ClientNotices(usize),
    /// The server finds it.
    ServerNotices(usize),
}

/// What is to happen, the next first; of several at one instant that which was put first.
#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    next: u64,
}

struct Entry {
    at: Nanos,
    number: u64,
    happening: Happening,
}

impl Agenda {
    pub(super) fn put(&mut self, at: Nanos, happening: Happening) {
        self.heap.push(Reverse(Entry { at, number: self.next, happening }));
        self.next += 1;
    }

    pub(super) fn take_before(&mut self, limit: Nanos) -> Option<(Nanos, Happening)> {
        if self.heap.peek()?.0.at > limit {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.happening))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
