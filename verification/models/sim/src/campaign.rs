//! Runs many plans, in sequence and in parallel.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use checker::{Property, Report};

use crate::plan::Plan;
use crate::trial::Trial;

/// A plan that failed.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its seed.
    pub seed: u64,
    /// The first property that it violates.
    pub property: Property,
    /// How many plans had run when it was found, including itself.
    pub after: u64,
}

/// The result of all plans.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many plans were run.
    pub schedules: u64,
    /// How many of them cannot make a server forget.
    pub lossless: u64,
    /// Tokens that did not rise in others: [`Trial::stale_grants`].
    pub stale_grants: u64,
    /// The sum of all reports of the checker.
    pub report: Report,
    /// The plans that failed, in the order in which they were found.
    pub findings: Vec<Finding>,
}

/// How a campaign is run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The seeds of its plans.
    pub seeds: Range<u64>,
    /// Whether only those of a Redis Cluster are run, about a quarter.
    pub cluster: bool,
    /// How many run in parallel.
    pub jobs: usize,
    /// After how many failures it stops.
    pub enough: usize,
}

impl Campaign {
    /// Runs it. `progress` is called for each seed that is done.
    pub fn run(&self, progress: impl Fn(u64, &Outcome) + Sync) -> Outcome {
        let next = AtomicU64::new(self.seeds.start);
        let outcome = Mutex::new(Outcome::default());
        thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| self.work(&next, &outcome, &progress));
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs plans until none is left or enough have failed.
    fn work(&self, next: &AtomicU64, outcome: &Mutex<Outcome>, progress: &impl Fn(u64, &Outcome)) {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.seeds.end {
                return;
            }
            let plan = Plan::generate(seed);
            let is_run = !self.cluster || plan.nodes > 1;
            let trial = is_run.then(|| Trial::of(&plan));
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(trial) = trial {
                outcome.add(&plan, trial);
            }
            progress(seed, &outcome);
            if outcome.findings.len() >= self.enough {
                return;
            }
        }
    }
}

impl Outcome {
    fn add(&mut self, plan: &Plan, trial: Trial) {
        let mut report = trial.report;
        self.stale_grants += trial.stale_grants;
        self.schedules += 1;
        self.lossless += u64::from(trial.lossless);
        let first = report.violations.first().map(|violation| violation.property);
        if let Some(property) = first {
            let after = self.schedules;
            self.findings.push(Finding { seed: plan.seed, property, after });
        }
        report.violations.clear();
        self.report += report;
    }
}
