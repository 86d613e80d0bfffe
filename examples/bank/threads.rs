//! The transfers, and workers that are threads.

use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use distlock::{Fence, distributed_lock};

use crate::ledger::{Balances, Change, Ledger};
use crate::options::Options;
use crate::tally::Tally;
use crate::worker::{Account, Transfer, is_over, pause};

struct Worker<'a> {
    balances: Balances,
    tally: &'a Tally,
}

impl Worker<'_> {
    /// Holds the lock of the branch for both calls, which re-enter it, and until both balances are
    /// written. No other worker sees the money missing from one account and not yet in the other.
    #[distributed_lock("bank:{}", transfer.from.branch, hold = hold)]
    fn transfer(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        self.tally.entered(transfer.from.branch, &hold);
        let changes = [
            self.withdraw(transfer.from, transfer.amount)?,
            self.deposit(transfer.to, transfer.amount)?,
        ];
        self.balances.write(Some(hold.fence()), changes)
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    fn withdraw(&mut self, account: Account, amount: i64) -> anyhow::Result<Change> {
        self.tally.entered(account.branch, &hold);
        self.add(Some(hold.fence()), account, -amount)
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    fn deposit(&mut self, account: Account, amount: i64) -> anyhow::Result<Change> {
        self.tally.entered(account.branch, &hold);
        self.add(Some(hold.fence()), account, amount)
    }

    /// The same without the attribute. Two concurrent calls read the same balance, and one update
    /// is lost.
    fn transfer_without_lock(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        let changes = [
            self.add(None, transfer.from, -transfer.amount)?,
            self.add(None, transfer.to, transfer.amount)?,
        ];
        self.balances.write(None, changes)
    }

    fn add(&mut self, token: Option<Fence>, to: Account, amount: i64) -> anyhow::Result<Change> {
        let balance = self.balances.read(token, to)?;
        thread::sleep(pause());
        Ok((to, balance + amount))
    }

    fn work(&mut self, options: &Options) -> anyhow::Result<()> {
        while !is_over() {
            let transfer = Transfer::random(options);
            let start = Instant::now();
            let transferred = if options.no_lock {
                self.transfer_without_lock(&transfer)
            } else {
                self.transfer(&transfer)
            };
            self.tally.transferred(transferred, start.elapsed(), options)?;
        }
        Ok(())
    }
}

pub fn run(options: &Options, ledger: &Ledger, tally: &Tally) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let start = || -> anyhow::Result<_> {
            let mut worker = Worker { balances: ledger.balances()?, tally };
            Ok(scope.spawn(move || worker.work(options)))
        };
        let workers: Vec<_> = (0..options.workers).map(|_| start()).collect::<Result<_, _>>()?;
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a worker panicked"))??;
        }
        Ok(())
    })
}
