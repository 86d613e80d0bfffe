//! Promotes replicas under load: checks what has to hold, and measures how often two holds are
//! valid at once where a failover loses writes.
//!
//! Three processes have long and short holds of six keys. In each trial one replica of two becomes
//! the primary, by three Sentinels or behind a name, or the replica of one of the three primaries
//! of a cluster does, or slots of that cluster move.

pub(crate) mod cluster;
mod findings;
mod kind;
mod servers;
mod table;
mod trial;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clap::ValueEnum as _;
use indicatif::ProgressBar;

use crate::campaign::write_history;
use crate::options::Failover;
use crate::settings::FailoverPause;

pub(crate) use findings::APART_US;
pub use kind::FailoverKind;
pub use table::FailoverTable;
use trial::FailoverOutcome;

/// The results of the trials of one kind with one pause.
#[derive(Clone, Debug)]
pub struct Row {
    pub kind: FailoverKind,
    pub pause: FailoverPause,
    pub trials: u64,
    /// Holds of before the failover that went on after it.
    pub across: u64,
    /// Those that were lost although their processes reached the new primary.
    pub lost: u64,
    /// Completed pairs of acquire and release.
    pub pairs: u64,
    /// Losses that were reported to their holders.
    pub losses: u64,
    pub with_double_holds: u64,
    pub double_holds: u64,
    /// Writes that the fenced register refused: storage without tokens accepts them.
    pub late: u64,
    /// Writes that it accepted although a later hold had written; has to be 0.
    pub accepted: u64,
    pub after_named: Vec<Duration>,
    pub after_writes: Vec<Duration>,
    pub without_grants: Vec<Duration>,
    /// How much longer than its wait a call took at most.
    pub overrun: Duration,
    /// What has to hold and did not, by seed.
    pub wrong: BTreeMap<u64, String>,
}

/// Runs each kind of failover this often.
///
/// # Panics
/// If a server does not follow an order.
pub fn measure(options: &Failover, program: &Path) -> io::Result<Vec<Row>> {
    let mut kinds = options.kinds.clone();
    if kinds.is_empty() {
        kinds = FailoverKind::value_variants().to_vec();
    }
    let rows = kinds.into_iter().flat_map(|kind| {
        let given = options.pauses.clone();
        let pauses = if given.is_empty() { kind.pauses() } else { given };
        pauses.into_iter().map(move |pause| Row::none(kind, pause))
    });
    let rows: Vec<_> = rows.map(Mutex::new).collect();
    let each = usize::try_from(options.trials).expect("it fits");
    let (next, bar) = (AtomicUsize::new(0), ProgressBar::new((rows.len() * each) as u64));
    let work = || -> io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(row) = rows.get(number / each.max(1)) else { return Ok(()) };
            let (kind, pause) = row.lock().map(|row| (row.kind, row.pause)).expect("no panic");
            let seed = options.from + (number % each) as u64;
            let outcome = trial::run(kind, pause, seed, options, program)?;
            if let Some(dir) = options.keep.as_ref().filter(|_| !outcome.is_right()) {
                fs::create_dir_all(dir)?;
                let name = format!("{kind}-{pause}-{seed}.jsonl");
                write_history(&dir.join(name), &outcome.history)?;
            }
            let mut row = row.lock().expect("no panic");
            row.add(&outcome);
            if let Some(wrong) = row.wrong.get(&seed) {
                bar.suspend(|| println!("{kind} with {pause}, seed {seed}:\n{wrong}"));
            }
            bar.inc(1);
        }
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| one.join().expect("a trial does not panic"))
    })?;
    bar.finish_and_clear();
    Ok(rows.into_iter().map(|row| row.into_inner().expect("no panic")).collect())
}

impl Row {
    fn none(kind: FailoverKind, pause: FailoverPause) -> Self {
        Self {
            kind,
            pause,
            trials: 0,
            across: 0,
            lost: 0,
            pairs: 0,
            losses: 0,
            with_double_holds: 0,
            double_holds: 0,
            late: 0,
            accepted: 0,
            after_named: Vec::new(),
            after_writes: Vec::new(),
            without_grants: Vec::new(),
            overrun: Duration::ZERO,
            wrong: BTreeMap::new(),
        }
    }

    fn add(&mut self, outcome: &FailoverOutcome) {
        let (report, found) = (&outcome.report, &outcome.findings);
        self.trials += 1;
        self.across += found.across;
        self.lost += found.lost;
        self.pairs += report.pairs;
        self.losses += report.losses;
        self.with_double_holds += u64::from(report.double_holds > 0);
        self.double_holds += report.double_holds;
        self.late += found.late;
        self.accepted += found.accepted;
        if let Some((after_writes, after_named)) = found.resumed {
            self.after_writes.push(after_writes);
            self.after_named.push(after_named);
            self.without_grants.push(found.without_grants);
        }
        self.overrun = self.overrun.max(found.overrun);
        if !outcome.is_right() {
            let violations = report.violations.iter().map(|violation| format!("  {violation}\n"));
            let wrong = found.wrong.iter().map(|text| format!("  {text}\n"));
            self.wrong.insert(outcome.seed, violations.chain(wrong).collect());
        }
    }

    /// Whether nothing was violated that has to hold.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }
}
