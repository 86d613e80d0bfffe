//! The command line; see the library for an overview.

use std::env;
use std::io;
use std::process::ExitCode;

use chaos::campaign::Campaign;
use chaos::options::{Command, Failover, Lossy, Many, One, Options};
use chaos::schedule::{Overrides, Schedule};
use chaos::{failover, lossy, trial, verdict};
use clap::Parser as _;

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    match options.command {
        None => one(&options.one),
        Some(Command::Run(many)) => run(&many),
        Some(Command::Soak(soak)) => chaos::soak::soak(&soak).map(code),
        Some(Command::Lossy(lossy)) => measure(&lossy),
        Some(Command::Failover(failover)) => promote(&failover),
        Some(Command::Worker) => chaos::work().map(|()| ExitCode::SUCCESS),
    }
}

fn one(options: &One) -> io::Result<ExitCode> {
    let schedule = Schedule::of(options.seed, &Overrides::from(&options.fixed));
    print!("{schedule}");
    let outcome = trial::run(schedule, &env::current_exe()?, &mut None)?;
    if options.trace {
        print!("{}", checker::Trace::new(&outcome.history));
    }
    print!("{}", verdict::Verdict(&outcome));
    Ok(code(outcome.report.is_right()))
}

fn run(many: &Many) -> io::Result<ExitCode> {
    let program = env::current_exe()?;
    let campaign = Campaign {
        schedules: Some(many.schedules),
        length: None,
        batch: &many.batch,
        program: &program,
    };
    let tally = campaign.run(|_| {});
    print!("{tally}");
    Ok(code(tally.is_right()))
}

/// Fails if the register accepted a late write, or if two holds were valid although none was lost.
fn measure(options: &Lossy) -> io::Result<ExitCode> {
    let losses = lossy::measure(options.rounds, options.seed)?;
    print!("{}", lossy::Table(&losses));
    Ok(code(losses.iter().all(lossy::Losses::is_right)))
}

/// Fails if a trial violated what has to hold.
fn promote(options: &Failover) -> io::Result<ExitCode> {
    let rows = failover::measure(options, &env::current_exe()?)?;
    print!("{}", failover::FailoverTable(&rows));
    Ok(code(rows.iter().all(failover::Row::is_right)))
}

fn code(is_right: bool) -> ExitCode {
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
