//! What a history came to.

use std::ops::AddAssign;

use crate::Violation;

/// What a history came to: counts, and what was wrong. Reports of several runs can be added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events read.
    pub events: u64,
    /// Requests made.
    pub requests: u64,
    /// Acquire/release pairs completed, re-entries not counted.
    pub pairs: u64,
    /// Re-entries.
    pub reentries: u64,
    /// Requests that ended without the lock, cancelled ones not counted.
    pub refusals: u64,
    /// Requests that their caller dropped.
    pub cancelled: u64,
    /// Owners that were told that their hold was lost.
    pub losses: u64,
    /// Times that a hold became valid while that of another owner was, in a run that may lose data.
    pub double_holds: u64,
    /// Keys of lossless runs whose counter proves nothing, because a paused holder wrote to it past its lease.
    pub counters_overwritten: u64,
    /// What was wrong.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Nothing was wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.violations.is_empty()
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.requests += other.requests;
        self.pairs += other.pairs;
        self.reentries += other.reentries;
        self.refusals += other.refusals;
        self.cancelled += other.cancelled;
        self.losses += other.losses;
        self.double_holds += other.double_holds;
        self.counters_overwritten += other.counters_overwritten;
        self.violations.extend(other.violations);
    }
}
