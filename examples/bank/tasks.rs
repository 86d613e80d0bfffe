//! The same transfers as in `threads`, for workers that are tokio tasks.

use std::sync::Arc;
use std::time::Instant;

use distlock::{Fence, distributed_lock};
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, yield_now};

use crate::ledger::{AsyncBalances, Change, Ledger};
use crate::options::Options;
use crate::tally::Tally;
use crate::worker::{Account, Transfer, is_over};

struct Worker {
    balances: AsyncBalances,
    tally: Arc<Tally>,
}

impl Worker {
    #[distributed_lock("bank:{}", transfer.from.branch, hold = hold)]
    async fn transfer(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        self.tally.entered(transfer.from.branch, &hold);
        let changes = [
            self.withdraw(transfer.from, transfer.amount).await?,
            self.deposit(transfer.to, transfer.amount).await?,
        ];
        self.balances.write(Some(hold.fence()), changes).await
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    async fn withdraw(&mut self, account: Account, amount: i64) -> anyhow::Result<Change> {
        self.tally.entered(account.branch, &hold);
        self.add(Some(hold.fence()), account, -amount).await
    }

    #[distributed_lock("bank:{}", account.branch, hold = hold)]
    async fn deposit(&mut self, account: Account, amount: i64) -> anyhow::Result<Change> {
        self.tally.entered(account.branch, &hold);
        self.add(Some(hold.fence()), account, amount).await
    }

    async fn transfer_without_lock(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        let changes = [
            self.add(None, transfer.from, -transfer.amount).await?,
            self.add(None, transfer.to, transfer.amount).await?,
        ];
        self.balances.write(None, changes).await
    }

    async fn add(
        &mut self,
        token: Option<Fence>,
        to: Account,
        amount: i64,
    ) -> anyhow::Result<Change> {
        let balance = self.balances.read(token, to).await?;
        // Other tasks run here. A sleep would take at least a millisecond.
        yield_now().await;
        Ok((to, balance + amount))
    }

    async fn work(mut self, options: Arc<Options>) -> anyhow::Result<()> {
        while !is_over() {
            let transfer = Transfer::random(&options);
            let start = Instant::now();
            let transferred = if options.no_lock {
                self.transfer_without_lock(&transfer).await
            } else {
                self.transfer(&transfer).await
            };
            self.tally.transferred(transferred, start.elapsed(), &options)?;
        }
        Ok(())
    }
}

pub fn run(options: &Options, ledger: &Ledger, tally: &Arc<Tally>) -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        let balances = ledger.async_balances().await?;
        let options = Arc::new(options.clone());
        let mut workers = JoinSet::new();
        for _ in 0..options.workers {
            let (balances, tally) = (balances.clone(), Arc::clone(tally));
            workers.spawn(Worker { balances, tally }.work(Arc::clone(&options)));
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(())
    })
}
