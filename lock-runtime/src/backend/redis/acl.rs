//! The permissions that a user needs, and the error if one is missing.

use redis::Value;

use crate::backend::redis::errors::OpenError;
use crate::protocol::connection::ConnectErrorKind;
use crate::wire::keyspace::Keyspace;

/// The commands, as rules of an access list. `docs/server.md` shows them.
pub(crate) const COMMANDS: [&str; 34] = [
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
    "+time",
    "+exists",
    "+get",
    "+set",
    "+setrange",
    "+del",
    "+incr",
    "+incrby",
    "+decrby",
    "+pttl",
    "+pexpire",
    "+zadd",
    "+zrem",
    "+zrange",
    "+zrank",
    "+zcard",
    "+zscore",
    "+hset",
    "+hget",
    "+hmget",
    "+hdel",
    "+hgetall",
];

/// The rules that are enough for locks under this prefix, to be appended to `ACL SETUSER name`.
pub(crate) fn rules(space: &Keyspace) -> String {
    format!("{} {} {}", keys(space), channels(space), COMMANDS.join(" "))
}

fn keys(space: &Keyspace) -> String {
    format!("~{}*", literal(space.prefix()))
}

fn channels(space: &Keyspace) -> String {
    format!("&{}*", literal(&space.inbox("")))
}

/// The text as a pattern that only it matches.
fn literal(text: &str) -> String {
    let escape = |c: char| matches!(c, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\');
    text.chars().flat_map(|c| escape(c).into_iter().chain([c])).collect()
}

/// The missing permissions.
pub(crate) struct Denied<'a> {
    space: &'a Keyspace,
    rules: Vec<String>,
}

impl<'a> Denied<'a> {
    pub(crate) const fn none(space: &'a Keyspace) -> Self {
        Self { space, rules: Vec::new() }
    }

    /// Records a missing permission if the reply says so.
    pub(crate) fn note_answer(&mut self, command: &str, answer: &Value) {
        if let Value::ServerError(error) = answer
            && let words = error.details().unwrap_or_default()
            // A transaction that is not allowed to end is discarded, and the reason quoted.
            && (error.code() == "NOPERM" || words.contains("NOPERM "))
        {
            self.note(command, words);
        }
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
        let rules = rules(self.space);
        let text = format!(
            "the user '{user}' lacks {missing}; run in the server: ACL SETUSER {user} {rules}"
        );
        Err(OpenError::Unfit(ConnectErrorKind::Permanent, text))
    }
}

#[cfg(test)]
mod tests;
