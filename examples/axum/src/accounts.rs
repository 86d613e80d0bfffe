//! Accounts in a database. One process at a time changes an account, and the database rejects a
//! process that has lost the lock and writes late.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use distlock::{Fence, LockError, LockManager, distributed_lock};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use serde::Serialize;
use tokio::task::spawn_blocking;

/// `fence` is the highest token that has read the balance in order to change it. One hold books
/// once, so the journal has at most one entry for each token of an account.
const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS account (
        id INTEGER PRIMARY KEY,
        balance INTEGER NOT NULL CHECK (balance >= 0),
        fence INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS journal (
        account INTEGER NOT NULL REFERENCES account,
        fence INTEGER NOT NULL,
        amount INTEGER NOT NULL,
        PRIMARY KEY (account, fence)
    ) WITHOUT ROWID;";

/// Reads the balance, and rejects from now on what holders of lower tokens write. A condition on
/// the write alone is not enough: a late write could come after this read and before the write that
/// follows from it, which would then overwrite it.
const READ: &str = "UPDATE account SET fence = ?2 WHERE id = ?1 AND fence <= ?2 RETURNING balance";
const WRITE: &str = "UPDATE account SET balance = ?3 WHERE id = ?1 AND fence = ?2";
const BOOK: &str = "INSERT INTO journal (account, fence, amount) VALUES (?1, ?2, ?3)";

#[derive(Clone)]
pub struct Accounts {
    pub locks: LockManager,
    database: Arc<Mutex<Connection>>,
    approval: Duration,
}

/// What has been booked.
#[derive(Debug, Serialize)]
pub struct Receipt {
    pub account: i64,
    pub balance: i64,
    pub fence: Fence,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database rejected the token. Nothing was written.
    #[error("another process has changed account {0} since; nothing was booked")]
    Stale(i64),
    #[error("there is no account {0}")]
    NoAccount(i64),
    #[error("account {account} has {balance} left")]
    Overdrawn { account: i64, balance: i64 },
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
}

impl Accounts {
    /// `approval` is how long the other service takes that each withdrawal asks.
    pub fn new(locks: LockManager, database: Connection, approval: Duration) -> Self {
        Self { locks, database: Arc::new(Mutex::new(database)), approval }
    }

    /// Takes `amount` from the account.
    ///
    /// If the client disconnects, the future is dropped: it does not go on, and the lock is
    /// released. `Retry-After` is the rest of the lease, so the `ttl` is not longer than a client
    /// should wait if the holder has crashed.
    #[distributed_lock(
        "account:{account}", manager = self.locks, wait = "100ms", ttl = "5s", hold = hold
    )]
    pub async fn withdraw(&self, account: i64, amount: i64) -> Result<Receipt, Error> {
        let fence = hold.fence();
        let balance = self.sql(move |database| read(database, account, fence)).await?;
        if amount > balance {
            return Err(Error::Overdrawn { account, balance });
        }
        // Another service is asked. This is why there is a lock: a transaction should not be open
        // for that long.
        tokio::time::sleep(self.approval).await;
        let balance = balance - amount;
        self.sql(move |database| write(database, account, fence, balance, amount)).await?;
        Ok(Receipt { account, balance, fence })
    }

    /// Returns the balance. No lock: the database has a valid one at any time.
    pub async fn balance(&self, account: i64) -> Result<i64, Error> {
        self.sql(move |database| {
            let found = "SELECT balance FROM account WHERE id = ?1";
            let balance = database.query_row(found, [account], |row| row.get(0)).optional()?;
            balance.ok_or(Error::NoAccount(account))
        })
        .await
    }

    /// Runs the statements on a thread that may block. They run to their end even if the caller is
    /// dropped meanwhile, and so maybe after the release of the lock. Their token stops them then.
    async fn sql<T: Send + 'static>(
        &self,
        statements: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let database = Arc::clone(&self.database);
        let done = spawn_blocking(move || {
            // A transaction that panicked has been rolled back.
            statements(&mut database.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.expect("statements do not panic, and the runtime runs")
    }
}

/// Opens the database. It has `accounts` accounts with the given balance if it is new.
pub fn open(file: &Path, accounts: i64, balance: i64) -> rusqlite::Result<Connection> {
    let database = Connection::open(file)?;
    database.busy_timeout(Duration::from_secs(5))?;
    database.execute_batch(TABLES)?;
    for account in 1..=accounts {
        let new = "INSERT OR IGNORE INTO account (id, balance) VALUES (?1, ?2)";
        database.execute(new, [account, balance])?;
    }
    Ok(database)
}

fn read(database: &Connection, account: i64, fence: Fence) -> Result<i64, Error> {
    let mut statement = database.prepare_cached(READ)?;
    let row = statement.query_row([account, i64::from(fence)], |row| row.get(0)).optional()?;
    row.ok_or_else(|| match exists(database, account) {
        Ok(true) => Error::Stale(account),
        Ok(false) => Error::NoAccount(account),
        Err(error) => error.into(),
    })
}

fn exists(database: &Connection, account: i64) -> rusqlite::Result<bool> {
    database.prepare_cached("SELECT 1 FROM account WHERE id = ?1")?.exists([account])
}

fn write(
    database: &mut Connection,
    account: i64,
    fence: Fence,
    balance: i64,
    amount: i64,
) -> Result<(), Error> {
    let fence = i64::from(fence);
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rows = transaction.prepare_cached(WRITE)?.execute([account, fence, balance])?;
    if rows == 0 {
        return Err(Error::Stale(account)); // rolls back
    }
    transaction.prepare_cached(BOOK)?.execute(params![account, fence, amount])?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use distlock::testing::MemoryServer;
    use distlock::{LockError, LockManager};

    use super::{Accounts, Error, open, read, write};

    fn accounts(locks: &LockManager) -> Accounts {
        let database = open(Path::new(":memory:"), 1, 100).unwrap();
        Accounts::new(locks.clone(), database, Duration::ZERO)
    }

    #[tokio::test]
    async fn a_withdrawal_is_booked_and_no_account_is_overdrawn() {
        let accounts = accounts(&LockManager::connect("memory://booked").unwrap());
        assert_eq!(accounts.withdraw(1, 30).await.unwrap().balance, 70);
        let refused = accounts.withdraw(1, 71).await;
        assert!(matches!(refused, Err(Error::Overdrawn { account: 1, balance: 70 })));
        assert!(matches!(accounts.withdraw(2, 1).await, Err(Error::NoAccount(2))));
        assert_eq!(accounts.balance(1).await.unwrap(), 70);
    }

    #[tokio::test]
    async fn an_account_whose_lock_is_held_is_busy() {
        let locks = LockManager::connect("memory://busy").unwrap();
        let guard = locks.mutex("account:1").acquire().await.unwrap();
        let refused = accounts(&locks).withdraw(1, 30).await;
        assert!(matches!(refused, Err(Error::Lock(LockError::Busy(_)))));
        guard.release().await.unwrap();
    }

    #[test]
    fn a_holder_that_has_lost_the_lock_writes_nothing() {
        let server = MemoryServer::named("late");
        // Two managers are like two processes.
        let [one, other] = [(), ()].map(|()| LockManager::connect(&server.url()).unwrap());
        let mut database = open(Path::new(":memory:"), 1, 100).unwrap();

        let late = one.mutex("account:1").acquire_blocking().unwrap();
        assert_eq!(read(&database, 1, late.fence()).unwrap(), 100);
        server.lose("account:1");
        let holder = other.mutex("account:1").acquire_blocking().unwrap();
        assert_eq!(read(&database, 1, holder.fence()).unwrap(), 100);
        // After the read of the holder, and before its write.
        let rejected = write(&mut database, 1, late.fence(), 70, 30);
        assert!(matches!(rejected, Err(Error::Stale(1))));
        write(&mut database, 1, holder.fence(), 90, 10).unwrap();
        assert!(matches!(read(&database, 1, late.fence()), Err(Error::Stale(1))));
        assert_eq!(read(&database, 1, holder.fence()).unwrap(), 90);
    }
}
