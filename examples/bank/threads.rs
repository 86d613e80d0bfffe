//! The transfers, and workers that are threads.

use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use distlock::distributed_lock;

use crate::ledger::{Balances, Ledger};
use crate::options::Options;
use crate::tally::Tally;
use crate::worker::{Account, Transfer, pause};

struct Worker<'a> {
    balances: Balances,
    tally: &'a Tally,
}

impl Worker<'_> {
    /// Holds the lock of the branch for both calls, which re-enter it. No other worker sees the
    /// money missing from one account and not yet in the other.
    #[distributed_lock("bank:{}", transfer.from.branch, hold = hold)]
    fn transfer(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        self.tally.entered(transfer.from.branch, &hold);
        self.withdraw(transfer.from, transfer.amount)?;
        self.deposit(transfer.to, transfer.amount)
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    fn withdraw(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        self.tally.entered(account.branch, &hold);
        self.add(account, -amount)
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    fn deposit(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        self.tally.entered(account.branch, &hold);
        self.add(account, amount)
    }

    /// The same without the attribute.
    fn transfer_without_lock(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        self.add(transfer.from, -transfer.amount)?;
        self.add(transfer.to, transfer.amount)
    }

    /// Without a lock, two concurrent calls read the same balance, and one update is lost.
    fn add(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        let balance = self.balances.read(account.number)?;
        thread::sleep(pause());
        self.balances.write(account.number, balance + amount)
    }

    fn work(&mut self, options: &Options, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            let transfer = Transfer::random(options);
            if options.no_lock {
                self.transfer_without_lock(&transfer)?;
            } else {
                self.transfer(&transfer)?;
            }
            self.tally.transferred();
        }
        Ok(())
    }
}

pub fn run(options: &Options, ledger: &Ledger, tally: &Tally, end: Instant) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let start = || -> anyhow::Result<_> {
            let mut worker = Worker { balances: ledger.balances()?, tally };
            Ok(scope.spawn(move || worker.work(options, end)))
        };
        let workers: Vec<_> = (0..options.workers).map(|_| start()).collect::<Result<_, _>>()?;
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a worker panicked"))??;
        }
        Ok(())
    })
}
