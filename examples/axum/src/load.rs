//! Three processes of the service under load. Afterwards each account has lost exactly what its
//! journal says: no withdrawal has overwritten another one.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use rusqlite::Connection;
use serde::Deserialize;

use crate::processes::Process;
use crate::support;

const PROCESSES: usize = 3;
const ACCOUNTS: i64 = 8;
const BALANCE: i64 = 1_000_000;

#[derive(Args)]
pub struct Load {
    /// How long wrk sends requests
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// How many connections it has, to all processes together
    #[arg(long, default_value_t = 96)]
    connections: u32,
    /// How many milliseconds the service takes that approves withdrawals
    #[arg(long, default_value_t = 1)]
    approval: u64,
}

/// What `load.lua` prints.
#[derive(Deserialize)]
struct Outcome {
    seconds: f64,
    booked: i64,
    busy: i64,
    other: i64,
    broken: i64,
    timeouts: i64,
    p50_us: u64,
    p90_us: u64,
    p99_us: u64,
    max_us: u64,
}

pub fn run(options: &Load) -> anyhow::Result<()> {
    let server = support::Server::find()?;
    println!("server: {server}");
    if server.url().starts_with("memory://") {
        println!("this example needs a Redis server: install redis-server or set DISTLOCK_URL");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("accounts.db");
    let approval = options.approval.to_string();
    let (accounts, balance) = (ACCOUNTS.to_string(), BALANCE.to_string());
    let arguments = ["--approval", &approval, "--accounts", &accounts, "--balance", &balance];
    let start = || Process::start(server.url(), &database, &arguments);
    let mut processes: Vec<Process> =
        (0..PROCESSES).map(|_| start()).collect::<anyhow::Result<_>>()?;

    let outcome = load(&processes, options)?;
    // Withdrawals that were under way are over when the processes have ended.
    for process in &mut processes {
        process.ask_to_end()?;
        let status = process.wait()?;
        ensure!(status.success(), "a process of the service ended with {status}");
    }
    outcome.print(options);
    let booked = check_sums(&database)?;
    println!("{booked} withdrawals are in the journal, and the balances are what it says");
    let Outcome { other, broken, timeouts, .. } = outcome;
    ensure!(other + broken + timeouts == 0, "some requests had another reply, or none");
    ensure!(outcome.booked > 0 && outcome.busy > 0, "some reply is missing: load it more");
    let unanswered = booked - outcome.booked;
    ensure!(
        (0..=i64::from(options.connections)).contains(&unanswered),
        "{} replies said that a withdrawal was booked",
        outcome.booked
    );
    Ok(())
}

fn load(processes: &[Process], options: &Load) -> anyhow::Result<Outcome> {
    let addresses: Vec<String> = processes.iter().map(|p| p.address.to_string()).collect();
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", &processes.len().to_string()]);
    wrk.args(["--connections", &options.connections.to_string()]);
    wrk.args(["--duration", &format!("{}s", options.seconds), "--timeout", "10s"]);
    wrk.args(["--script", concat!(env!("CARGO_MANIFEST_DIR"), "/load.lua")]);
    wrk.env("ADDRESSES", addresses.join(",")).env("ACCOUNTS", ACCOUNTS.to_string());
    let output = match wrk.arg(processes[0].url("/")).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("wrk is missing: apt-get install wrk, or another package manager")
        }
        output => output?,
    };
    let text = String::from_utf8(output.stdout)?;
    let outcome = text.lines().find(|line| line.starts_with('{'));
    let outcome = outcome.with_context(|| format!("wrk failed with {}: {text}", output.status))?;
    Ok(serde_json::from_str(outcome)?)
}

impl Outcome {
    #[allow(clippy::cast_precision_loss, reason = "for people to read")]
    fn print(&self, options: &Load) {
        let per_second = |count: i64| count as f64 / self.seconds;
        println!(
            "{PROCESSES} processes, {} connections, {ACCOUNTS} accounts, {:.1} s",
            options.connections, self.seconds
        );
        let Self { booked, busy, other, broken, timeouts, .. } = self;
        println!("{:8.0} replies per second", per_second(booked + busy + other));
        println!("{:8.0} of them booked (200: {booked})", per_second(*booked));
        println!("{:8.0} of them busy (409: {busy})", per_second(*busy));
        println!("other replies: {other}, broken connections: {broken}, timeouts: {timeouts}");
        let [p50, p90, p99, max] =
            [self.p50_us, self.p90_us, self.p99_us, self.max_us].map(Duration::from_micros);
        println!("latency: p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, max {max:.1?}");
    }
}

/// Compares each balance to the journal, and returns how many withdrawals the journal has.
fn check_sums(database: &Path) -> anyhow::Result<i64> {
    let database = Connection::open(database)?;
    let sums = "
        SELECT id, balance, count(amount), ifnull(sum(amount), 0)
        FROM account LEFT JOIN journal ON account = id GROUP BY id ORDER BY id";
    let mut statement = database.prepare(sums)?;
    let mut rows = statement.query([])?;
    let mut booked = 0;
    while let Some(row) = rows.next()? {
        let (account, balance): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (count, sum): (i64, i64) = (row.get(2)?, row.get(3)?);
        ensure!(
            balance == BALANCE - sum,
            "account {account} has {balance}, and its journal says {}",
            BALANCE - sum
        );
        booked += count;
    }
    Ok(booked)
}
