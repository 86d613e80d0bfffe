//! The balances of the accounts, without any protection against concurrent updates.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client, Commands as _, Connection};

const OPENING_BALANCE: i64 = 1_000;
/// The default of the redis crate, 500 ms, is short for a busy machine.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub enum Ledger {
    /// Boxed, because a client with TLS is large.
    Redis {
        client: Box<Client>,
        keys: Arc<[String]>,
    },
    Memory(Arc<[AtomicI64]>),
}

impl Ledger {
    /// `run` separates the accounts of several runs on one server.
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
        let mut balances = self.balances()?;
        (0..self.accounts()).try_for_each(|account| balances.write(account, OPENING_BALANCE))
    }

    pub fn total(&self) -> anyhow::Result<i64> {
        let mut balances = self.balances()?;
        (0..self.accounts()).map(|account| balances.read(account)).sum()
    }

    pub fn remove(&self) -> anyhow::Result<()> {
        if let Self::Redis { client, keys } = self {
            let () = client.get_connection()?.del(&keys[..])?;
        }
        Ok(())
    }

    /// The connection of a thread.
    pub fn balances(&self) -> anyhow::Result<Balances> {
        Ok(match self {
            Self::Redis { client, keys } => {
                Balances::Redis { connection: client.get_connection()?, keys: Arc::clone(keys) }
            }
            Self::Memory(balances) => Balances::Memory(Arc::clone(balances)),
        })
    }

    /// The connection of all tasks; clones share it.
    pub async fn async_balances(&self) -> anyhow::Result<AsyncBalances> {
        Ok(match self {
            Self::Redis { client, keys } => {
                let config = AsyncConnectionConfig::new().set_response_timeout(Some(REPLY_LIMIT));
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                AsyncBalances::Redis { connection: connection.await?, keys: Arc::clone(keys) }
            }
            Self::Memory(balances) => AsyncBalances::Memory(Arc::clone(balances)),
        })
    }

    fn accounts(&self) -> usize {
        match self {
            Self::Redis { keys, .. } => keys.len(),
            Self::Memory(balances) => balances.len(),
        }
    }
}

pub enum Balances {
    Redis { connection: Connection, keys: Arc<[String]> },
    Memory(Arc<[AtomicI64]>),
}

impl Balances {
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
pub enum AsyncBalances {
    Redis { connection: MultiplexedConnection, keys: Arc<[String]> },
    Memory(Arc<[AtomicI64]>),
}

impl AsyncBalances {
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
