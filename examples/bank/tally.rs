//! Counters of the workers.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use distlock::{Hold, LockError};

use crate::ledger::Late;
use crate::options::Options;

/// The counters that the workers of one process share.
pub struct Tally {
    transfers: AtomicU64,
    interrupted: AtomicU64,
    longest_micros: AtomicU64,
    acquired: AtomicU64,
    reentered: AtomicU64,
    out_of_order: AtomicU64,
    /// The highest fencing token so far, for each branch.
    highest: Vec<AtomicU64>,
}

impl Tally {
    pub fn new(branches: usize) -> Self {
        Self {
            transfers: AtomicU64::new(0),
            interrupted: AtomicU64::new(0),
            longest_micros: AtomicU64::new(0),
            acquired: AtomicU64::new(0),
            reentered: AtomicU64::new(0),
            out_of_order: AtomicU64::new(0),
            highest: (0..branches).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts a transfer by its result. A failover may cost a call its lock, or make it wait for a
    /// server for too long: such a transfer has not taken place, and the worker goes on.
    pub fn transferred(
        &self,
        result: anyhow::Result<()>,
        elapsed: Duration,
        options: &Options,
    ) -> anyhow::Result<()> {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.longest_micros.fetch_max(micros, Relaxed);
        match result {
            Ok(()) => self.transfers.fetch_add(1, Relaxed),
            Err(error) if options.fails_over() && is_without_lock(&error) => {
                self.interrupted.fetch_add(1, Relaxed)
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Counts a locked call. Each new hold has a higher token than all before; a re-entry has the
    /// token of its hold.
    pub fn entered(&self, branch: usize, hold: &Hold) {
        let fence = hold.fence().get();
        let highest = self.highest[branch].fetch_max(fence, Relaxed);
        let counter = match fence.cmp(&highest) {
            std::cmp::Ordering::Greater => &self.acquired,
            std::cmp::Ordering::Equal => &self.reentered,
            std::cmp::Ordering::Less => &self.out_of_order,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// The counts so far. The longest transfer is that since the call before.
    pub fn take_counts(&self) -> Counts {
        Counts {
            transfers: self.transfers.load(Relaxed),
            interrupted: self.interrupted.load(Relaxed),
            longest_micros: self.longest_micros.swap(0, Relaxed),
            acquired: self.acquired.load(Relaxed),
            reentered: self.reentered.load(Relaxed),
            out_of_order: self.out_of_order.load(Relaxed),
        }
    }
}

fn is_without_lock(error: &anyhow::Error) -> bool {
    use LockError::{Lost, NoReply, Refused, Unavailable};

    let lock_error = error.downcast_ref();
    error.is::<Late>()
        || matches!(lock_error, Some(Lost(_) | NoReply(_) | Refused(_) | Unavailable(_)))
}

/// A snapshot of the counters. The text form is a line that a child sends to its parent.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub transfers: u64,
    /// Transfers that have lost their lock, or have not got it.
    pub interrupted: u64,
    /// The time that the longest transfer took, with its waits.
    pub longest_micros: u64,
    /// Calls that acquired the lock.
    pub acquired: u64,
    /// Calls that re-entered it.
    pub reentered: u64,
    /// Calls with a lower token than an earlier call, which must not happen. After a failover they
    /// may, and the storage refuses their writes.
    pub out_of_order: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transfers, interrupted, longest_micros, acquired, reentered, out_of_order } =
            self;
        write!(
            f,
            "{transfers} {interrupted} {longest_micros} {acquired} {reentered} {out_of_order}"
        )
    }
}

impl FromStr for Counts {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || -> anyhow::Result<u64> {
            Ok(numbers.next().context("a line of counts is too short")??)
        };
        Ok(Self {
            transfers: next()?,
            interrupted: next()?,
            longest_micros: next()?,
            acquired: next()?,
            reentered: next()?,
            out_of_order: next()?,
        })
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, counts| Self {
            transfers: sum.transfers + counts.transfers,
            interrupted: sum.interrupted + counts.interrupted,
            longest_micros: sum.longest_micros.max(counts.longest_micros),
            acquired: sum.acquired + counts.acquired,
            reentered: sum.reentered + counts.reentered,
            out_of_order: sum.out_of_order + counts.out_of_order,
        })
    }
}
