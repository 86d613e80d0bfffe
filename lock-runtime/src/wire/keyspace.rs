//! What client and scripts share: the names of the keys, limits and durations, and the longest
//! lease.
//!
//! A server that lost its data does not know what it had granted. The longest lease is therefore
//! kept in three places: every process knows it; the server's script cache, which a flush does not
//! clear, has one script for each step that was ever needed; and a key of its own outlasts a
//! restart or a failover, which clear that cache. There are few steps, so that one command can
//! check them all.

use std::fmt;
use std::time::Duration;

use crate::types::request_id::RequestId;
use crate::wire::slot::Slot;

/// In place of a process name: the channel for messages to all processes.
pub const EVERYONE: &str = "all";

/// What the names of the queue and of the waiters of a lock have behind that of its hold.
pub(crate) const COMPANIONS: [&str; 2] = [":queue", ":waiters"];

/// All keys of this library under one prefix (`lock:` unless set otherwise).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    prefix: String,
    sharded: bool,
}

impl Keyspace {
    /// A key space under `prefix`.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), sharded: false }
    }

    /// The same on a cluster: each slot has its own tokens and inboxes.
    #[must_use]
    pub fn sharded(self) -> Self {
        Self { sharded: true, ..self }
    }

    /// Whether it is on a cluster.
    #[must_use]
    pub const fn is_sharded(&self) -> bool {
        self.sharded
    }

    /// What all names begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The hold of a lock: who has it. The scripts append `:queue` and `:waiters` for the other
    /// keys of the lock, which thus share its hash tag, hence one slot of a cluster.
    ///
    /// The tag is the key: `prefix{key}`. A key that has a hash tag of its own keeps it, so that
    /// the lock is in the slot of the data: `prefix{tag}key}`. An empty key and one that begins
    /// with a brace would leave the tag empty, with which each name has its own slot; a few others
    /// would have the name of another key: `prefixodd{~}key}`. Different keys have different names,
    /// and no other key of a lock has the name of a hold.
    #[must_use]
    pub fn hold(&self, key: &str) -> String {
        let parts = [&[self.prefix.as_str()], &tagged(key)[..]].concat();
        parts.concat()
    }

    /// The parts of the same name.
    pub(crate) fn hold_parts<'a>(&'a self, key: &'a str) -> [&'a [u8]; 6] {
        let [open, tag, close, rest, end] = tagged(key);
        [&self.prefix, open, tag, close, rest, end].map(str::as_bytes)
    }

    /// The key of the lock whose hold has this name: the inverse of [`Self::hold`].
    #[must_use]
    pub fn key_of_hold<'a>(&self, name: &'a str) -> Option<&'a str> {
        let inside = name.strip_prefix(&self.prefix)?.strip_suffix('}')?;
        let (open, rest) = inside.split_once('{')?;
        let behind_tag = rest.split_once('}').map(|(_, key)| key);
        let plain = open.is_empty().then_some(rest);
        let candidates = [plain, behind_tag].into_iter().flatten();
        candidates.into_iter().find(|key| self.hold_parts(key).concat() == name.as_bytes())
    }

    /// A pattern for SCAN that the names of all holds match, and few others.
    pub(crate) fn holds_pattern(&self) -> String {
        format!("{}*}}", literal(&self.prefix))
    }

    /// The slot of a cluster that all names of a lock are in.
    #[must_use]
    pub fn slot(&self, key: &str) -> Slot {
        debug_assert!(!self.prefix.contains(['{', '}']), "it has the first tag");
        // Most keys are their own tag, and this is asked for several times for each command.
        if let Some(slot) = Slot::of_plain_key(key) {
            return slot;
        }
        // A brace in a key without a hash tag ends the tag.
        let tag = tagged(key)[1].split('}').next().unwrap_or_default();
        Slot::of_tag(tag.as_bytes())
    }

    /// The same on a cluster, where tokens and inboxes are those of a slot.
    pub(crate) fn shard(&self, key: &str) -> Option<Slot> {
        self.sharded.then(|| self.slot(key))
    }

    /// The counter of fencing tokens of a slot.
    #[must_use]
    pub fn tokens_in(&self, slot: Slot) -> String {
        format!("{}tokens:{{{}}}", self.prefix, slot.tag())
    }

    /// The channel on which one process receives notifications about the locks of a slot.
    #[must_use]
    pub fn inbox_in(&self, slot: Slot, process: &str) -> String {
        format!("{}inbox:{{{}}}:{process}", self.prefix, slot.tag())
    }

    /// The counter of fencing tokens. A release makes this name from that of an inbox.
    #[must_use]
    pub fn tokens(&self) -> String {
        format!("{}tokens", self.prefix)
    }

    /// The parts of the name of the counter, on a cluster of that of a slot.
    pub(crate) fn tokens_parts(&self, slot: Option<Slot>) -> [&[u8]; 4] {
        let [name, tag, end] =
            slot.map_or(["tokens", "", ""], |slot| ["tokens:{", slot.tag(), "}"]);
        [&self.prefix, name, tag, end].map(str::as_bytes)
    }

    /// The longest lease, as the score of the one member of a sorted set.
    #[must_use]
    pub fn max_lease(&self) -> String {
        format!("{}max_lease", self.prefix)
    }

    /// The requests that wait inside a section. In a cluster it is in the slot that belongs to the
    /// section.
    #[must_use]
    pub fn blocked(&self, section: RequestId) -> String {
        let (open, close) = if self.sharded { ("{", "}") } else { ("", "") };
        format!("{}blocked:{open}{section}{close}", self.prefix)
    }

    /// The slot that belongs to a section.
    pub(crate) fn slot_of_section(&self, section: RequestId) -> Slot {
        self.slot(&section.to_string())
    }

    /// The channel on which one process receives notifications.
    #[must_use]
    pub fn inbox(&self, process: &str) -> String {
        format!("{}inbox:{process}", self.prefix)
    }

    /// The parts of the channel on which the process with this inbox receives notifications, on a
    /// cluster those about a slot.
    pub(crate) fn inbox_parts<'a>(&'a self, slot: Option<Slot>, inbox: &'a str) -> [&'a [u8]; 5] {
        let parts = match slot {
            Some(slot) => [&self.prefix, "inbox:{", slot.tag(), "}:", self.process_of(inbox)],
            None => [inbox, "", "", "", ""],
        };
        parts.map(str::as_bytes)
    }

    /// The process with this inbox.
    pub(crate) fn process_of<'a>(&self, inbox: &'a str) -> &'a str {
        let rest = inbox.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix("inbox:"));
        rest.unwrap_or(inbox)
    }

    /// The slot that a channel of [`Self::inbox_in`] is about.
    pub(crate) fn slot_of_inbox(&self, channel: &str) -> Option<Slot> {
        let rest = channel.strip_prefix(&self.prefix)?.strip_prefix("inbox:{")?;
        let (tag, _) = rest.split_once('}')?;
        Some(Slot::of_tag(tag.as_bytes()))
    }
}

/// The name of a hold from behind the prefix.
fn tagged(key: &str) -> [&str; 5] {
    match hash_tag(key) {
        Some(tag) => ["{", tag, "}", key, "}"],
        None if key.is_empty() || is_odd(key) => ["odd{", "~", "}", key, "}"],
        None => ["{", key, "}", "", ""],
    }
}

/// Whether a key without a hash tag begins with a brace, or with the hash tag of what is behind it:
/// `{}a{{}` as its own tag would have the name of `a{{}`, whose hash tag is `{`.
fn is_odd(key: &str) -> bool {
    key.split_once('}')
        .is_some_and(|(before, behind)| before.is_empty() || hash_tag(behind) == Some(before))
}

/// The text as a pattern of the server that only it matches.
pub(crate) fn literal(text: &str) -> String {
    let escape = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\');
    text.chars().flat_map(|c| escape(c).into_iter().chain([c])).collect()
}

/// What Redis Cluster hashes in place of the whole key: what is between the first `{` and the first
/// `}` after it, if that is not empty.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    Some(tag).filter(|tag| !tag.is_empty())
}

/// How long a queue entry is kept without a refresh, unless its process has very many waiters; and
/// the longest claim of a pushed grant.
pub const WAITER_LEASE: Duration = Duration::from_secs(2);

/// The first waiter behind a hold that ends sooner than this is notified of when it ends, because
/// it would not check by then.
pub const SHORT_HOLD: Duration = Duration::from_millis(600);

/// How long a grant waits to be taken up, of a hold whose key is to last for `ttl`. The script of
/// the acquire computes the same.
#[must_use]
pub fn claim(ttl: Duration) -> Duration {
    ttl.min(WAITER_LEASE)
}

/// The most fencing tokens that one grant reserves.
pub const MAX_FENCE_RANGE: u32 = 1024;

/// The largest block that is drawn without a look at how far the counter is ahead of the server's
/// clock.
pub const SMALL_FENCE_RANGE: u32 = 16;

/// How many waiters an inspection lists.
pub const MAX_LISTED_WAITERS: u32 = 100;

/// All steps, from the lowest to the highest.
pub fn lease_steps() -> impl DoubleEndedIterator<Item = Duration> + ExactSizeIterator {
    (0..STEPS).map(|number| {
        let us = (LOWEST_US * EIGHTHS[number % 8]) << (number / 8);
        Duration::from_millis(us / 1_000_000_000)
    })
}

/// The lowest step that covers a lease; the highest where none does.
#[must_use]
pub fn lease_step_for(lease: Duration) -> Duration {
    let mut last = Duration::ZERO;
    for step in lease_steps() {
        last = step;
        if step >= lease {
            break;
        }
    }
    last
}

/// 2^(n/8) in millionths, rounded up.
const EIGHTHS: [u64; 8] =
    [1_000_000, 1_090_508, 1_189_208, 1_296_840, 1_414_214, 1_542_211, 1_681_793, 1_834_009];

/// The lowest step is the lease of a waiter, which a pushed grant may last.
const LOWEST_US: u64 = 2_000_000;

/// Twenty doublings and a half: the highest step, 31 days, is above the longest ttl with its guard.
const STEPS: usize = 164;

/// Names a server for as long as it is the master without interruption: a promotion and a restart
/// make a new one. It is the field of the tokens from which this master draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(u32);

impl Mark {
    /// From what INFO says: the first eight digits of `master_replid`, else of `run_id`.
    #[must_use]
    pub fn from_info(info: &str) -> Option<Self> {
        Self::from_replid(info).or_else(|| Self::from_field(info, "run_id"))
    }

    /// The same from `master_replid` only. A server that is promoted again has a new one.
    pub(crate) fn from_replid(info: &str) -> Option<Self> {
        Self::from_field(info, "master_replid")
    }

    fn from_field(info: &str, name: &str) -> Option<Self> {
        let mut lines = info.lines();
        let id = lines.find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))?;
        u32::from_str_radix(id.get(..8)?, 16).ok().map(Self)
    }

    /// From a field of the tokens, or the beginning of what they wait for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('m').filter(|digits| digits.len() == 8)?;
        u32::from_str_radix(digits, 16).ok().map(Self)
    }

    /// As it is written.
    pub(crate) fn text(self) -> [u8; 9] {
        let mut text = *b"m00000000";
        for (place, digit) in text[1..].iter_mut().enumerate() {
            let nibble = self.0 >> (28 - 4 * place) & 0xf;
            *digit = b"0123456789abcdef"[nibble as usize];
        }
        text
    }
}

/// The digits, as `INFO` shows them.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl From<u32> for Mark {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// What to do if the server turns out to have lost its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataLossGrace {
    /// The longest lease that any process may have been granted before, as far as known.
    pub max_lease: Duration,
    /// Whether the process waits until such a lease is over, or goes on at once. Others wait in
    /// either case.
    pub waits: bool,
}

#[cfg(test)]
mod tests;
