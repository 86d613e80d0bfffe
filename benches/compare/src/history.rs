//! What all workers did with one key, in the order in which they were inside.

use std::time::Duration;

use crate::latency::Latency;
use crate::log::{Log, Section};

/// Which worker of which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub process: usize,
    pub worker: usize,
}

/// The time in which sections count, in readings of [`clock::now`](crate::clock::now).
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub start: u64,
    pub end: u64,
}

impl Window {
    pub fn seconds(self) -> f64 {
        Duration::from_nanos(self.end - self.start).as_secs_f64()
    }
}

/// The logs of one measurement, merged.
#[derive(Debug)]
pub struct History {
    window: Window,
    /// One for each worker.
    counts: Vec<usize>,
    longest_wait: u64,
    /// Nanoseconds of CPU time of all processes together; the server's is not among them.
    cpu: u64,
    pub errors: u64,
    entries: Vec<(Owner, Section)>,
}

impl History {
    /// Merges the logs of processes, each with those of its workers.
    ///
    /// The order is that of the fencing tokens where all sections have one. Else it is that of the
    /// readings inside the sections: they are taken while the lock is held, and all from one clock.
    pub fn new(window: Window, cpu: u64, processes: Vec<Vec<Log>>) -> Self {
        let mut history = Self {
            window,
            counts: Vec::new(),
            longest_wait: 0,
            cpu,
            errors: 0,
            entries: Vec::new(),
        };
        for (process, logs) in processes.into_iter().enumerate() {
            for (worker, log) in logs.into_iter().enumerate() {
                history.add(Owner { process, worker }, log);
            }
        }
        if history.entries.iter().all(|(_, section)| section.fence.is_some()) {
            history.entries.sort_unstable_by_key(|(_, section)| section.fence);
        } else {
            history.entries.sort_unstable_by_key(|(_, section)| section.entered);
        }
        history
    }

    /// Waits are cut at the window's end, so that those who can give up then and those who cannot
    /// compare.
    fn add(&mut self, owner: Owner, log: Log) {
        let end = self.window.end;
        let waits = log.sections.iter().map(|section| (section.asked, section.entered));
        for (asked, entered) in waits.chain(log.unserved.map(|asked| (asked, end))) {
            self.longest_wait = self.longest_wait.max(entered.min(end).saturating_sub(asked));
        }
        let inside = log.sections.into_iter().filter(|section| section.entered < end);
        let before = self.entries.len();
        self.entries.extend(inside.map(|section| (owner, section)));
        self.counts.push(self.entries.len() - before);
        self.errors += log.errors;
    }

    pub fn acquisitions(&self) -> usize {
        self.entries.len()
    }

    pub fn per_second(&self) -> f64 {
        count(self.acquisitions()) / self.window.seconds()
    }

    /// Microseconds of the whole measurement for each acquisition.
    pub fn micros_each(&self) -> f64 {
        1e6 / self.per_second()
    }

    /// Microseconds of CPU time for each acquisition.
    pub fn cpu_micros_each(&self) -> f64 {
        Duration::from_nanos(self.cpu).as_secs_f64() * 1e6 / count(self.acquisitions())
    }

    /// How often the next one inside was another worker than the one before.
    pub fn changes(&self) -> usize {
        self.entries.windows(2).filter(|pair| pair[0].0 != pair[1].0).count()
    }

    pub fn changes_per_second(&self) -> f64 {
        count(self.changes()) / self.window.seconds()
    }

    /// The share of acquisitions that another worker had before.
    pub fn changing_share(&self) -> f64 {
        count(self.changes()) / count(self.acquisitions().max(1))
    }

    /// Acquisitions of the worker with the fewest and of the one with the most.
    pub fn least_and_most(&self) -> (usize, usize) {
        let least = self.counts.iter().min().copied().unwrap_or(0);
        (least, self.counts.iter().max().copied().unwrap_or(0))
    }

    pub fn longest_wait(&self) -> Duration {
        Duration::from_nanos(self.longest_wait)
    }

    /// From asking to the return of the release.
    pub fn pair(&self) -> Latency {
        self.entries.iter().map(|(_, section)| section.left - section.asked).collect()
    }

    /// The most often that a waiter saw another process go first: sections of other processes that
    /// came before it although they were asked for later.
    ///
    /// The sections before it are looked through backwards, as far as they were entered after it
    /// had asked: those further back were asked for earlier.
    pub fn passed_over(&self) -> usize {
        let passes = |index: usize| {
            let (owner, waiter) = self.entries[index];
            let during = self.entries[..index].iter().rev();
            during
                .take_while(|(_, other)| other.entered > waiter.asked)
                .filter(|(other, section)| {
                    other.process != owner.process && section.asked > waiter.asked
                })
                .count()
        };
        (0..self.entries.len()).map(passes).max().unwrap_or(0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of seconds of work are far below 2^52")]
pub fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { start: 0, end: 1_000_000_000 };

    fn section(asked: u64, entered: u64, fence: Option<u64>) -> Section {
        Section { asked, entered, left: entered + 1, fence }
    }

    fn log(sections: &[Section]) -> Log {
        Log { sections: sections.to_vec(), ..Log::default() }
    }

    #[test]
    fn tokens_give_the_order_where_all_have_one() {
        // The clock readings say A A B, the tokens A B A.
        let a = log(&[section(1, 10, Some(1)), section(11, 20, Some(3))]);
        let b = log(&[section(2, 30, Some(2))]);
        assert_eq!(History::new(WINDOW, 0, vec![vec![a, b]]).changes(), 2);
    }

    #[test]
    fn without_tokens_the_clock_gives_the_order() {
        let a = log(&[section(1, 10, None), section(11, 20, None)]);
        let b = log(&[section(2, 30, None)]);
        let history = History::new(WINDOW, 0, vec![vec![a], vec![b]]);
        assert_eq!(history.changes(), 1);
        assert_eq!(history.acquisitions(), 3);
        assert_eq!(history.least_and_most(), (1, 2));
    }

    #[test]
    fn workers_of_the_same_number_in_two_processes_are_two_owners() {
        let one = |entered| vec![log(&[section(1, entered, None)])];
        assert_eq!(History::new(WINDOW, 0, vec![one(10), one(20)]).changes(), 1);
    }

    #[test]
    fn what_begins_after_the_end_does_not_count_but_was_waited_for() {
        let late = log(&[section(400_000_000, 2_000_000_000, None)]);
        let never = Log { unserved: Some(300_000_000), ..Log::default() };
        let history = History::new(WINDOW, 0, vec![vec![late, never]]);
        assert_eq!(history.acquisitions(), 0);
        assert_eq!(history.least_and_most(), (0, 0));
        assert_eq!(history.longest_wait(), Duration::from_millis(700));
    }

    #[test]
    fn rates_are_per_window() {
        let window = Window { start: 0, end: 500_000_000 };
        let a = log(&[section(1, 10, None), section(20, 30, None)]);
        let b = log(&[section(2, 20, None)]);
        let history = History::new(window, 30_000, vec![vec![a, b]]);
        assert!((history.per_second() - 6.0).abs() < 1e-9);
        assert!((history.changes_per_second() - 4.0).abs() < 1e-9);
        assert!((history.changing_share() - 2.0 / 3.0).abs() < 1e-9);
        assert!((history.cpu_micros_each() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn later_requests_that_acquired_first_are_counted() {
        // B asks at 5. A enters at 10 (asked at 1: in order), and again at 20 and 30, asked at 11
        // and 21.
        let a = [section(1, 10, Some(1)), section(11, 20, Some(2)), section(21, 30, Some(3))];
        let b = [section(5, 40, Some(4))];
        let history = History::new(WINDOW, 0, vec![vec![log(&a)], vec![log(&b)]]);
        assert_eq!(history.passed_over(), 2);
    }

    #[test]
    fn a_local_handoff_is_not_a_bypass() {
        let a = [section(1, 10, Some(1)), section(11, 20, Some(2))];
        let b = [section(5, 30, Some(3))];
        assert_eq!(History::new(WINDOW, 0, vec![vec![log(&a), log(&b)]]).passed_over(), 0);
    }

    #[test]
    fn requests_in_order_are_not_bypassed() {
        let a = [section(1, 10, Some(1)), section(11, 30, Some(3))];
        let b = [section(5, 20, Some(2)), section(21, 40, Some(4))];
        let history = History::new(WINDOW, 0, vec![vec![log(&a)], vec![log(&b)]]);
        assert_eq!(history.passed_over(), 0);
    }
}
