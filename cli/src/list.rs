//! `distlock ls`.

use std::io::{self, Write as _};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use comfy_table::{Table, presets};
use distlock::{Inspection, LockManager};
use globset::{GlobBuilder, GlobMatcher};
use serde::Serialize;

use crate::text;

#[derive(Args, Debug)]
pub struct ListArguments {
    /// Lists only keys like this: `*` stands for any characters, `?` for one, `[ab]` for one of
    /// these
    pattern: Option<String>,
    /// Lists at most this many locks
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
    /// Prints one JSON object for each lock
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
    let pattern = arguments.pattern.as_deref().map(matcher).transpose()?;
    let mut list = locks.list();
    let mut out = io::stdout().lock();
    let mut rows = Vec::new();
    let mut count = 0;
    let mut more = false;
    while let Some((key, found)) = list.next_blocking()? {
        if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&key)) {
            continue;
        }
        if count == arguments.limit {
            more = true;
            break;
        }
        count += 1;
        if arguments.json {
            serde_json::to_writer(&mut out, &Listed { key: &key, found: &found })?;
            writeln!(out)?;
        } else {
            rows.push((key, found));
        }
    }
    if !arguments.json {
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        print(&mut out, &rows)?;
    }
    if more {
        eprintln!("distlock: there are more than {count} locks; see --limit");
    }
    Ok(())
}

/// What matches keys like this.
pub fn matcher(pattern: &str) -> anyhow::Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(false).build();
    let glob = glob.with_context(|| format!("'{pattern}' is no pattern"))?;
    Ok(glob.compile_matcher())
}

fn print(out: &mut impl io::Write, rows: &[(String, Inspection)]) -> anyhow::Result<()> {
    if rows.is_empty() {
        writeln!(out, "no locks are held")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["KEY", "HOLDER", "FUNCTION", "HELD", "LEFT", "TOKEN", "WAITERS", "LONGEST"]);
    for (key, found) in rows {
        let longest = found.waiters.iter().map(|waiter| waiter.since).min();
        let holder = found.holder.as_ref();
        table.add_row([
            text::plain(key),
            holder
                .map_or_else(String::new, |one| text::plain(&format!("{}:{}", one.host, one.pid))),
            holder.map_or_else(String::new, |one| text::plain(&text::function(one))),
            holder.map_or_else(String::new, |one| text::ago(one.held_since)),
            found.expires_in.map_or_else(String::new, text::short),
            holder.map_or_else(String::new, |one| one.fence.to_string()),
            found.waiting.to_string(),
            longest.map_or_else(String::new, |since: SystemTime| text::ago(since)),
        ]);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
