use std::fmt;
use std::time::Duration;

use super::Row;

/// Prints the results as a table.
pub struct FailoverTable<'a>(pub &'a [Row]);

impl fmt::Display for FailoverTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [
            "failover",
            "pause",
            "trials",
            "holds across it",
            "of those lost",
            "grants",
            "losses",
            "trials with double holds",
            "double holds",
            "late writes",
            "accepted with fencing",
            "first grant after the new primary is named, median",
            "max",
            "after it takes writes, max",
            "time without grants, median",
            "longest overrun of a wait",
        ];
        writeln!(f, "| {} |", columns.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(columns.len()))?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, pause, trials, across, lost, pairs, losses, late, accepted, .. } = self;
        let share = |count: u64| {
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            let share = 100.0 * count as f64 / (*trials).max(1) as f64;
            format!("{count} ({share:.0} %)")
        };
        let ms = |spans: &[Duration], part: usize| {
            let mut spans = spans.to_vec();
            spans.sort();
            let index = spans.len().saturating_sub(1) * part / 2;
            let span = spans.get(index).copied().unwrap_or_default();
            format!("{} ms", span.as_millis())
        };
        write!(f, "| {kind} | {pause} | {trials} | {across} | {lost} | {pairs} | {losses} ")?;
        write!(
            f,
            "| {} | {} | {late} | {accepted} | {} | {} | {} | {} | {} ms |",
            share(self.with_double_holds),
            self.double_holds,
            ms(&self.after_named, 1),
            ms(&self.after_named, 2),
            ms(&self.after_writes, 2),
            ms(&self.without_grants, 1),
            self.overrun.as_millis(),
        )
    }
}
