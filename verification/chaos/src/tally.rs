use std::collections::BTreeMap;
use std::fmt;

use crate::fault::FaultKind;
use crate::trial::Outcome;

/// The totals of many schedules.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub schedules: u64,
    pub lossless: u64,
    /// In which a node has lost keys by itself.
    pub dropped: u64,
    /// How many schedules had a kind of fault.
    pub by_fault: BTreeMap<FaultKind, u64>,
    /// How many of those faults had an effect.
    pub effects: BTreeMap<FaultKind, u64>,
    pub by_workload: BTreeMap<String, u64>,
    /// Pairs of acquire and release, without re-entries.
    pub pairs: u64,
    pub reentries: u64,
    pub cancelled: u64,
    /// Failed requests by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    pub losses: u64,
    /// How often two holds were valid at once, in schedules that lose holds.
    pub double_holds: u64,
    /// Counters that a paused process overwrote after its lease had expired.
    pub counters_overwritten: u64,
    /// Documented exceptions by seed.
    pub known: BTreeMap<u64, usize>,
    /// Violations by seed.
    pub violations: BTreeMap<u64, usize>,
    /// Seeds whose schedule could not be run, and the error.
    pub broken: BTreeMap<u64, String>,
}

impl Tally {
    pub fn add(&mut self, outcome: &Outcome) {
        let report = &outcome.report;
        self.schedules += 1;
        self.lossless += u64::from(outcome.schedule.is_lossless());
        self.dropped += u64::from(outcome.schedule.has_dropped);
        for kind in &outcome.faults {
            *self.effects.entry(*kind).or_default() += 1;
        }
        for fault in &outcome.schedule.faults {
            *self.by_fault.entry(fault.kind).or_default() += 1;
        }
        *self.by_workload.entry(outcome.schedule.workload.to_string()).or_default() += 1;
        for (why, count) in &outcome.refusals {
            *self.refusals.entry(why).or_default() += count;
        }
        self.pairs += report.pairs;
        self.reentries += report.reentries;
        self.cancelled += report.cancelled;
        self.losses += report.losses;
        self.double_holds += report.double_holds;
        self.counters_overwritten += report.counters_overwritten;
        if !outcome.known.is_empty() {
            self.known.insert(outcome.schedule.seed, outcome.known.len());
        }
        if !report.is_right() {
            self.violations.insert(outcome.schedule.seed, report.violations.len());
        }
    }

    #[must_use]
    pub fn is_right(&self) -> bool {
        self.violations.is_empty() && self.broken.is_empty()
    }

    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("schedules", self.schedules),
            ("lossless schedules", self.lossless),
            ("schedules in which a node dropped a slot", self.dropped),
            ("faults that had an effect", self.effects.values().sum()),
            ("completed pairs", self.pairs),
            ("re-entries", self.reentries),
            ("cancelled requests", self.cancelled),
            ("losses", self.losses),
            ("double holds in lossy schedules", self.double_holds),
            ("counters overwritten by a paused process", self.counters_overwritten),
            (
                "documented exceptions: tokens out of order",
                self.known.values().sum::<usize>() as u64,
            ),
            ("schedules with violations", self.violations.len() as u64),
        ]
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.rows() {
            writeln!(f, "{count:>12}  {name}")?;
        }
        for (why, count) in &self.refusals {
            writeln!(f, "{count:>12}  refused: {why}")?;
        }
        for (workload, count) in &self.by_workload {
            writeln!(f, "{count:>12}  schedules of {workload}")?;
        }
        for (kind, count) in &self.by_fault {
            let effects = self.effects.get(kind).copied().unwrap_or(0);
            writeln!(f, "{count:>12}  schedules with {kind}, {effects} with effect")?;
        }
        for (seed, count) in &self.known {
            writeln!(f, "documented exceptions: {count} tokens out of order in seed {seed}")?;
        }
        for (seed, count) in &self.violations {
            writeln!(f, "VIOLATIONS: {count} in seed {seed}")?;
        }
        for (seed, why) in &self.broken {
            writeln!(f, "NOT RUN: seed {seed}: {why}")?;
        }
        Ok(())
    }
}
