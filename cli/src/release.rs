//! `distlock release`.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use dialoguer::Confirm;
use distlock::{Fence, Holder, LockManager};

use crate::output;
use crate::text::{self, plain};

const LONG: &str = "\
The next waiter is granted the lock at once. The holder is notified and reports the hold as lost, \
but its code may still run: only storage that compares fencing tokens refuses what it writes. \
Stopping the process of the holder is safer, and frees its locks within their ttl.";

#[derive(Args, Debug)]
#[command(after_long_help = LONG)]
pub struct ReleaseArguments {
    /// The key of the lock
    key: String,
    /// The fencing token of the hold, as `inspect` and `ls` show it: nothing is released if the
    /// lock has another holder by now
    #[arg(long, value_parser = token)]
    token: Fence,
    /// Does not ask first, as needed without a terminal
    #[arg(long, short)]
    yes: bool,
}

/// Releases a lock in place of its holder.
pub fn release(
    locks: &LockManager,
    ReleaseArguments { key, token, yes }: &ReleaseArguments,
) -> anyhow::Result<()> {
    let found = locks.inspect_blocking(key)?;
    let Some(holder) = found.holder else { return Err(not_held(key)) };
    // Later calls that share the hold have higher ones.
    if *token < holder.fence {
        return Err(held_by_another(key, &holder, *token));
    }
    if !yes {
        if !io::stdin().is_terminal() {
            bail!("this needs a yes: add --yes, or run it in a terminal");
        }
        let prompt = Confirm::new().with_prompt(question(key, &holder)).default(false);
        if !prompt.interact().context("the question cannot be asked")? {
            bail!("nothing was released");
        }
    }
    if locks.force_release_blocking(key, *token)? {
        let notified = if holder.kept { "" } else { "; its holder is notified" };
        return output::print(format!("{} is released{notified}\n", plain(key)));
    }
    match locks.inspect_blocking(key)?.holder {
        Some(holder) => Err(held_by_another(key, &holder, *token)),
        None => Err(not_held(key)),
    }
}

fn not_held(key: &str) -> anyhow::Error {
    anyhow!("{} is not held; nothing was released", plain(key))
}

fn held_by_another(key: &str, holder: &Holder, token: Fence) -> anyhow::Error {
    let (key, held) = (plain(key), holder.fence);
    anyhow!("{key} is held under token {held}, not {token}; nothing was released")
}

/// What a user has to know before a lock is released.
pub fn question(key: &str, holder: &Holder) -> String {
    let (key, host, pid) = (plain(key), plain(&holder.host), holder.pid);
    if holder.kept {
        let function = plain(&holder.function);
        return format!(
            "{key} was released by {function} on {host}, process {pid}, and is kept by its \
             min_hold.\nWhat is to run once until then may run again.\nRelease it?"
        );
    }
    let (function, held) = (text::function(holder), text::ago(holder.held_since));
    format!(
        "{key} is held by {} on {host}, process {pid}, for {held}.\nIts code may still run: only \
         storage that compares fencing tokens refuses its writes.\nRelease it?",
        plain(&function)
    )
}

fn token(text: &str) -> Result<Fence, String> {
    let number: Result<i64, _> = text.parse();
    let token = number.ok().and_then(|number| Fence::try_from(number).ok());
    token.ok_or_else(|| "a fencing token is a number, as `distlock ls` shows it".to_owned())
}
