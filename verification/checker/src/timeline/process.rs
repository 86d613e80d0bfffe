use crate::event::Nanos;

/// A process: its crashes, pauses and stalls.
pub(crate) struct Process {
    pub(crate) name: u32,
    crashes: Vec<Nanos>,
    /// Start and end, in order. The last one ends at [`NEVER`] while the process is paused.
    pauses: Vec<(Nanos, Nanos)>,
    stalls: Vec<(Nanos, Nanos)>,
}

/// The end of a pause that has none.
const NEVER: Nanos = Nanos::MAX;

impl Process {
    pub(crate) fn new(name: u32) -> Self {
        Self { name, crashes: Vec::new(), pauses: Vec::new(), stalls: Vec::new() }
    }

    pub(crate) fn crashes(&self) -> usize {
        self.crashes.len()
    }

    /// The crash after this many earlier ones.
    pub(crate) fn crash(&self, before: usize) -> Option<Nanos> {
        self.crashes.get(before).copied()
    }

    /// Records a crash, which also ends a pause.
    pub(crate) fn record_crash(&mut self, at: Nanos) {
        self.record_resume(at);
        self.crashes.push(at);
    }

    /// Records a pause. Returns whether the process was running.
    pub(crate) fn record_pause(&mut self, at: Nanos) -> bool {
        let running = self.pauses.last().is_none_or(|pause| pause.1 != NEVER);
        if running {
            self.pauses.push((at, NEVER));
        }
        running
    }

    /// Records a resumption. Returns whether the process was paused.
    pub(crate) fn record_resume(&mut self, at: Nanos) -> bool {
        match self.pauses.last_mut() {
            Some(pause) if pause.1 == NEVER => {
                pause.1 = at;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn record_stall(&mut self, from: Nanos, to: Nanos) {
        self.stalls.push((from, to));
    }

    /// Joins pauses that are no more than the slack apart: the process has no time to act between
    /// them. Sorts the stalls.
    pub(crate) fn join_pauses(&mut self, slack: Nanos) {
        self.stalls.sort_unstable();
        self.pauses.dedup_by(|later, earlier| {
            let joined = later.0 <= earlier.1.saturating_add(slack);
            if joined {
                earlier.1 = later.1;
            }
            joined
        });
    }

    /// When an action is due that has this deadline, with the slack, after pauses and stalls are
    /// taken into account; `None` if the process stays paused. What a stall takes of the slack is
    /// added.
    pub(crate) fn due(&self, deadline: Nanos, slack: Nanos) -> Option<Nanos> {
        let (mut due, mut counted) = (deadline.saturating_add(slack), deadline);
        for &(from, to) in &self.stalls {
            if from <= due && to > counted {
                due = due.saturating_add(to - from.max(counted));
                counted = to;
            }
        }
        let done = self.pauses.partition_point(|pause| pause.1.saturating_add(slack) <= due);
        match self.pauses.get(done) {
            Some(&(from, _)) if from > due => Some(due),
            Some(&(_, NEVER)) => None,
            Some(&(_, to)) => Some(to.saturating_add(slack)),
            None => Some(due),
        }
    }

    pub(crate) fn was_paused(&self, from: Nanos, to: Nanos) -> bool {
        let before = self.pauses.partition_point(|pause| pause.1 < from);
        self.pauses.get(before).is_some_and(|pause| pause.0 <= to)
    }

    /// Whether it is paused at the end of the run.
    pub(crate) fn is_paused(&self) -> bool {
        self.pauses.last().is_some_and(|pause| pause.1 == NEVER)
    }
}
