use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use checker::{Event, lines};
use indicatif::{ProgressBar, ProgressStyle};

use crate::options::Batch;
use crate::schedule::{Overrides, Schedule};
use crate::tally::Tally;
use crate::trial::{self, Outcome};
use crate::verdict::Verdict;

/// Runs schedules, several at a time, up to a number or for a time.
#[derive(Debug)]
pub struct Campaign<'a> {
    pub schedules: Option<u64>,
    pub length: Option<Duration>,
    pub batch: &'a Batch,
    /// The path of this program, which also runs the workers.
    pub program: &'a Path,
}

type Ended = (u64, io::Result<Outcome>);

impl Campaign<'_> {
    /// Calls `look` with each outcome.
    pub fn run(&self, mut look: impl FnMut(&Outcome)) -> Tally {
        let mut tally = Tally::default();
        let bar = self.bar();
        let (next, stop) = (AtomicU64::new(self.batch.from), AtomicBool::new(false));
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.batch.jobs {
                let sender = sender.clone();
                let (next, stop) = (&next, &stop);
                scope.spawn(move || self.work(next, stop, &sender));
            }
            drop(sender);
            let start = Instant::now();
            for (seed, ended) in receiver {
                self.keep(&ended);
                Self::take(&mut tally, &bar, seed, ended, &mut look);
                if self.length.is_some_and(|length| start.elapsed() > length) {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        bar.finish();
        tally
    }

    fn work(&self, next: &AtomicU64, stop: &AtomicBool, ended: &Sender<Ended>) {
        let overrides = Overrides::from(&self.batch.fixed);
        let mut cluster = None;
        let end = self.schedules.map_or(u64::MAX, |schedules| self.batch.from + schedules);
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let schedule = Schedule::of(seed, &overrides);
            // A server that does not follow an order is a panic.
            let run = AssertUnwindSafe(|| trial::run(schedule, self.program, &mut cluster));
            let outcome = catch_unwind(run)
                .unwrap_or_else(|_| Err(io::Error::other("it panicked, see the standard error")));
            ended.send((seed, outcome)).expect("the receiver waits for the results");
        }
    }

    /// Saves a history with violations, because a schedule on real servers cannot be replayed.
    fn keep(&self, ended: &io::Result<Outcome>) {
        let (Some(dir), Ok(outcome)) = (&self.batch.keep, ended) else { return };
        if !outcome.report.is_right() {
            fs::create_dir_all(dir).expect("the directory for histories can be created");
            let path = dir.join(format!("seed-{}.jsonl", outcome.schedule.seed));
            write_history(&path, &outcome.history).expect("a history can be written");
        }
    }

    fn take(
        tally: &mut Tally,
        bar: &ProgressBar,
        seed: u64,
        ended: io::Result<Outcome>,
        look: &mut impl FnMut(&Outcome),
    ) {
        match ended {
            Ok(outcome) => {
                tally.add(&outcome);
                look(&outcome);
                if !outcome.report.is_right() {
                    bar.suspend(|| println!("{}{}", outcome.schedule, Verdict(&outcome)));
                }
            }
            Err(error) => {
                bar.suspend(|| println!("seed {seed} could not be run: {error}"));
                tally.broken.insert(seed, error.to_string());
            }
        }
        let (pairs, wrong) = (tally.pairs, tally.violations.len());
        bar.set_message(format!("{pairs} pairs, {wrong} with violations"));
        bar.inc(1);
    }

    fn bar(&self) -> ProgressBar {
        let (bar, template) = match self.schedules {
            Some(schedules) => (
                ProgressBar::new(schedules),
                "{elapsed_precise} {bar:30} {pos}/{len} {msg}, {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{elapsed_precise} {pos} schedules, {msg}"),
        };
        bar.with_style(ProgressStyle::with_template(template).expect("the template is valid"))
    }
}

pub(crate) fn write_history(path: &Path, history: &[Event]) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    history.iter().try_for_each(|event| lines::write(&mut out, event))?;
    out.flush()
}
