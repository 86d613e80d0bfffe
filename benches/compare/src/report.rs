//! What a row has found out: a table, what to know about it, and perhaps a chart.

use std::fmt;

use crate::table::Table;

#[derive(Debug)]
pub struct Report {
    pub title: String,
    /// What the columns mean and what is next to them.
    pub notes: Vec<String>,
    pub tables: Vec<Table>,
    pub chart: Option<Chart>,
}

/// Bars in groups, on a logarithmic scale.
#[derive(Debug)]
pub struct Chart {
    pub title: String,
    /// What the bars of a group are.
    pub series: [&'static str; 2],
    /// A candidate, with a bar for each of the series.
    pub groups: Vec<(String, [f64; 2])>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        for note in &self.notes {
            writeln!(f, "{note}\n")?;
        }
        self.tables.iter().try_for_each(|table| writeln!(f, "{table}"))
    }
}
