//! `distlock ls`.

use std::io::{self, Write as _};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use comfy_table::{Table, presets};
use distlock::{Holder, Inspection, LockManager};
use globset::{GlobBuilder, GlobMatcher};
use serde::Serialize;

use crate::text;

const LONG: &str = "\
The columns:
  KEY       the key of the lock
  HOLDER    the host and the process id of the holder
  FUNCTION  what it runs: a function, a line of code or a command, and its label
  HELD      for how long it has held the lock
  LEFT      when the hold ends unless it is renewed, which is done every third of its ttl
  TOKEN     the fencing token of the hold, which `distlock release` needs
  WAITERS   how many processes wait
  LONGEST   for how long the first of them has waited

The user needs the right +scan, which locks do not.";

#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub struct ListArguments {
    /// Lists only keys like this: `*` stands for any characters, `?` for one, `[ab]` for one of
    /// these
    pattern: Option<String>,
    /// Lists at most this many locks
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    limit: usize,
    /// Prints one JSON object for each lock, on a line of its own
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed<'a> {
    key: &'a str,
    #[serde(flatten)]
    found: &'a Inspection,
}

/// Lists the locks that are held, as they are found, or sorted in a table.
pub fn list(locks: &LockManager, arguments: &ListArguments) -> anyhow::Result<()> {
    let &ListArguments { ref pattern, limit, json } = arguments;
    let pattern = pattern.as_deref().map(matcher).transpose()?;
    let mut out = io::stdout().lock();
    let mut rows = Vec::new();
    let more = walk(locks, pattern.as_ref(), limit, |key, found| {
        if json {
            serde_json::to_writer(&mut out, &Listed { key: &key, found: &found })?;
            writeln!(out)?;
        } else {
            rows.push((key, found));
        }
        Ok(())
    })?;
    if !json {
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        print(&mut out, &rows)?;
    }
    if more {
        eprintln!("distlock: there are more than {limit} locks; see --limit");
    }
    Ok(())
}

/// Finds so many locks with keys like this. Returns whether there are more.
pub fn walk(
    locks: &LockManager,
    pattern: Option<&GlobMatcher>,
    limit: usize,
    mut each: impl FnMut(String, Inspection) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let mut list = locks.list();
    let mut count = 0;
    while let Some((key, found)) = list.next_blocking()? {
        if pattern.is_some_and(|pattern| !pattern.is_match(&key)) {
            continue;
        }
        if count == limit {
            return Ok(true);
        }
        count += 1;
        each(key, found)?;
    }
    Ok(false)
}

/// What matches keys like this.
pub fn matcher(pattern: &str) -> anyhow::Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(false).build();
    let glob = glob.with_context(|| format!("'{pattern}' is no pattern"))?;
    Ok(glob.compile_matcher())
}

/// The heads of the columns of a list of locks.
pub const COLUMNS: [&str; 8] =
    ["KEY", "HOLDER", "FUNCTION", "HELD", "LEFT", "TOKEN", "WAITERS", "LONGEST"];

/// The columns of one lock.
pub fn columns(key: &str, found: &Inspection) -> [String; 8] {
    let of_holder = |show: &dyn Fn(&Holder) -> String| {
        found.holder.as_ref().map_or_else(String::new, |holder| text::plain(&show(holder)))
    };
    [
        text::plain(key),
        of_holder(&|holder| format!("{}:{}", holder.host, holder.pid)),
        of_holder(&text::function),
        of_holder(&|holder| text::ago(holder.held_since)),
        found.expires_in.map_or_else(String::new, text::short),
        of_holder(&|holder| holder.fence.to_string()),
        found.waiting.to_string(),
        longest_wait(found).map_or_else(String::new, text::ago),
    ]
}

/// Since when the first waiter has waited.
pub fn longest_wait(found: &Inspection) -> Option<SystemTime> {
    found.waiters.iter().map(|waiter| waiter.since).min()
}

fn print(out: &mut impl io::Write, rows: &[(String, Inspection)]) -> anyhow::Result<()> {
    if rows.is_empty() {
        writeln!(out, "no locks are held")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(COLUMNS);
    for (key, found) in rows {
        table.add_row(columns(key, found));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
