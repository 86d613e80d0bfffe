//! The outcome of a check.

use std::ops::AddAssign;

use crate::Violation;

/// The outcome of a check: counts and violations. Reports of several runs can be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events read.
    pub events: u64,
    /// Requests made.
    pub requests: u64,
    /// Completed acquire/release pairs, without re-entries.
    pub pairs: u64,
    /// Re-entries.
    pub reentries: u64,
    /// Requests that failed, without cancelled ones.
    pub refusals: u64,
    /// Requests that their callers dropped.
    pub cancelled: u64,
    /// Owners that were notified of a loss.
    pub losses: u64,
    /// How often a hold became valid while another owner's was, in runs that may lose data.
    pub double_holds: u64,
    /// Keys of lossless runs whose counter proves nothing, because a paused holder wrote to it
    /// after its lease expired.
    pub counters_overwritten: u64,
    /// The violations.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether there are no violations.
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
