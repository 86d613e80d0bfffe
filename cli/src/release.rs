//! `distlock release`.

use std::io::{self, IsTerminal as _};

use anyhow::bail;
use clap::Args;
use dialoguer::Confirm;
use distlock::{Fence, Holder, LockManager};

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
    if !yes {
        let found = locks.inspect_blocking(key)?;
        let Some(holder) = found.holder else { bail!("{} is not held", plain(key)) };
        if !io::stdin().is_terminal() {
            bail!("this needs a yes: add --yes, or run it in a terminal");
        }
        let question = question(key, &holder);
        if !Confirm::new().with_prompt(question).default(false).interact()? {
            bail!("nothing was released");
        }
    }
    if locks.force_release_blocking(key, *token)? {
        println!("{} is released; its holder is notified", plain(key));
        return Ok(());
    }
    match locks.inspect_blocking(key)?.holder {
        Some(holder) => bail!(
            "{} is held under token {}, not {token}; nothing was released",
            plain(key),
            holder.fence
        ),
        None => bail!("{} is not held; nothing was released", plain(key)),
    }
}

/// What a user has to know before a lock is released.
pub fn question(key: &str, holder: &Holder) -> String {
    format!(
        "{} is held by {} on {}, process {}, for {}.\nIts code may still run: only storage that \
         compares fencing tokens refuses its writes.\nRelease it?",
        plain(key),
        plain(&text::function(holder)),
        plain(&holder.host),
        holder.pid,
        text::ago(holder.held_since)
    )
}

fn token(text: &str) -> Result<Fence, String> {
    let number: Result<i64, _> = text.parse();
    let token = number.ok().and_then(|number| Fence::try_from(number).ok());
    token.ok_or_else(|| "a fencing token is a number, as `distlock ls` shows it".to_owned())
}
