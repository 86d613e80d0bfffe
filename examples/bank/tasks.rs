//! The same transfers as in `threads`, for workers that are tokio tasks.

use std::sync::Arc;
use std::time::Instant;

use distlock::distributed_lock;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, yield_now};

use crate::ledger::{AsyncBalances, Ledger};
use crate::options::Options;
use crate::tally::Tally;
use crate::worker::{Account, Transfer};

struct Worker {
    balances: AsyncBalances,
    tally: Arc<Tally>,
}

impl Worker {
    #[distributed_lock("bank:{}", transfer.from.branch, hold = hold)]
    async fn transfer(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        self.tally.entered(transfer.from.branch, &hold);
        self.withdraw(transfer.from, transfer.amount).await?;
        self.deposit(transfer.to, transfer.amount).await
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    async fn withdraw(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        self.tally.entered(account.branch, &hold);
        self.add(account, -amount).await
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    async fn deposit(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        self.tally.entered(account.branch, &hold);
        self.add(account, amount).await
    }

    async fn transfer_without_lock(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        self.add(transfer.from, -transfer.amount).await?;
        self.add(transfer.to, transfer.amount).await
    }

    async fn add(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        let balance = self.balances.read(account.number).await?;
        // Other tasks run here. A sleep would take at least a millisecond.
        yield_now().await;
        self.balances.write(account.number, balance + amount).await
    }

    async fn work(mut self, options: Arc<Options>, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            let transfer = Transfer::random(&options);
            if options.no_lock {
                self.transfer_without_lock(&transfer).await?;
            } else {
                self.transfer(&transfer).await?;
            }
            self.tally.transferred();
        }
        Ok(())
    }
}

pub fn run(
    options: &Options,
    ledger: &Ledger,
    tally: &Arc<Tally>,
    end: Instant,
) -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        let balances = ledger.async_balances().await?;
        let options = Arc::new(options.clone());
        let mut workers = JoinSet::new();
        for _ in 0..options.workers {
            let (balances, tally) = (balances.clone(), Arc::clone(tally));
            workers.spawn(Worker { balances, tally }.work(Arc::clone(&options), end));
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(())
    })
}
