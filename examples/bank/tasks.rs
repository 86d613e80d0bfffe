//! The same transfers as in `threads`, for workers that are tokio tasks.

use std::sync::Arc;
use std::time::Instant;

use distlock::distributed_lock;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, yield_now};

use crate::ledger::{AsyncTill, Ledger};
use crate::office::{Account, Order};
use crate::options::Options;
use crate::tally::Tally;

struct Worker {
    till: AsyncTill,
    tally: Arc<Tally>,
}

impl Worker {
    #[distributed_lock("bank:{}", order.from.branch, hold = hold)]
    async fn transfer(&mut self, order: &Order) -> anyhow::Result<()> {
        self.tally.entered(order.from.branch, &hold);
        self.withdraw(order.from, order.amount).await?;
        self.deposit(order.to, order.amount).await
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

    async fn transfer_without_lock(&mut self, order: &Order) -> anyhow::Result<()> {
        self.add(order.from, -order.amount).await?;
        self.add(order.to, order.amount).await
    }

    async fn add(&mut self, account: Account, amount: i64) -> anyhow::Result<()> {
        let balance = self.till.read(account.number).await?;
        // The shortest sleep of tokio is a millisecond; others need less to get in between.
        yield_now().await;
        self.till.write(account.number, balance + amount).await
    }

    async fn work(mut self, options: Arc<Options>, end: Instant) -> anyhow::Result<()> {
        while Instant::now() < end {
            let order = Order::random(&options);
            if options.no_lock {
                self.transfer_without_lock(&order).await?;
            } else {
                self.transfer(&order).await?;
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
        let till = ledger.async_till().await?;
        let options = Arc::new(options.clone());
        let mut workers = JoinSet::new();
        for _ in 0..options.workers {
            let (till, tally) = (till.clone(), Arc::clone(tally));
            workers.spawn(Worker { till, tally }.work(Arc::clone(&options), end));
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(())
    })
}
