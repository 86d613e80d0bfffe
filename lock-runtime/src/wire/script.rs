//! The Lua scripts, and a call of one as a list of words.

use std::fmt::{self, Display, Write as _};

/// A Lua script of the library.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Script {
    /// Acquire a lock, or queue for it.
    Acquire,
    /// Acquire several locks.
    AcquireMany,
    /// Release a lock, and grant it to the next.
    Release,
    /// Release several locks, and grant each to the next.
    ReleaseMany,
    /// Leave the queue or give up the grant.
    Cancel,
    /// Prolong many holds and waiters.
    Renew,
    /// Read one lock.
    Inspect,
    /// Register a request that waits, and look for a cycle.
    Probe,
    /// Make the fence counter of a server that has none.
    InitFence,
    /// Find out which rights are missing.
    Check,
}

impl Script {
    /// All of them, to load at connect.
    pub const ALL: [Self; 10] = [
        Self::Acquire,
        Self::AcquireMany,
        Self::Release,
        Self::ReleaseMany,
        Self::Cancel,
        Self::Renew,
        Self::Inspect,
        Self::Probe,
        Self::InitFence,
        Self::Check,
    ];

    /// The text for EVAL and SCRIPT LOAD.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Acquire => concat!(
                include_str!("scripts/acquire.lua"),
                include_str!("scripts/lock.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/acquire_contended.lua"),
            ),
            Self::AcquireMany => include_str!("scripts/acquire_many.lua"),
            Self::Release => concat!(
                include_str!("scripts/release.lua"),
                include_str!("scripts/lock.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/release_contended.lua"),
            ),
            Self::ReleaseMany => concat!(
                include_str!("scripts/release_many.lua"),
                include_str!("scripts/lock.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/release_many_contended.lua"),
            ),
            Self::Cancel => concat!(
                include_str!("scripts/lock.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/cancel.lua"),
            ),
            Self::Renew => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/renew.lua"))
            }
            Self::Inspect => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/inspect.lua"))
            }
            Self::Probe => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/probe.lua"))
            }
            Self::InitFence => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/init_fence.lua"))
            }
            Self::Check => include_str!("scripts/check.lua"),
        }
    }

    /// An error of this script that names the command that the user may not run: servers before 7.2
    /// report only the line.
    #[must_use]
    pub fn explain(self, words: String) -> String {
        let line = words.split_once("user_script:").and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
        });
        let command_of = |line: usize| {
            let line = self.text().lines().nth(line.checked_sub(1)?)?;
            line.split_once("call('")?.1.split('\'').next()
        };
        match line.and_then(command_of) {
            Some(command) if words.contains("can't run this command") => {
                format!("NOPERM the user may not run '{command}' on the keys of a lock")
            }
            _ => words,
        }
    }
}

/// One script call: its keys and arguments, one after the other in a single buffer.
#[derive(Clone, PartialEq, Eq)]
pub struct ScriptCall {
    script: Script,
    keys: usize,
    text: String,
    ends: Vec<usize>,
}

impl ScriptCall {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, keys: 0, text: String::with_capacity(320), ends: Vec::with_capacity(16) }
    }

    pub(crate) fn key(mut self, key: impl Display) -> Self {
        debug_assert_eq!(self.keys, self.ends.len(), "keys come before arguments");
        self.keys += 1;
        self.arg(key)
    }

    pub(crate) fn arg(mut self, word: impl Display) -> Self {
        write!(self.text, "{word}").expect("writing to a String cannot fail");
        self.ends.push(self.text.len());
        self
    }

    /// The script to call.
    #[must_use]
    pub const fn script(&self) -> Script {
        self.script
    }

    /// The number of keys among the words.
    #[must_use]
    pub const fn keys(&self) -> usize {
        self.keys
    }

    /// Keys, then arguments.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end])
    }
}

impl fmt::Debug for ScriptCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.script)?;
        f.debug_list().entries(self.words()).finish()
    }
}
