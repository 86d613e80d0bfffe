//! `distlock inspect`.

use std::io;

use clap::Args;
use distlock::{Inspection, LockManager};
use serde::Serialize;

use crate::output;
use crate::text::{self, plain};

#[derive(Args, Debug)]
pub struct InspectArguments {
    /// The key of the lock
    key: String,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// A lock as programs read it.
#[derive(Serialize)]
pub struct Found<'a> {
    pub key: &'a str,
    #[serde(flatten)]
    pub found: &'a Inspection,
}

pub fn inspect(
    locks: &LockManager,
    InspectArguments { key, json }: &InspectArguments,
) -> anyhow::Result<()> {
    let found = locks.inspect_blocking(key)?;
    if *json {
        return output::print_json(&Found { key, found: &found });
    }
    let mut text = Vec::new();
    print(&mut text, key, &found)?;
    output::print(text)
}

/// Writes what is known of a lock.
pub fn print(out: &mut impl io::Write, key: &str, found: &Inspection) -> io::Result<()> {
    let key = plain(key);
    match &found.holder {
        Some(holder) => {
            writeln!(out, "{key} is held")?;
            writeln!(out, "  by       {}", plain(&text::function(holder)))?;
            writeln!(out, "  on       {}, process {}", plain(&holder.host), holder.pid)?;
            writeln!(out, "  for      {}", text::ago(holder.held_since))?;
            if let Some(left) = found.expires_in {
                writeln!(out, "  ends in  {} without a renewal", text::short(left))?;
            }
            writeln!(out, "  token    {}", holder.fence)?;
            for wait in &found.nested_waits {
                let (key, function) = (plain(&wait.key), plain(&wait.function));
                writeln!(out, "  waits    {} for {key} in {function}", text::ago(wait.since))?;
            }
            if found.nested_waits_unknown {
                writeln!(out, "  waits    unknown: what it waits for could not be read")?;
            }
        }
        None if found.not_a_lock => writeln!(
            out,
            "{key} is not a lock of this library; its key in Redis belongs to something else, see \
             `distlock doctor`"
        )?,
        None => writeln!(out, "{key} is free")?,
    }
    if let Some(pause) = &found.pause {
        writeln!(out, "{pause}")?;
    }
    match found.waiting {
        0 => {}
        1 => writeln!(out, "1 request waits:")?,
        many => writeln!(out, "{many} requests wait:")?,
    }
    for (place, waiter) in (1..).zip(&found.waiters) {
        let label = waiter.label.as_ref().map_or_else(String::new, |label| format!(" ({label})"));
        let what = format!("{}{label} on {}", waiter.function, waiter.host);
        let (what, pid, since) = (plain(&what), waiter.pid, text::ago(waiter.since));
        writeln!(out, "  {place:>3}. {what}, process {pid}, for {since}")?;
    }
    Ok(())
}
