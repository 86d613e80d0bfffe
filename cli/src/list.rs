//! `distlock ls`.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use comfy_table::{Table, presets};
use distlock::{Holder, Inspection, LockError, LockManager, ServerKind};
use globset::{GlobBuilder, GlobMatcher};

use crate::connection::Connection;
use crate::inspect::Found;
use crate::{output, text};

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
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    limit: NonZeroUsize,
    /// Prints one JSON object for each lock, on a line of its own
    #[arg(long)]
    json: bool,
}

/// Lists the locks that are held, as they are found, or sorted in a table.
pub fn list(connection: &Connection, arguments: &ListArguments) -> anyhow::Result<()> {
    let &ListArguments { ref pattern, limit, json } = arguments;
    let matcher = pattern.as_deref().map(matcher).transpose()?;
    let locks = connection.open(None)?;
    let (mut rows, mut count) = (Vec::new(), 0);
    let walked = walk(&locks, matcher.as_ref(), limit.get(), |key, found| {
        count += 1;
        if json {
            return output::print_json(&Found { key: &key, found: &found });
        }
        rows.push((key, found));
        Ok(())
    });
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let end = match walked {
        Ok(end) => end,
        // What another server of a cluster has said may be all that is needed.
        Err(error) if count > 0 && error.is::<LockError>() => {
            if !json {
                output::print(table(&rows))?;
            }
            return Err(error.context("not all locks are listed"));
        }
        Err(error) => return Err(error),
    };
    match pattern {
        _ if json => {}
        _ if count > 0 => output::print(table(&rows))?,
        Some(pattern) if end.others > 0 => {
            let others = end.others;
            output::print(format!("no lock matches '{pattern}'; {others} others are held\n"))?;
        }
        _ => {
            let (prefix, place) = (connection.prefix(), connection.place());
            output::print(format!("no locks are held at {place} with the prefix '{prefix}'\n"))?;
        }
    }
    if end.has_more {
        output::complain(format_args!("there are more than {limit} locks; see --limit"));
    }
    Ok(())
}

/// How a walk over the locks has ended.
#[derive(Default)]
pub struct End {
    /// Whether there are more than the limit.
    pub has_more: bool,
    /// How many were found with keys that do not match.
    pub others: usize,
}

/// Finds so many locks with keys like this. If a node of a cluster cannot be asked, those of the
/// others come before the error.
pub fn walk(
    locks: &LockManager,
    pattern: Option<&GlobMatcher>,
    limit: usize,
    mut each: impl FnMut(String, Inspection) -> anyhow::Result<()>,
) -> anyhow::Result<End> {
    let mut list = locks.list();
    let (mut count, mut end) = (0, End::default());
    let is_cluster = locks.status().server == ServerKind::Cluster;
    let mut said = HashSet::new();
    loop {
        let (key, found) = match list.next_blocking() {
            Ok(Some(lock)) => lock,
            Ok(None) => break,
            // The node that says so is asked again after the others.
            Err(error) if is_cluster && said.insert(error.to_string()) => continue,
            Err(error) => return Err(error.into()),
        };
        if pattern.is_some_and(|pattern| !pattern.is_match(&key)) {
            end.others += 1;
            continue;
        }
        if count == limit {
            end.has_more = true;
            break;
        }
        count += 1;
        each(key, found)?;
    }
    Ok(end)
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
        let shown = found.holder.as_ref().map(|holder| text::plain(&show(holder)).into_owned());
        shown.unwrap_or_default()
    };
    [
        text::plain(key).into_owned(),
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

/// As text for people.
fn table(rows: &[(String, Inspection)]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(COLUMNS);
    for (key, found) in rows {
        table.add_row(columns(key, found));
    }
    let mut text = String::new();
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
