//! The balances of the accounts, in storage that compares fencing tokens.
//!
//! The storage refuses a token below one that it has seen, for reads too: a transfer that reads
//! under a token makes sure that no earlier one writes after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use distlock::Fence;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Commands as _, Connection};

use crate::options::Options;
use crate::worker::Account;

const OPENING_BALANCE: i64 = 1_000;
/// The default of the redis crate, 500 ms, is short for a busy machine.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

/// The balance of account ARGV[2], unless a token higher than ARGV[1] was seen before.
const READ: &str = "
    local highest = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
    if tonumber(ARGV[1]) < highest then return false end
    redis.call('HSET', KEYS[1], 'fence', ARGV[1])
    return redis.call('HGET', KEYS[1], ARGV[2])";

/// Writes accounts and balances from ARGV[2] on, unless a token higher than ARGV[1] was seen
/// before. Returns whether it wrote.
const WRITE: &str = "
    local highest = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
    if tonumber(ARGV[1]) < highest then return false end
    redis.call('HSET', KEYS[1], 'fence', unpack(ARGV))
    redis.call('HINCRBY', KEYS[1], 'transfers', 1)
    return true";

/// The storage has seen a higher token.
#[derive(Debug, thiserror::Error)]
#[error("the lock was lost, and its next holder came first")]
pub struct Late;

/// What is in the storage.
#[derive(Clone, Copy)]
pub struct Total {
    pub money: i64,
    /// How many were written.
    pub transfers: u64,
}

/// A balance that is to be written.
pub type Change = (Account, i64);

#[derive(Clone)]
pub enum Ledger {
    /// Boxed, because a client with TLS is large.
    Redis { client: Box<Client>, branches: Branches },
    /// Compares no tokens: a lock in the memory of this process is not lost.
    Memory(Memory),
}

/// The key of each branch.
#[derive(Clone)]
pub struct Branches {
    keys: Arc<[String]>,
    accounts: usize,
}

#[derive(Clone)]
pub struct Memory {
    balances: Arc<[AtomicI64]>,
    transfers: Arc<AtomicU64>,
    accounts: usize,
}

impl Ledger {
    /// `run` separates the accounts of several runs on one server.
    pub fn open(url: &str, run: u32, options: &Options) -> anyhow::Result<Self> {
        let accounts = options.accounts_of_branch();
        if url.starts_with("memory://") {
            let count = options.branches * accounts;
            let balances = (0..count).map(|_| AtomicI64::new(OPENING_BALANCE)).collect();
            return Ok(Self::Memory(Memory { balances, transfers: Arc::default(), accounts }));
        }
        let client = Box::new(Client::open(url)?);
        let keys = (0..options.branches).map(|branch| format!("bank:{run}:{branch}")).collect();
        Ok(Self::Redis { client, branches: Branches { keys, accounts } })
    }

    pub fn is_shared_by_processes(&self) -> bool {
        matches!(self, Self::Redis { .. })
    }

    pub fn fill(&self) -> anyhow::Result<()> {
        if let Self::Redis { client, branches: Branches { keys, accounts } } = self {
            let mut connection = client.get_connection()?;
            let balances: Vec<_> = (0..*accounts).map(|number| (number, OPENING_BALANCE)).collect();
            for key in &keys[..] {
                let () = connection.hset_multiple(key, &balances)?;
            }
        }
        Ok(())
    }

    pub fn total(&self) -> anyhow::Result<Total> {
        match self {
            Self::Redis { client, branches: Branches { keys, accounts } } => {
                let mut connection = client.get_connection()?;
                let numbers: Vec<_> = (0..*accounts).collect();
                let none = Total { money: 0, transfers: 0 };
                keys.iter().try_fold(none, |Total { money, transfers }, key| {
                    let balances: Vec<i64> = connection.hmget(key, &numbers)?;
                    let more: Option<u64> = connection.hget(key, "transfers")?;
                    Ok(Total {
                        money: money + balances.iter().sum::<i64>(),
                        transfers: transfers + more.unwrap_or(0),
                    })
                })
            }
            Self::Memory(memory) => Ok(Total {
                money: memory.balances.iter().map(|balance| balance.load(Relaxed)).sum(),
                transfers: memory.transfers.load(Relaxed),
            }),
        }
    }

    pub fn remove(&self) -> anyhow::Result<()> {
        if let Self::Redis { client, branches } = self {
            let () = client.get_connection()?.del(&branches.keys[..])?;
        }
        Ok(())
    }

    /// The connection of a thread.
    pub fn balances(&self) -> anyhow::Result<Balances> {
        Ok(match self {
            Self::Redis { client, branches } => {
                Balances::Redis(client.get_connection()?, branches.clone())
            }
            Self::Memory(memory) => Balances::Memory(memory.clone()),
        })
    }

    /// The connection of all tasks; clones share it.
    pub async fn async_balances(&self) -> anyhow::Result<AsyncBalances> {
        Ok(match self {
            Self::Redis { client, branches } => {
                let config = AsyncConnectionConfig::new().set_response_timeout(Some(REPLY_LIMIT));
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                AsyncBalances::Redis(connection.await?, branches.clone())
            }
            Self::Memory(memory) => AsyncBalances::Memory(memory.clone()),
        })
    }
}

impl Branches {
    /// A call of a script. Without a lock there is no token, and the storage refuses nothing.
    fn call(&self, script: &str, branch: usize, token: Option<Fence>) -> Cmd {
        let mut call = redis::cmd("EVAL");
        call.arg(script).arg(1).arg(&self.keys[branch]).arg(token.map_or(0, Fence::get));
        call
    }

    fn read(&self, token: Option<Fence>, account: Account) -> Cmd {
        let mut call = self.call(READ, account.branch, token);
        call.arg(account.number);
        call
    }

    /// Both accounts are of one branch.
    fn write(&self, token: Option<Fence>, changes: [Change; 2]) -> Cmd {
        let mut call = self.call(WRITE, changes[0].0.branch, token);
        for (account, balance) in changes {
            call.arg(account.number).arg(balance);
        }
        call
    }
}

impl Memory {
    fn balance(&self, account: Account) -> &AtomicI64 {
        &self.balances[account.branch * self.accounts + account.number]
    }

    fn write(&self, changes: [Change; 2]) {
        for (account, balance) in changes {
            self.balance(account).store(balance, Relaxed);
        }
        self.transfers.fetch_add(1, Relaxed);
    }
}

pub enum Balances {
    Redis(Connection, Branches),
    Memory(Memory),
}

impl Balances {
    pub fn read(&mut self, token: Option<Fence>, account: Account) -> anyhow::Result<i64> {
        Ok(match self {
            Self::Redis(connection, branches) => {
                let read: Option<i64> = branches.read(token, account).query(connection)?;
                read.ok_or(Late)?
            }
            Self::Memory(memory) => memory.balance(account).load(Relaxed),
        })
    }

    pub fn write(&mut self, token: Option<Fence>, changes: [Change; 2]) -> anyhow::Result<()> {
        match self {
            Self::Redis(connection, branches) => {
                let written: bool = branches.write(token, changes).query(connection)?;
                written.then_some(()).ok_or(Late)?;
            }
            Self::Memory(memory) => memory.write(changes),
        }
        Ok(())
    }
}

#[derive(Clone)]
pub enum AsyncBalances {
    Redis(MultiplexedConnection, Branches),
    Memory(Memory),
}

impl AsyncBalances {
    pub async fn read(&mut self, token: Option<Fence>, account: Account) -> anyhow::Result<i64> {
        Ok(match self {
            Self::Redis(connection, branches) => {
                let read: Option<i64> =
                    branches.read(token, account).query_async(connection).await?;
                read.ok_or(Late)?
            }
            Self::Memory(memory) => memory.balance(account).load(Relaxed),
        })
    }

    pub async fn write(
        &mut self,
        token: Option<Fence>,
        changes: [Change; 2],
    ) -> anyhow::Result<()> {
        match self {
            Self::Redis(connection, branches) => {
                let written: bool = branches.write(token, changes).query_async(connection).await?;
                written.then_some(()).ok_or(Late)?;
            }
            Self::Memory(memory) => memory.write(changes),
        }
        Ok(())
    }
}
