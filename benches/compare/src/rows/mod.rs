//! The rows of the comparison.

mod fairness;
pub mod handoff;
pub mod held;
mod hot_key;
mod linger;
pub mod reentry;
mod scaling;
mod spread;
mod uncontended;

use crate::bench::Bench;
use crate::candidate::Candidate;
use crate::options::Row;
use crate::report::Report;

type Measure = fn(&Bench) -> anyhow::Result<Report>;

/// In the order of the report.
pub const ALL: [(Row, Measure); 9] = [
    (Row::Uncontended, uncontended::run),
    (Row::Reentry, reentry::run),
    (Row::HotKey, hot_key::run),
    (Row::Spread, spread::run),
    (Row::Handoff, handoff::run),
    (Row::Held, held::run),
    (Row::Scaling, scaling::run),
    (Row::Linger, linger::run),
    (Row::Fairness, fairness::run),
];

/// The first cells of a row.
fn name(candidate: Candidate) -> Vec<String> {
    vec![candidate.to_string(), candidate.workers().to_owned()]
}

/// A row of the table: the measured cells, or the error.
fn line(mut begin: Vec<String>, cells: anyhow::Result<Vec<String>>) -> Vec<String> {
    match cells {
        Ok(cells) => begin.extend(cells),
        Err(error) => begin.push(format!("not measured: {error:#}")),
    }
    begin
}

/// A note about failed requests.
fn errors(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" ({count} requests failed)") }
}
