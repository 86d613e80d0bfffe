//! The rows of the comparison, each written once for all contenders.

mod fairness;
mod handover;
mod held;
mod hot;
mod linger;
mod reentry;
mod scaling;
mod spread;
mod uncontended;

use crate::bench::Bench;
use crate::contender::Contender;
use crate::options::Row;
use crate::report::Report;

type Measure = fn(&Bench) -> anyhow::Result<Report>;

/// In the order of the report.
pub const ALL: [(Row, Measure); 9] = [
    (Row::Uncontended, uncontended::run),
    (Row::Reentry, reentry::run),
    (Row::Hot, hot::run),
    (Row::Spread, spread::run),
    (Row::Handover, handover::run),
    (Row::Held, held::run),
    (Row::Scaling, scaling::run),
    (Row::Linger, linger::run),
    (Row::Fairness, fairness::run),
];

/// The beginning of a contender's line.
fn name(contender: Contender) -> Vec<String> {
    vec![contender.to_string(), contender.workers().to_owned()]
}

/// A line of the table: the measured cells, or why there are none.
fn line(mut begin: Vec<String>, cells: anyhow::Result<Vec<String>>) -> Vec<String> {
    match cells {
        Ok(cells) => begin.extend(cells),
        Err(error) => begin.push(format!("not measured: {error:#}")),
    }
    begin
}

/// What a measurement with failed requests has to say about them.
fn errors(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" ({count} requests failed)") }
}
