//! Migrations that run once, although three processes start together:
//! `cargo run -p axum-example --example migration`
//!
//! The first one migrates. The others wait, and find it done.

#![allow(missing_docs, reason = "a program")]

#[path = "../../support/children.rs"]
mod children;
#[path = "../../support/mod.rs"]
mod support;

use std::path::Path;
use std::time::Duration;
use std::{env, thread};

use anyhow::ensure;
use children::Children;
use distlock::{LockError, distributed_lock};
use rusqlite::{Connection, TransactionBehavior};

/// Each is applied once, in this order. None of them would work a second time.
const MIGRATIONS: [&str; 3] = [
    "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL);",
    "ALTER TABLE customer ADD COLUMN country TEXT NOT NULL DEFAULT 'PT';",
    "INSERT INTO customer (name) VALUES ('Ana'), ('Rui');",
];
const PROCESSES: usize = 3;
const DATABASE_VARIABLE: &str = "MIGRATION_EXAMPLE_DATABASE";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error("another process has migrated the database since, to version {0}")]
    Late(u32),
}

/// Applies what is missing, and returns how much that was. The `wait` is longer than all migrations
/// take; the lease is renewed, so they may take longer than the `ttl`.
#[distributed_lock("migration", wait = "60s", ttl = "5s", hold = hold)]
fn migrate(database: &mut Connection) -> Result<u32, Error> {
    let before = version(database)?;
    let mut after = before;
    for (version, migration) in (0..).zip(MIGRATIONS) {
        if version >= before {
            hold.check()?;
            after = apply(database, version, migration)?;
        }
    }
    Ok(after - before)
}

/// The version is compared and raised in the transaction of the migration. It does what a fencing
/// token does: a process that has lost the lock, and does not know it yet, changes nothing.
fn apply(database: &mut Connection, expected: u32, migration: &str) -> Result<u32, Error> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found != expected {
        return Err(Error::Late(found)); // rolls back
    }
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "user_version", found + 1)?;
    thread::sleep(Duration::from_millis(300)); // there are more rows in your tables
    transaction.commit()?;
    Ok(found + 1)
}

fn version(database: &Connection) -> rusqlite::Result<u32> {
    database.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let database = Connection::open(file)?;
    database.busy_timeout(Duration::from_secs(5))?;
    Ok(database)
}

fn main() -> anyhow::Result<()> {
    if let Some(file) = env::var_os(DATABASE_VARIABLE) {
        println!("{}", migrate(&mut open(file.as_ref())?)?);
        return Ok(());
    }
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("this example needs a Redis server: install redis-server or set DISTLOCK_URL");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("customers.db");
    let variables =
        [(DATABASE_VARIABLE, file.as_os_str()), (support::URL_VARIABLE, server.url().as_ref())];
    let processes = Children::start(PROCESSES, &variables)?;

    let mut applied = Vec::new();
    while let Some((id, line)) = processes.next_line()? {
        println!("process {id} has applied {line} migrations");
        applied.push(line.parse::<u32>()?);
    }
    applied.sort_unstable();
    ensure!(applied == [0, 0, 3], "applied by the processes: {applied:?}");
    let database = open(&file)?;
    let customers: u32 =
        database.query_row("SELECT count(*) FROM customer WHERE country = 'PT'", [], |row| {
            row.get(0)
        })?;
    println!("version {}, {customers} customers", version(&database)?);
    ensure!((version(&database)?, customers) == (3, 2));
    Ok(())
}
