//! The rights that a user needs in the server, and what to say where one is missing.

use redis::Value;

use crate::backend::redis::opening::OpenError;
use crate::protocol::state::ConnectErrorKind;
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

/// The rights that the server was found to deny.
pub(crate) struct Denied<'a> {
    space: &'a Keyspace,
    rules: Vec<String>,
}

impl<'a> Denied<'a> {
    pub(crate) const fn none(space: &'a Keyspace) -> Self {
        Self { space, rules: Vec::new() }
    }

    /// Notes what the answer to a command says about rights, if it does.
    pub(crate) fn note_answer(&mut self, command: &str, answer: &Value) {
        if let Value::ServerError(error) = answer
            && let words = error.details().unwrap_or_default()
            // A transaction that is not allowed to end is discarded, and the reason quoted.
            && (error.code() == "NOPERM" || words.contains("NOPERM "))
        {
            self.note(command, words);
        }
    }

    /// Notes that a command was denied with these words.
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::wire::script::Script;

    /// The commands that stand behind this call in a script.
    fn commands<'a>(text: &'a str, call: &str) -> BTreeSet<&'a str> {
        text.split(call).skip(1).filter_map(|rest| rest.split('\'').next()).collect()
    }

    #[test]
    fn what_scripts_run_is_what_is_checked_and_granted() {
        let (checks, others): (Vec<_>, Vec<_>) =
            Script::ALL.into_iter().partition(|&script| script == Script::Check);
        let run: BTreeSet<_> =
            others.iter().flat_map(|script| commands(script.text(), "call('")).collect();
        let checked = commands(checks[0].text(), "try('");
        assert_eq!(checked, run);
        for command in run {
            let rule = format!("+{}", command.to_lowercase());
            assert!(COMMANDS.contains(&&*rule), "{rule}");
        }
    }

    #[test]
    fn the_documented_rules_are_these() {
        let rules = rules(&Keyspace::new("lock:"));
        let docs = include_str!("../../../../docs/server.md");
        let shown: String = docs.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(&rules), "docs/server.md does not show: {rules}");
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        let rules = rules(&Keyspace::new("a*[b]?:"));
        assert!(rules.starts_with(r"~a\*\[b\]\?:* &a\*\[b\]\?:inbox:* +"), "{rules}");
    }
}
