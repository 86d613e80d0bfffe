//! Several processes transfer money under a lock: `cargo run --example bank`
//!
//! Four processes with eight workers each read balances from Redis, pause, and write them back. The
//! annotated functions in `threads` exclude each other, so no money is lost. `--no-lock` shows what
//! happens without them; `--tasks` runs the workers as tokio tasks. `--sentinel` takes the locks on
//! servers of their own, whose primary freezes half way: a lock may then have two holders for a
//! moment, and the storage accepts only the one with the higher token. `--cluster` takes them in a
//! Redis Cluster, where their slots move to another node before that one freezes. The first process
//! only fills the accounts, starts the others, and adds up the balances at the end.

mod ledger;
mod options;
mod processes;
mod report;
mod servers;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod tasks;
mod threads;
mod worker;

use std::process::ExitCode;
use std::{env, io, io::Write as _, thread};

use anyhow::Context as _;
use clap::Parser as _;
use distlock::LockManager;

use ledger::Ledger;
use options::Options;
use processes::ACCOUNTS_VARIABLE;
use report::Report;
use servers::Servers;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    options.check()?;
    match options.child_of {
        Some(parent) => child(&options, parent).map(|()| ExitCode::SUCCESS),
        None => parent(&options),
    }
}

fn parent(options: &Options) -> anyhow::Result<ExitCode> {
    let servers = Servers::start(options)?;
    let ledger = Ledger::open(servers.accounts_url(), std::process::id(), options)?;
    println!("{servers}");
    println!("{options}");
    distlock::init(LockManager::connect(&servers.locks_url())?)?;
    let report = transfer(options, &ledger, &servers);
    // Also after an error, because the server may outlive this process.
    let removed = ledger.remove();
    let report = report?;
    removed?;
    println!("{report}");
    Ok(report.exit_code())
}

fn transfer<'a>(
    options: &'a Options,
    ledger: &Ledger,
    servers: &Servers,
) -> anyhow::Result<Report<'a>> {
    ledger.fill()?;
    let before = ledger.total()?.money;
    let (counts, elapsed) = processes::run(options, ledger, servers)?;
    let after = ledger.total()?;
    Ok(Report { options, before, after, counts, elapsed })
}

/// Configures nothing: the first locked call reads the URL of the server from the environment.
fn child(options: &Options, parent: u32) -> anyhow::Result<()> {
    let url = env::var(ACCOUNTS_VARIABLE).context("the parent process sets the URL")?;
    let ledger = Ledger::open(&url, parent, options)?;
    // The parent closes it at the end of the run, and when it is killed.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        worker::stop();
    });
    worker::run(options, &ledger, |counts| {
        writeln!(io::stdout(), "{counts}").context("the parent process has ended")
    })
}
