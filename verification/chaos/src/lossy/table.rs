use std::fmt;
use std::time::Duration;

use super::{Arrival, Losses};

/// Prints the results as a table.
pub struct Table<'a>(pub &'a [Losses]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| loss | second request | rounds | double holds | rate | overlap, median | max | late \
             writes | accepted with fencing |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for losses in self.0 {
            let requests = match losses.arrival {
                Arrival::Queued => "queued",
                Arrival::AfterLoss => "after the loss",
            };
            let Losses { kind, rounds, double_holds, late, accepted, .. } = losses;
            let rate = 100.0 * f64::from(*double_holds) / f64::from((*rounds).max(1));
            let [median, most] = [0.5, 1.0].map(|part| losses.span_at(part).as_millis());
            writeln!(
                f,
                "| {kind} | {requests} | {rounds} | {double_holds} | {rate:.1} % | {median} ms | \
                 {most} ms | {late} | {accepted} |"
            )?;
        }
        Ok(())
    }
}

impl Losses {
    fn span_at(&self, part: f64) -> Duration {
        let mut spans = self.spans.clone();
        spans.sort();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small index"
        )]
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let index = (spans.len().saturating_sub(1) as f64 * part) as usize;
        spans.get(index).copied().unwrap_or_default()
    }
}
