//! The HTML report of many schedules.

mod timeline;

use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use checker::{Event, Nanos};

use crate::tally::Tally;
use crate::trial::Outcome;
use crate::verdict::Verdict;
use timeline::Timeline;

/// A self-contained HTML page.
#[derive(Debug, Default)]
pub struct Page {
    last: Option<Figure>,
    violations: Vec<Figure>,
}

/// The timeline of a schedule.
#[derive(Debug)]
struct Figure {
    title: String,
    picture: String,
    text: String,
}

/// How many violations are drawn.
const DRAWN: usize = 20;
/// How much of the history before and after a violation is drawn.
const CONTEXT: Nanos = 150_000_000;
/// Limits the size of the page after a long run.
const WORDS: usize = 40_000;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;max-width:1180px;margin:2em auto;\
    padding:0 1em;color:#222}\
    table{border-collapse:collapse}td{padding:.1em .8em .1em 0;\
    vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
    pre{background:#f5f5f2;padding:.8em;overflow:auto;font-size:12px}\
    svg{width:100%;height:auto}.bad{color:#b00020}\
    .columns{display:flex;gap:3em;flex-wrap:wrap}";

impl Page {
    /// Adds a schedule. It replaces the last one, and is kept if it has violations.
    pub fn take(&mut self, outcome: &Outcome) {
        for violation in &outcome.report.violations {
            if self.violations.len() < DRAWN {
                let span = (violation.at.saturating_sub(CONTEXT), violation.at + CONTEXT);
                self.violations.push(Figure::of(outcome, &near(&outcome.history, span)));
            }
        }
        self.last = Some(Figure::of(outcome, &outcome.history));
    }

    pub fn write(&self, path: &Path, tally: &Tally, took: Duration) -> io::Result<()> {
        let mut html = String::new();
        self.print(&mut html, tally, took).expect("a string can be written to");
        fs::write(path, html)
    }

    fn print(&self, html: &mut String, tally: &Tally, took: Duration) -> fmt::Result {
        let took = humantime::format_duration(Duration::from_secs(took.as_secs()));
        write!(
            html,
            "<!doctype html><html lang=en><meta charset=utf-8><title>distlock chaos \
             tests</title><style>{STYLE}</style>"
        )?;
        let verdict =
            if tally.is_right() { "no violation" } else { "<span class=bad>violations</span>" };
        write!(html, "<h1>Chaos tests: {verdict} in {} schedules, {took}</h1>", tally.schedules)?;
        html.push_str("<div class=columns>");
        table(html, tally.rows().into_iter())?;
        table(html, tally.refusals.iter().map(|(why, count)| (format!("refused: {why}"), *count)))?;
        table(html, tally.by_workload.iter().map(|(name, count)| (name, *count)))?;
        table(html, tally.by_fault.iter().map(|(kind, count)| (kind, *count)))?;
        html.push_str("</div>");
        for (seed, why) in &tally.broken {
            write!(html, "<p class=bad>Seed {seed} could not be run: {}</p>", escaped(why))?;
        }
        for figure in &self.violations {
            figure.print(html, "Violation")?;
        }
        self.last.iter().try_for_each(|figure| figure.print(html, "Last schedule"))
    }
}

fn table(
    html: &mut String,
    mut rows: impl Iterator<Item = (impl fmt::Display, u64)>,
) -> fmt::Result {
    html.push_str("<table>");
    rows.try_for_each(|(name, count)| write!(html, "<tr><td class=n>{count}<td>{name}"))?;
    html.push_str("</table>");
    Ok(())
}

impl Figure {
    fn of(outcome: &Outcome, history: &[Event]) -> Self {
        let text = Verdict(outcome).to_string();
        Self {
            title: outcome.schedule.to_string(),
            picture: Timeline(history).to_string(),
            text: text.chars().take(WORDS).collect(),
        }
    }

    fn print(&self, html: &mut String, heading: &str) -> fmt::Result {
        let Self { title, picture, text } = self;
        let (title, text) = (escaped(title), escaped(text));
        write!(html, "<h2>{heading}</h2><pre>{title}</pre>{picture}<pre>{text}</pre>")
    }
}

/// The events in a time span.
fn near(history: &[Event], (from, to): (Nanos, Nanos)) -> Vec<Event> {
    history.iter().filter(|event| (from..=to).contains(&event.at)).cloned().collect()
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
