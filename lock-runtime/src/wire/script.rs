//! The Lua scripts, and a call of one as a RESP command.

use std::ops::Range;
use std::sync::LazyLock;

use crate::types::text::Decimal;
use crate::wire::keyspace::Keyspace;

/// A Lua script of the library.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
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
    /// End the hold of another process.
    ForceRelease,
    /// Prolong many holds and waiters.
    Renew,
    /// Put back a hold that a failover has lost.
    Reclaim,
    /// Read one lock.
    Inspect,
    /// Register a request that waits, and look for a cycle.
    Probe,
    /// Open the tokens on a server that may be new, have lost data or failed over.
    Open,
    /// Find out which rights are missing.
    Check,
    /// Register a request that waits, in a cluster.
    Register,
}

impl Script {
    /// All of them in their order.
    pub const ALL: [Self; 13] = [
        Self::Acquire,
        Self::AcquireMany,
        Self::Release,
        Self::ReleaseMany,
        Self::Cancel,
        Self::ForceRelease,
        Self::Renew,
        Self::Reclaim,
        Self::Inspect,
        Self::Probe,
        Self::Open,
        Self::Check,
        Self::Register,
    ];

    /// Those that a server is asked to execute, to load at connect.
    pub(crate) fn used(is_sharded: bool) -> impl Iterator<Item = Self> {
        let other = if is_sharded { Self::Probe } else { Self::Register };
        Self::ALL.into_iter().filter(move |&script| script != other)
    }

    /// The text for EVAL and SCRIPT LOAD.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Acquire => concat!(
                include_str!("scripts/acquire.lua"),
                include_str!("scripts/lock.lua"),
                include_str!("scripts/tokens.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/acquire_contended.lua"),
            ),
            Self::AcquireMany => include_str!("scripts/acquire_many.lua"),
            Self::Release => concat!(
                include_str!("scripts/release.lua"),
                include_str!("scripts/lock.lua"),
                include_str!("scripts/tokens.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/release_contended.lua"),
            ),
            Self::ReleaseMany => concat!(
                include_str!("scripts/release_many.lua"),
                include_str!("scripts/lock.lua"),
                include_str!("scripts/tokens.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/release_many_contended.lua"),
            ),
            Self::Cancel => concat!(
                include_str!("scripts/lock.lua"),
                include_str!("scripts/tokens.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/cancel.lua"),
            ),
            Self::ForceRelease => concat!(
                include_str!("scripts/lock.lua"),
                include_str!("scripts/tokens.lua"),
                include_str!("scripts/grant.lua"),
                include_str!("scripts/force_release.lua"),
            ),
            Self::Renew => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/renew.lua"))
            }
            Self::Reclaim => concat!(
                include_str!("scripts/lock.lua"),
                include_str!("scripts/tokens.lua"),
                include_str!("scripts/reclaim.lua"),
            ),
            Self::Inspect => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/inspect.lua"))
            }
            Self::Probe => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/probe.lua"))
            }
            Self::Open => concat!(
                include_str!("scripts/lock.lua"),
                include_str!("scripts/tokens.lua"),
                include_str!("scripts/open.lua"),
            ),
            Self::Check => include_str!("scripts/check.lua"),
            Self::Register => {
                concat!(include_str!("scripts/lock.lua"), include_str!("scripts/register.lua"))
            }
        }
    }

    /// The text for a server with these keys.
    #[must_use]
    pub fn text_for(self, space: &Keyspace) -> &'static str {
        static SHARDED: LazyLock<[String; Script::ALL.len()]> =
            LazyLock::new(|| Script::ALL.map(Script::sharded));
        if space.is_sharded() { &SHARDED[self as usize] } else { self.text() }
    }

    /// The text for a node of a cluster. All keys that it touches are among those of the call:
    /// behind those of the plain script come the others, and the tokens before them. Its messages
    /// go to channels of the slot.
    fn sharded(self) -> String {
        const CUT: &str = "for n = #KEYS, FIRST, -1 do KEYS[n] = nil end ";
        let (tokens, first_of_others) = match self {
            Self::AcquireMany => ("KEYS[2]", "#ARGV - 4"),
            Self::ReleaseMany => ("TOKENS", "#ARGV"),
            Self::Renew => ("KEYS[2]", "#ARGV / 3 + 1"),
            _ => ("KEYS[2]", ""),
        };
        let text = self
            .text()
            .replace("'PUBLISH'", "'SPUBLISH'")
            .replace("'NUMSUB'", "'SHARDNUMSUB'")
            .replace("'PUBSUB NUMSUB'", "'PUBSUB SHARDNUMSUB'")
            .replace("local SHARDED = false", "local SHARDED = true")
            .replace("prefix .. 'tokens'", tokens);
        // In front of the first comment: errors name lines.
        let mut start = String::new();
        if tokens == "TOKENS" {
            start.push_str("local TOKENS = KEYS[#ARGV] ");
        }
        if !first_of_others.is_empty() {
            start.push_str(&CUT.replace("FIRST", first_of_others));
        }
        start + &text
    }

    /// EVALSHA names a script by the SHA-1 of its text.
    pub(crate) fn sha(self, space: &Keyspace) -> String {
        sha_of(self.text_for(space))
    }

    /// An error of this script that names the command that the user may not run: servers before 7.2
    /// report only the line.
    #[must_use]
    pub fn explain(self, words: String, space: &Keyspace) -> String {
        let line = words.split_once("user_script:").and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
        });
        let command_of = |line: usize| {
            let line = self.text_for(space).lines().nth(line.checked_sub(1)?)?;
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

pub(crate) fn sha_of(text: &str) -> String {
    sha1_smol::Sha1::from(text).digest().to_string()
}

/// A call of a script by EVALSHA, or a command of the server, written into a send buffer word by
/// word: first the keys, then the arguments.
pub(crate) struct ScriptCall<'a> {
    out: &'a mut Vec<u8>,
    /// How many words are to follow.
    left: usize,
}

impl<'a> ScriptCall<'a> {
    /// Begins a call with so many keys and arguments.
    pub(crate) fn begin(
        space: &Keyspace,
        script: Script,
        keys: usize,
        args: usize,
        out: &'a mut Vec<u8>,
    ) -> Self {
        out.extend_from_slice(length(3 + keys + args, "").prefixed(b'*').bytes());
        let names = if space.is_sharded() { &SHARDED_NAMES } else { &NAMES };
        out.extend_from_slice(&names[script as usize]);
        let mut call = Self { out, left: keys + args + 1 };
        call.word(&[length(keys, "").bytes()]);
        call
    }

    /// Begins a command of the server, with so many words behind its name.
    pub(crate) fn of_server(name: &str, words: usize, out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(length(words + 1, "\r\n").prefixed(b'*').bytes());
        let mut call = Self { out, left: words + 1 };
        call.word(&[name.as_bytes()]);
        call
    }

    /// Adds one key or argument, which these parts are together. Returns where it is.
    pub(crate) fn word(&mut self, parts: &[&[u8]]) -> Range<usize> {
        let start = self.begin_word(parts.iter().map(|part| part.len()).sum());
        for part in parts.iter().filter(|part| !part.is_empty()) {
            self.out.extend_from_slice(part);
        }
        let end = self.out.len();
        self.out.extend_from_slice(b"\r\n");
        start..end
    }

    /// Adds a word that begins with another one.
    pub(crate) fn longer_word(&mut self, begins_with: &Range<usize>, rest: &str) {
        self.begin_word(begins_with.len() + rest.len());
        self.out.extend_from_within(begins_with.clone());
        self.out.extend_from_slice(rest.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Returns where the word begins.
    fn begin_word(&mut self, bytes: usize) -> usize {
        debug_assert!(self.left > 0, "more words than were announced");
        self.left = self.left.saturating_sub(1);
        self.out.extend_from_slice(length(bytes, "\r\n").prefixed(b'$').bytes());
        self.out.len()
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: u64) {
        self.word(&[Decimal::new(number, "").bytes()]);
    }
}

fn length(number: usize, suffix: &str) -> Decimal {
    Decimal::new(u64::try_from(number).unwrap_or(u64::MAX), suffix)
}

impl Drop for ScriptCall<'_> {
    fn drop(&mut self) {
        debug_assert_eq!(self.left, 0, "fewer words than were announced");
    }
}

/// What each script's call has between the number of words and the number of keys.
type Names = LazyLock<[Vec<u8>; Script::ALL.len()]>;

static NAMES: Names = LazyLock::new(|| names(Script::text));
static SHARDED_NAMES: Names = LazyLock::new(|| names(Script::sharded));

fn names<T: AsRef<str>>(text: impl Fn(Script) -> T) -> [Vec<u8>; Script::ALL.len()] {
    Script::ALL.map(|script| {
        let sha = sha_of(text(script).as_ref());
        format!("\r\n$7\r\nEVALSHA\r\n${}\r\n{sha}\r\n", sha.len()).into_bytes()
    })
}
