//! The queue of events.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use checker::Nanos;
use distlock_runtime::verification::Notification;

use super::network::{Answer, Request};
use crate::context::TaskId;

/// An event of the simulation.
pub(super) enum SimEvent {
    /// A process starts.
    Start(usize),
    /// A process's I/O thread has something to do.
    Turn(usize),
    /// A task was woken.
    Poll(TaskId),
    /// A fault of the plan.
    Fault(usize),
    /// A fault ends.
    FaultOver(usize),
    /// A paused process resumes.
    Resumed(usize),
    /// This server is back or resumes.
    ServerBack(usize),
    /// A replica has copied all that the primary had then, and nothing since. For a fault.
    Copied(usize),
    /// A process finds this server under the address.
    Moved(usize, usize),
    /// This server is the primary no more, for all processes.
    Demoted(usize),
    /// A process tries to connect. The second number is the place of the link.
    Connect(usize, usize),
    /// A process finds out which nodes of a cluster have which slots.
    Look(usize),
    /// The next phase of a migration begins, or it is over. For a fault.
    Migrated(usize, usize),
    /// The attempt arrives at the server.
    ConnectRequest(usize),
    /// The reply of the server arrives, with the longest lease that it knows.
    ConnectReply(usize, Duration),
    /// An attempt to connect fails.
    ConnectFailed(usize),
    /// A batch of calls arrives at the server.
    Request(usize, Request),
    /// The WAIT of this batch is over; so many replicas have acknowledged.
    Waited(usize, u64, u32),
    /// The replies arrive.
    Answer(usize, Answer),
    /// A pushed notification arrives.
    Push(usize, Notification),
    /// The client notices that its connection is closed.
    ClientNotices(usize),
    /// The server notices.
    ServerNotices(usize),
}

/// Future events, the earliest first. Events of one instant keep the order in which they were
/// added.
#[derive(Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Reverse<QueuedEvent>>,
    next: u64,
}

struct QueuedEvent {
    at: Nanos,
    number: u64,
    event: SimEvent,
}

impl EventQueue {
    pub(super) fn put(&mut self, at: Nanos, event: SimEvent) {
        self.heap.push(Reverse(QueuedEvent { at, number: self.next, event }));
        self.next += 1;
    }

    pub(super) fn take_before(&mut self, limit: Nanos) -> Option<(Nanos, SimEvent)> {
        if self.heap.peek()?.0.at > limit {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl PartialEq for QueuedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for QueuedEvent {}

impl PartialOrd for QueuedEvent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueuedEvent {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
