//! Runs the lock under faults; see the library.

use std::env;
use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use trials::options::{Command, One, Options};
use trials::schedule::{Schedule, Wishes};
use trials::{trial, verdict, worker};

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    match options.command {
        None => one(&options.one),
        Some(Command::Worker) => worker::work().map(|()| ExitCode::SUCCESS),
    }
}

fn one(options: &One) -> io::Result<ExitCode> {
    let schedule = Schedule::of(options.seed, &Wishes::from(&options.fixed));
    print!("{schedule}");
    let outcome = trial::run(schedule, &env::current_exe()?)?;
    if options.story {
        print!("{}", history::Story::new(&outcome.history));
    }
    print!("{}", verdict::Verdict(&outcome));
    Ok(if outcome.report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
