//! Several processes transfer money under a lock: `cargo run --example bank`
//!
//! Four processes with eight workers each read balances from Redis, pause, and write them back. The
//! annotated functions in `threads` exclude each other, so no money is lost. `--no-lock` shows what
//! happens without them; `--tasks` runs the workers as tokio tasks. The first process only fills
//! the accounts, starts the others, and adds up the balances at the end.

mod ledger;
mod options;
mod processes;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod tasks;
mod threads;
mod worker;

use std::process::ExitCode;
use std::{env, io, io::Write as _};

use anyhow::Context as _;
use clap::Parser as _;
use distlock::LockManager;

use ledger::Ledger;
use options::Options;
use report::Report;
use support::{Server, URL_VARIABLE};

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    options.check()?;
    match options.child_of {
        Some(parent) => child(&options, parent).map(|()| ExitCode::SUCCESS),
        None => parent(&options),
    }
}

fn parent(options: &Options) -> anyhow::Result<ExitCode> {
    let server = Server::find()?;
    let ledger = Ledger::open(server.url(), std::process::id(), options.accounts)?;
    if ledger.is_shared_by_processes() {
        println!("server: {server}");
    } else {
        println!("server: {server}; groups of threads replace the processes");
    }
    println!("{options}");
    distlock::init(LockManager::connect(server.url())?)?;
    let report = transfer(options, &ledger, server.url());
    // Also after an error, because the server may outlive this process.
    let removed = ledger.remove();
    let report = report?;
    removed?;
    println!("{report}");
    Ok(report.exit_code())
}

fn transfer<'a>(options: &'a Options, ledger: &Ledger, url: &str) -> anyhow::Result<Report<'a>> {
    ledger.fill()?;
    let before = ledger.total()?;
    let (counts, elapsed) = processes::run(options, ledger, url)?;
    let after = ledger.total()?;
    Ok(Report { options, before, after, counts, elapsed })
}

/// Configures nothing: the first locked call reads the URL from the environment.
fn child(options: &Options, parent: u32) -> anyhow::Result<()> {
    let url = env::var(URL_VARIABLE).context("the parent process sets the URL")?;
    let ledger = Ledger::open(&url, parent, options.accounts)?;
    worker::run(options, &ledger, |counts| {
        writeln!(io::stdout(), "{counts}").context("the parent process has ended")
    })
}
