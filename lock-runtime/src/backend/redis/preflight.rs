//! Whether a server can keep locks: its version, mode and role, the permissions of the user, and
//! the settings that endanger locks, of which it warns once.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::backend::redis::errors::OpenError;
use crate::backend::redis::value::Value;
use crate::protocol::connection::ConnectErrorKind;
use crate::types::text::printable;
use crate::user_code;
use crate::wire::keyspace::{Keyspace, literal};

/// Version, mode and role: from HELLO, which any user may, else from INFO; the size of numbers from
/// INFO.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    version: Option<String>,
    mode: Option<String>,
    role: Option<String>,
    arch_bits: Option<String>,
    cluster_enabled: Option<String>,
}

impl Facts {
    pub(crate) fn new(hello: Option<&Value>, info: Option<&str>) -> Self {
        let fact = |in_hello: &str, in_info: &str| {
            let said = hello.and_then(|hello| entry(hello, in_hello));
            said.or_else(|| field(info?, in_info).map(str::to_owned))
        };
        Self {
            version: fact("version", "redis_version"),
            mode: fact("mode", "redis_mode"),
            role: fact("role", "role"),
            arch_bits: field(info.unwrap_or_default(), "arch_bits").map(str::to_owned),
            cluster_enabled: field(info.unwrap_or_default(), "cluster_enabled").map(str::to_owned),
        }
    }

    /// Whether this is a node of a cluster, if that is known.
    fn is_node(&self) -> Option<bool> {
        let by_mode = self.mode.as_deref().map(|mode| mode == "cluster");
        by_mode.or_else(|| self.cluster_enabled.as_deref().map(|enabled| enabled == "1"))
    }

    /// An error for a server that cannot keep locks with these names. Unknown facts are no error.
    pub(crate) fn check(&self, space: &Keyspace) -> Result<(), OpenError> {
        let (kind, text) = match (self.mode.as_deref(), self.role.as_deref()) {
            (Some("sentinel"), _) => (
                ConnectErrorKind::Permanent,
                "this is a Sentinel; write redis-sentinel://host:port/name, with the name of the \
                 primary that it watches"
                    .to_owned(),
            ),
            _ if self.is_node() == Some(!space.is_sharded()) => (
                ConnectErrorKind::Permanent,
                if space.is_sharded() {
                    "this is no node of a Redis Cluster; write redis:// in place of \
                     redis-cluster://"
                } else {
                    "this is a node of a Redis Cluster; write redis-cluster:// in place of redis://"
                }
                .to_owned(),
            ),
            (_, Some("slave" | "replica")) => (
                ConnectErrorKind::Unreachable,
                "this is a replica, which grants no locks; connect to the primary, not to a replica"
                    .to_owned(),
            ),
            _ => match &self.version {
                Some(version) if is_before(version, (6, 2)) => (
                    ConnectErrorKind::Permanent,
                    format!("this is Redis {version}; locks need Redis 6.2 or later, or Valkey"),
                ),
                Some(version) if space.is_sharded() && is_before(version, (7, 0)) => (
                    ConnectErrorKind::Permanent,
                    format!(
                        "this is Redis {version}; locks in a cluster need Redis 7 or later, or \
                         Valkey"
                    ),
                ),
                _ if self.arch_bits.as_deref() == Some("32") => (
                    ConnectErrorKind::Permanent,
                    "this is a 32-bit build of the server, whose scripts cannot count fencing \
                     tokens; use a 64-bit build"
                        .to_owned(),
                ),
                _ => return Ok(()),
            },
        };
        Err(OpenError::Unfit(kind, text))
    }
}

fn entry(map: &Value, name: &str) -> Option<String> {
    let Value::Map(entries) = map else { return None };
    let (_, value) = entries.iter().find(|(key, _)| key.as_text() == Some(name))?;
    value.as_text().map(str::to_owned)
}

fn is_before(version: &str, first: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < first
}

/// The missing permissions.
pub(crate) struct Denied<'a> {
    space: &'a Keyspace,
    rules: Vec<String>,
    /// Whether commands with keys, and with channels, were allowed.
    has_keys: bool,
    has_channels: bool,
}

/// The commands with keys, and those with channels, that are sent when a connection is made.
const WITH_KEYS: [&str; 4] = ["evalsha", "watch", "hgetall", "zscore"];
const WITH_CHANNELS: [&str; 3] = ["subscribe", "ssubscribe", "publish"];

impl<'a> Denied<'a> {
    pub(crate) const fn none(space: &'a Keyspace) -> Self {
        Self { space, rules: Vec::new(), has_keys: false, has_channels: false }
    }

    /// Records a missing permission if the reply says so, and otherwise what it shows to be there.
    pub(crate) fn note_answer(&mut self, command: &str, answer: &Value) {
        if let Value::ServerError(error) = answer
            && let words = error.detail()
            // A transaction that is not allowed to end is discarded, and the reason quoted.
            && (error.code() == "NOPERM" || words.contains("NOPERM "))
        {
            self.note(command, words);
            return;
        }
        self.has_keys |= WITH_KEYS.contains(&command);
        self.has_channels |= WITH_CHANNELS.contains(&command);
    }

    /// Records that a command was denied with this text.
    pub(crate) fn note(&mut self, command: &str, words: &str) {
        let words = words.to_lowercase();
        let rule = if words.contains("channel") {
            channels(self.space)
        } else if words.contains("access") && words.contains("key") {
            keys(self.space)
        } else {
            format!("+{}", command.to_lowercase().replace(' ', "|"))
        };
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    pub(crate) fn check(&self, user: &str) -> Result<(), OpenError> {
        if self.rules.is_empty() {
            return Ok(());
        }
        let missing = self.rules.join(" ");
        let (rules, unknown) = self.to_grant();
        let unknown = match unknown.join(" ") {
            unknown if unknown.is_empty() => String::new(),
            unknown => format!(" (and {unknown}, unless it has them)"),
        };
        let place = if self.space.is_sharded() { "each node" } else { "the server" };
        let rules = rules.join(" ");
        let text = format!(
            "the user '{user}' lacks {missing}; run in {place}: ACL SETUSER {user} {rules}{unknown}"
        );
        Err(OpenError::Unfit(ConnectErrorKind::Permanent, text))
    }

    /// Rules that give the user all that it lacks, and those of which nobody knows whether it needs
    /// them: the server refuses to add a pattern to `~*` or `&*`, and with it all other rules.
    fn to_grant(&self) -> (Vec<String>, Vec<String>) {
        let (mut granted, mut unknown) = (Vec::new(), Vec::new());
        let patterns =
            [(keys(self.space), self.has_keys), (channels(self.space), self.has_channels)];
        for (pattern, has_it) in patterns {
            if self.rules.contains(&pattern) {
                granted.push(pattern);
            } else if !has_it {
                unknown.push(pattern);
            }
        }
        granted.extend(commands(self.space).into_iter().map(str::to_owned));
        (granted, unknown)
    }
}

/// The commands, as rules of an access list. `docs/server.md` shows them.
pub(crate) const COMMANDS: [&str; 33] = [
    // Of connections.
    "+hello",
    "+select",
    "+client|setname",
    "+info",
    "+subscribe",
    "+watch",
    "+multi",
    "+exec",
    "+evalsha",
    "+script|load",
    "+script|exists",
    // In scripts.
    "+publish",
    "+pubsub|numsub",
    "+time",
    "+exists",
    "+get",
    "+mget",
    "+set",
    "+setrange",
    "+del",
    "+pttl",
    "+pexpire",
    "+zadd",
    "+zrem",
    "+zrange",
    "+zcount",
    "+zscore",
    "+hset",
    "+hget",
    "+hmget",
    "+hdel",
    "+hgetall",
    "+hincrby",
];

/// Those that nodes of a cluster do not need.
const SINGLE_COMMANDS: [&str; 5] = ["+select", "+watch", "+multi", "+exec", "+pubsub|numsub"];

/// Those that only nodes of a cluster need.
pub(crate) const CLUSTER_COMMANDS: [&str; 7] = [
    "+cluster|slots",
    "+cluster|info",
    "+asking",
    "+ping",
    "+ssubscribe",
    "+spublish",
    "+pubsub|shardnumsub",
];

fn commands(space: &Keyspace) -> Vec<&'static str> {
    let mut commands = COMMANDS.to_vec();
    if space.is_sharded() {
        commands.retain(|command| !SINGLE_COMMANDS.contains(command));
        commands.extend(CLUSTER_COMMANDS);
    }
    commands
}

/// The rules that are enough for locks under this prefix, to be appended to `ACL SETUSER name` of a
/// user without any.
#[cfg(test)]
pub(crate) fn rules(space: &Keyspace) -> String {
    format!("{} {} {}", keys(space), channels(space), commands(space).join(" "))
}

fn keys(space: &Keyspace) -> String {
    format!("~{}*", literal(space.prefix()))
}

fn channels(space: &Keyspace) -> String {
    format!("&{}*", literal(&space.inbox("")))
}

/// Warnings that were logged, so that a reconnect does not repeat them.
static WARNED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

const UNREADABLE: &str = "cannot tell whether the server may evict locks or has failed over: the \
    user has no right to run INFO; grant +info, or make sure that maxmemory-policy is noeviction";

/// Logs each warning about INFO once, or that INFO cannot be read.
pub(crate) fn warn_of_hazards(info: Option<&str>) {
    for hazard in warnings(info) {
        let new = WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(hazard.clone());
        if new {
            user_code::event!(WARN, "{hazard}");
        }
    }
}

fn warnings(info: Option<&str>) -> Vec<String> {
    info.map_or_else(|| vec![UNREADABLE.to_owned()], hazards)
}

pub(crate) fn hazards(info: &str) -> Vec<String> {
    let mut found = Vec::new();
    let policy = field(info, "maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && field(info, "maxmemory") != Some("0") {
        found.push(format!(
            "the server may evict locks: maxmemory-policy is {}, set noeviction",
            printable(policy)
        ));
    }
    if field(info, "master_replid").is_none() {
        let unnoticed = match field(info, "run_id") {
            Some(_) => "a failover back to an earlier primary goes",
            None => "failovers go",
        };
        found.push(format!(
            "INFO does not show master_replid, so {unnoticed} unnoticed: a hold that it loses is \
             lost, its key is granted to others at once, and fencing tokens may repeat; let INFO \
             show the section `replication`, or use a service that does"
        ));
    }
    found
}

/// A line of INFO.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests;
