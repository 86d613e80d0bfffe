//! The sections of all workers with one key, in order.

use std::time::Duration;

use crate::latency::Latency;
use crate::log::{Log, Section};

/// A worker of a process.
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
    /// One entry for each worker.
    counts: Vec<usize>,
    longest_wait: u64,
    /// Nanoseconds of CPU time of all processes, without the server.
    cpu: u64,
    pub errors: u64,
    entries: Vec<(Owner, Section)>,
}

impl History {
    /// Merges the logs of the workers of all processes.
    ///
    /// The order is that of the fencing tokens if all sections have one. Otherwise it is that of
    /// the readings inside the sections: they are taken while the lock is held, and all from one
    /// clock.
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

    /// Waits are cut off at the end of the window, so that candidates that can cancel a request and
    /// those that cannot are comparable.
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

    /// How often two consecutive sections had different workers.
    pub fn changes(&self) -> usize {
        self.entries.windows(2).filter(|pair| pair[0].0 != pair[1].0).count()
    }

    pub fn changes_per_second(&self) -> f64 {
        count(self.changes()) / self.window.seconds()
    }

    /// The share of acquisitions after a section of another worker.
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

    /// From the request to the return of the release.
    pub fn pair(&self) -> Latency {
        self.entries.iter().map(|(_, section)| section.left - section.asked).collect()
    }

    /// From the request to the section.
    pub fn waits(&self) -> Latency {
        self.entries.iter().map(|(_, section)| section.entered - section.asked).collect()
    }

    /// The highest number of bypasses of a waiter: sections of other processes that came first
    /// although they were requested later.
    ///
    /// Scans earlier sections backwards to the time of the request: sections before that were
    /// requested earlier.
    pub fn max_bypass(&self) -> usize {
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
mod tests;
