//! The workers of one process.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;

use crate::ledger::Ledger;
use crate::options::Options;
use crate::tally::{Counts, Tally};
use crate::{tasks, threads};

const REPORT_INTERVAL: Duration = Duration::from_millis(100);

static OVER: AtomicBool = AtomicBool::new(false);

/// Ends the workers of this process after their current transfers.
pub fn stop() {
    OVER.store(true, Relaxed);
}

pub fn is_over() -> bool {
    OVER.load(Relaxed)
}

/// Runs the workers, and reports the counts regularly and at the end.
pub fn run(
    options: &Options,
    ledger: &Ledger,
    mut report: impl FnMut(Counts) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let tally = Arc::new(Tally::new(options.branches));
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            if options.tasks {
                tasks::run(options, ledger, &tally)
            } else {
                threads::run(options, ledger, &tally)
            }
        });
        while !work.is_finished() {
            thread::sleep(REPORT_INTERVAL);
            report(tally.take_counts())?;
        }
        work.join().map_err(|_| anyhow!("a worker panicked"))??;
        report(tally.take_counts())
    })
}

#[derive(Clone, Copy)]
pub struct Account {
    pub branch: usize,
    /// In its branch.
    pub number: usize,
}

/// A transfer between two accounts of one branch, so that one lock covers it. Two locks, taken in
/// opposite orders by two workers, would deadlock.
pub struct Transfer {
    pub from: Account,
    pub to: Account,
    pub amount: i64,
}

impl Transfer {
    pub fn random(options: &Options) -> Self {
        let branch = below(options.branches);
        let in_branch = options.accounts_of_branch();
        let from = below(in_branch);
        let to = (from + 1 + below(in_branch - 1)) % in_branch;
        let account = |number| Account { branch, number };
        Self { from: account(from), to: account(to), amount: 1 + i64::from(random() % 100) }
    }
}

/// A pause between reading and writing, in which other workers run.
pub fn pause() -> Duration {
    Duration::from_micros(u64::from(random() % 200))
}

fn below(limit: usize) -> usize {
    usize::from(random()) % limit
}

/// The standard library seeds each hasher randomly, which is random enough here.
fn random() -> u16 {
    let [low, high, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    u16::from_ne_bytes([low, high])
}
