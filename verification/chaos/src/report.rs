//! A page about many schedules.

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

/// A page about many schedules, which needs nothing but itself.
#[derive(Debug, Default)]
pub struct Page {
    last: Option<Drawn>,
    violations: Vec<Drawn>,
}

/// A schedule, drawn.
#[derive(Debug)]
struct Drawn {
    title: String,
    picture: String,
    words: String,
}

/// More violations than this are counted, not drawn.
const DRAWN: usize = 20;
/// How much is drawn before and after a violation.
const AROUND: Nanos = 150_000_000;
/// So that a page can still be opened after a night.
const WORDS: usize = 40_000;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#222}\
    table{border-collapse:collapse}td{padding:.1em .8em .1em 0;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
    pre{background:#f5f5f2;padding:.8em;overflow:auto;font-size:12px}svg{width:100%;height:auto}.bad{color:#b00020}\
    .columns{display:flex;gap:3em;flex-wrap:wrap}";

impl Page {
    /// Takes a schedule in: it is the last one by now, and is kept if something was wrong.
    pub fn take(&mut self, outcome: &Outcome) {
        for violation in &outcome.report.violations {
            if self.violations.len() < DRAWN {
                let span = (violation.at.saturating_sub(AROUND), violation.at + AROUND);
                self.violations.push(Drawn::of(outcome, &near(&outcome.history, span)));
            }
        }
        self.last = Some(Drawn::of(outcome, &outcome.history));
    }

    /// Writes it, in place of one that is there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path, tally: &Tally, took: Duration) -> io::Result<()> {
        let mut html = String::new();
        self.print(&mut html, tally, took).expect("a string can be written to");
        fs::write(path, html)
    }

    fn print(&self, html: &mut String, tally: &Tally, took: Duration) -> fmt::Result {
        let took = humantime::format_duration(Duration::from_secs(took.as_secs()));
        write!(
            html,
            "<!doctype html><html lang=en><meta charset=utf-8><title>The lock under faults</title><style>{STYLE}</style>"
        )?;
        let verdict =
            if tally.is_right() { "no violation" } else { "<span class=bad>violations</span>" };
        write!(
            html,
            "<h1>The lock under faults: {verdict} in {} schedules, {took}</h1>",
            tally.schedules
        )?;
        html.push_str("<div class=columns>");
        table(html, tally.rows().into_iter())?;
        table(html, tally.refusals.iter().map(|(why, count)| (format!("refused: {why}"), *count)))?;
        table(html, tally.by_workload.iter().map(|(name, count)| (name, *count)))?;
        table(html, tally.by_fault.iter().map(|(kind, count)| (kind, *count)))?;
        html.push_str("</div>");
        for (seed, why) in &tally.broken {
            write!(html, "<p class=bad>Seed {seed} was not run: {}</p>", escaped(why))?;
        }
        for drawn in &self.violations {
            drawn.print(html, "Violation")?;
        }
        self.last.iter().try_for_each(|drawn| drawn.print(html, "The last schedule"))
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

impl Drawn {
    fn of(outcome: &Outcome, history: &[Event]) -> Self {
        let words = Verdict(outcome).to_string();
        Self {
            title: outcome.schedule.to_string(),
            picture: Timeline(history).to_string(),
            words: words.chars().take(WORDS).collect(),
        }
    }

    fn print(&self, html: &mut String, heading: &str) -> fmt::Result {
        let Self { title, picture, words } = self;
        let (title, words) = (escaped(title), escaped(words));
        write!(html, "<h2>{heading}</h2><pre>{title}</pre>{picture}<pre>{words}</pre>")
    }
}

/// What happened in a span, and what began before it.
fn near(history: &[Event], (from, to): (Nanos, Nanos)) -> Vec<Event> {
    history.iter().filter(|event| (from..=to).contains(&event.at)).cloned().collect()
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use checker::EventKind;

    use super::*;

    #[test]
    fn a_page_shows_holds_and_faults_and_needs_nothing_else() {
        let event = |at, process, kind| Event { at, process, task: 0, kind };
        let history = [
            event(
                1_000,
                1,
                EventKind::Requested { request: 7, key: 0, deadline: None, must_succeed: false },
            ),
            event(
                2_000,
                1,
                EventKind::Acquired { request: 7, fence: 5, valid_until: 9_000, outer: None },
            ),
            event(3_000, 0, EventKind::Fault("<all> is lost (at 7 ms)".to_owned())),
            event(8_000, 1, EventKind::Released { request: 7 }),
        ];
        let picture = Timeline(&history).to_string();
        assert!(picture.starts_with("<svg") && picture.contains("token 5"));
        assert!(picture.contains("&lt;all&gt; is lost"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.html");
        Page::default().write(&path, &Tally::default(), Duration::from_secs(90)).unwrap();
        let html = fs::read_to_string(path).unwrap();
        assert!(html.contains("no violation in 0 schedules, 1m 30s"));
        assert!(!html.contains("http") && !html.contains("<script"));
    }
}
