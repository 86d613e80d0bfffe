//! A process: its crashes and pauses.

use crate::event::Nanos;

/// A process: its crashes and pauses.
pub(crate) struct Process {
    /// Its name.
    pub(crate) name: u32,
    crashes: Vec<Nanos>,
    /// From when to when, in order; the last one may have no end yet.
    pauses: Vec<(Nanos, Nanos)>,
}

/// The end of a pause that has none.
const NEVER: Nanos = Nanos::MAX;

impl Process {
    /// One that has done nothing yet.
    pub(crate) fn new(name: u32) -> Self {
        Self { name, crashes: Vec::new(), pauses: Vec::new() }
    }

    /// How often it has crashed so far.
    pub(crate) fn crashes(&self) -> usize {
        self.crashes.len()
    }

    /// The crash after so many others.
    pub(crate) fn crash(&self, before: usize) -> Option<Nanos> {
        self.crashes.get(before).copied()
    }

    /// It crashes, which ends a pause too.
    pub(crate) fn crashed(&mut self, at: Nanos) {
        self.resumed(at);
        self.crashes.push(at);
    }

    /// It stands still; whether it did not already.
    pub(crate) fn paused(&mut self, at: Nanos) -> bool {
        let running = self.pauses.last().is_none_or(|pause| pause.1 != NEVER);
        if running {
            self.pauses.push((at, NEVER));
        }
        running
    }

    /// It goes on; whether it stood still.
    pub(crate) fn resumed(&mut self, at: Nanos) -> bool {
        match self.pauses.last_mut() {
            Some(pause) if pause.1 == NEVER => {
                pause.1 = at;
                true
            }
            _ => false,
        }
    }

    /// Makes one pause of those that leave no more than the slack between them, in which nothing can be asked of it.
    pub(crate) fn join_pauses(&mut self, slack: Nanos) {
        self.pauses.dedup_by(|later, earlier| {
            let joined = later.0 <= earlier.1.saturating_add(slack);
            if joined {
                earlier.1 = later.1;
            }
            joined
        });
    }

    /// When something is due that was due then, if pauses are excused; `None` if it stands still for ever.
    pub(crate) fn due(&self, due: Nanos, slack: Nanos) -> Option<Nanos> {
        let done = self.pauses.partition_point(|pause| pause.1.saturating_add(slack) <= due);
        match self.pauses.get(done) {
            Some(&(from, _)) if from > due => Some(due),
            Some(&(_, NEVER)) => None,
            Some(&(_, to)) => Some(to.saturating_add(slack)),
            None => Some(due),
        }
    }

    /// Whether it stood still at any time from one instant to another.
    pub(crate) fn stood_still(&self, from: Nanos, to: Nanos) -> bool {
        let before = self.pauses.partition_point(|pause| pause.1 < from);
        self.pauses.get(before).is_some_and(|pause| pause.0 <= to)
    }

    /// Whether it still stands still.
    pub(crate) fn stands_still(&self) -> bool {
        self.pauses.last().is_some_and(|pause| pause.1 == NEVER)
    }
}
