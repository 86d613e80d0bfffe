//! The balances. Nothing protects them here: that is what the locks are for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client, Commands as _, Connection};

const OPENING_BALANCE: i64 = 1_000;
/// Far more than any reply takes; the redis crate's own 500 ms are short for a laptop under load.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub enum Ledger {
    /// The client is boxed, because with TLS it is large.
    Redis {
        client: Box<Client>,
        keys: Arc<[String]>,
    },
    Memory(Arc<[AtomicI64]>),
}

impl Ledger {
    /// The accounts of one run of this example: two on the same server do not meet.
    pub fn open(url: &str, run: u32, accounts: usize) -> anyhow::Result<Self> {
        if url.starts_with("memory://") {
            return Ok(Self::Memory((0..accounts).map(|_| AtomicI64::new(0)).collect()));
        }
        let client = Box::new(Client::open(url)?);
        let keys = (0..accounts).map(|account| format!("bank:{run}:account:{account}")).collect();
        Ok(Self::Redis { client, keys })
    }

    pub fn is_shared_by_processes(&self) -> bool {
        matches!(self, Self::Redis { .. })
    }

    pub fn fill(&self) -> anyhow::Result<()> {
        let mut till = self.till()?;
        (0..self.accounts()).try_for_each(|account| till.write(account, OPENING_BALANCE))
    }

    pub fn total(&self) -> anyhow::Result<i64> {
        let mut till = self.till()?;
        (0..self.accounts()).map(|account| till.read(account)).sum()
    }

    pub fn remove(&self) -> anyhow::Result<()> {
        if let Self::Redis { client, keys } = self {
            let () = client.get_connection()?.del(&keys[..])?;
        }
        Ok(())
    }

    /// A worker's way to the balances.
    pub fn till(&self) -> anyhow::Result<Till> {
        Ok(match self {
            Self::Redis { client, keys } => {
                Till::Redis { connection: client.get_connection()?, keys: Arc::clone(keys) }
            }
            Self::Memory(balances) => Till::Memory(Arc::clone(balances)),
        })
    }

    /// The same for tasks; clones share one connection.
    pub async fn async_till(&self) -> anyhow::Result<AsyncTill> {
        Ok(match self {
            Self::Redis { client, keys } => {
                let config = AsyncConnectionConfig::new().set_response_timeout(Some(REPLY_LIMIT));
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                AsyncTill::Redis { connection: connection.await?, keys: Arc::clone(keys) }
            }
            Self::Memory(balances) => AsyncTill::Memory(Arc::clone(balances)),
        })
    }

    fn accounts(&self) -> usize {
        match self {
            Self::Redis { keys, .. } => keys.len(),
            Self::Memory(balances) => balances.len(),
        }
    }
}

pub enum Till {
    Redis { connection: Connection, keys: Arc<[String]> },
    Memory(Arc<[AtomicI64]>),
}

impl Till {
    pub fn read(&mut self, account: usize) -> anyhow::Result<i64> {
        Ok(match self {
            Self::Redis { connection, keys } => connection.get(&keys[account])?,
            Self::Memory(balances) => balances[account].load(Relaxed),
        })
    }

    pub fn write(&mut self, account: usize, balance: i64) -> anyhow::Result<()> {
        match self {
            Self::Redis { connection, keys } => connection.set(&keys[account], balance)?,
            Self::Memory(balances) => balances[account].store(balance, Relaxed),
        }
        Ok(())
    }
}

#[derive(Clone)]
pub enum AsyncTill {
    Redis { connection: MultiplexedConnection, keys: Arc<[String]> },
    Memory(Arc<[AtomicI64]>),
}

impl AsyncTill {
    pub async fn read(&mut self, account: usize) -> anyhow::Result<i64> {
        Ok(match self {
            Self::Redis { connection, keys } => connection.get(&keys[account]).await?,
            Self::Memory(balances) => balances[account].load(Relaxed),
        })
    }

    pub async fn write(&mut self, account: usize, balance: i64) -> anyhow::Result<()> {
        match self {
            Self::Redis { connection, keys } => connection.set(&keys[account], balance).await?,
            Self::Memory(balances) => balances[account].store(balance, Relaxed),
        }
        Ok(())
    }
}
