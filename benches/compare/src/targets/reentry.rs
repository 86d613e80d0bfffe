//! A nested call of the holder.

use super::Run;
use super::target::{Bound, Target};
use crate::bench;
use crate::rows::reentry::calls;

pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let ([constant, rendered, task], _) = calls(run.bench, &bench::server()?, run.rounds)?;
    let rows = [
        ("thread, constant key", constant, 40.0),
        ("thread, rendered key", rendered, 70.0),
        ("task, constant key", task, 45.0),
    ];
    let target = |(kind, nanos, most)| {
        let measure = format!("nested call, {kind}, ns more than without the attribute");
        Target::alone(measure, nanos, Bound::AtMost(most))
    };
    Ok(rows.map(target).into())
}
