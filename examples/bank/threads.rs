//! The transfers, and workers that are threads.

use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use distlock::distributed_lock;

use crate::ledger::{Ledger, Till};
use crate::office::{Account, Order, pause};
use crate::options::Options;
use crate::tally::Tally;

struct Worker<'a> {
    till: Till,
    tally: &'a Tally,
}

impl Worker<'_> {
    /// Holds the lock of the branch throughout: the two calls inside re-enter it, and nobody sees
    /// the money gone from one account and not yet on the other.
    #[distributed_lock("bank:{}", order.from.branch, hold = hold)]
    fn transfer(&mut self, order: &Order) -> anyhow::Result<()> {
        self.tally.entered(order.from.branch, &hold);
        self.withdraw(order.from, order.amount)?;
        self.deposit(order.to, order.amount)
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
    fn transfer_without_lock(&mut self, order: &Order) -> anyhow::Result<()> {
        self.add(order.from, -order.amount)?;
        self.add(order.to, order.amount)
    }

    /// Two of these at once read the same balance, and one of the changes is lost.
    fn add(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        let balance = self.till.read(account.number)?;
        thread::sleep(pause());
        self.till.write(account.number, balance + amount)
    }

    fn work(&mut self, options: &Options, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            let order = Order::random(options);
            if options.no_lock {
                self.transfer_without_lock(&order)?;
            } else {
                self.transfer(&order)?;
            }
            self.tally.transferred();
        }
        Ok(())
    }
}

pub fn run(options: &Options, ledger: &Ledger, tally: &Tally, end: Instant) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let start = || -> anyhow::Result<_> {
            let mut worker = Worker { till: ledger.till()?, tally };
            Ok(scope.spawn(move || worker.work(options, end)))
        };
        let workers: Vec<_> = (0..options.workers).map(|_| start()).collect::<Result<_, _>>()?;
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a worker panicked"))??;
        }
        Ok(())
    })
}
