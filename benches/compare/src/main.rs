//! Compares distlock with other Redis locks, in one run on one machine:
//! `cargo run --release --manifest-path benches/compare/Cargo.toml`
//!
//! Every measurement runs in child processes of this program (or of Python, for redis-py) against a
//! private redis-server on 127.0.0.1. The order of owners comes from fencing tokens, or from clock
//! readings inside the sections; no measurement adds a command to what a candidate sends.

#![forbid(unsafe_code)]

mod baseline;
mod bench;
mod candidate;
mod child;
mod clock;
mod history;
mod latency;
mod lock;
mod log;
mod memory;
mod options;
mod plot;
mod process;
mod python;
mod report;
mod rounds;
mod rows;
mod setup;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser as _;

use bench::Bench;
use options::Options;
use report::Chart;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    match &options.role {
        Some(role) => role.run(),
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
