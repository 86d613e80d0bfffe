//! Compares distlock with other Redis locks, in one run on one machine:
//! `cargo run --release --manifest-path benches/compare/Cargo.toml`. With the argument `targets` it
//! prints which performance targets are met.
//!
//! Every measurement runs in child processes of this program (or of Python, for redis-py) against a
//! private redis-server on 127.0.0.1. The order of owners comes from fencing tokens, or from clock
//! readings inside the sections; no measurement adds a command to what a candidate sends.

#![forbid(unsafe_code)]

mod affinity;
mod baseline;
mod bench;
mod candidate;
mod child;
mod clock;
mod history;
mod kernel;
mod latency;
mod lock;
mod log;
mod median;
mod options;
mod plot;
mod process;
mod python;
mod report;
mod rounds;
mod rows;
mod setup;
mod table;
mod targets;

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser as _;

use bench::Bench;
use options::{Command, Options};
use report::Chart;

fn main() -> anyhow::Result<()> {
    let mut options = Options::parse();
    match options.command.take() {
        Some(Command::Child(role)) => role.run(),
        Some(Command::Targets(targets)) => {
            targets.run(&Bench::new(options)?);
            Ok(())
        }
        None => compare(options),
    }
}

fn compare(options: Options) -> anyhow::Result<()> {
    let start = Instant::now();
    let bench = Bench::new(options)?;
    let mut text =
        format!("# Comparison\n\n{}", setup::describe(&bench::server()?, &bench.python)?);
    println!("{text}");
    let mut charts: Vec<Chart> = Vec::new();
    for (row, measure) in rows::ALL {
        if bench.options.wants(row) {
            let report = measure(&bench).with_context(|| format!("the row {row:?}"))?;
            println!("{report}");
            write!(text, "\n{report}")?;
            charts.extend(report.chart);
        }
    }
    bench.done();
    let options = &bench.options;
    if let Some(path) = &options.markdown {
        fs::write(path, text.trim_end().to_owned() + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if let Some(path) = options.plot() {
        plot::draw(path, &charts)?;
    }
    eprintln!("took {:.0?}", start.elapsed());
    Ok(())
}
