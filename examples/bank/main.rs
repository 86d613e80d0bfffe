//! Processes that transfer money at the same time: `cargo run --example bank`
//!
//! Four processes with eight workers each read balances from Redis, pause, and write them back. The
//! annotated functions in `threads` keep them apart, so no money is lost; `--no-lock` shows what
//! happens without, `--tasks` has tokio tasks for workers. The process that you start only fills
//! the accounts, starts the others, and adds up at the end.

mod ledger;
mod office;
mod options;
mod processes;
mod report;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod tasks;
mod threads;

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
        println!("server: {server}; groups of threads stand in for the processes");
    }
    println!("{options}");
    distlock::init(LockManager::connect(server.url())?)?;
    let report = transfer(options, &ledger, server.url());
    // Also after an error, for the server may be one that stays.
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

/// Here nothing is set up for the locks: the first locked call finds the URL in the environment.
fn child(options: &Options, parent: u32) -> anyhow::Result<()> {
    let url = env::var(URL_VARIABLE).context("the parent process sets the URL")?;
    let ledger = Ledger::open(&url, parent, options.accounts)?;
    office::run(options, &ledger, |counts| {
        writeln!(io::stdout(), "{counts}").context("the parent process is gone")
    })
}
