//! What each command is on the wire of Redis, and the replies to it.
//!
//! Every command is a call of its script by EVALSHA, except for the longest lease, which is kept in
//! the server's script cache and under a key of its own: see [`LeaseStore`].

use std::time::Duration;

use crate::backend::redis::errors::{call_error, node_error};
use crate::backend::redis::value::{ServerError, Value};
use crate::protocol::request::CommandError;
use crate::types::time::millis;
use crate::wire::command::Command;
use crate::wire::keyspace::{EVERYONE, Keyspace, lease_steps};
use crate::wire::reply::{Notification, RawReply, Reply, parse_notification};
use crate::wire::script::{Script, ScriptCall, sha_of};

/// How the replies of a server are read.
pub(crate) struct ReplyReader {
    pub(crate) space: Keyspace,
    /// Where it is.
    pub(crate) host: String,
}

impl ReplyReader {
    pub(crate) fn read(&self, call: &Command, answer: Value) -> Result<Reply, CommandError> {
        if let Value::ServerError(error) = answer {
            return Err(self.error(call.script(), &error));
        }
        call.decode(&plain(answer)).map_err(CommandError::InvalidReply)
    }

    /// The replies to commands that went together; `None` for one that was not done.
    pub(crate) fn read_batch(
        &self,
        calls: &[&Command],
        answer: Value,
    ) -> Result<Vec<Option<Reply>>, CommandError> {
        if let (Value::ServerError(error), [first, ..]) = (&answer, calls) {
            let is_acquire = matches!(first, Command::Acquire(_));
            let script = if is_acquire { Script::AcquireMany } else { Script::ReleaseMany };
            return Err(self.error(Some(script), error));
        }
        Command::decode_batch(calls, &plain(answer)).map_err(CommandError::InvalidReply)
    }

    /// What an error means of a command, which runs this script or none.
    fn error(&self, script: Option<Script>, error: &ServerError) -> CommandError {
        let meaning =
            if self.space.is_sharded() { node_error(error, &self.host) } else { call_error(error) };
        match (meaning, script) {
            // The server has another mark by now than this connection.
            (CommandError::Unopened, Some(Script::Open)) => call_error(error),
            (CommandError::Refused(words), Some(script)) => {
                CommandError::Refused(script.explain(words, &self.space))
            }
            (other, _) => other,
        }
    }
}

pub(crate) fn plain(value: Value) -> RawReply {
    match value {
        Value::Int(number) => RawReply::Int(number),
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_or(RawReply::Other, RawReply::Text)
        }
        Value::SimpleString(text) => RawReply::Text(text),
        Value::Array(items) => RawReply::List(items.into_iter().map(plain).collect()),
        Value::Map(pairs) => {
            let words = pairs.into_iter().flat_map(|(name, value)| [plain(name), plain(value)]);
            RawReply::List(words.collect())
        }
        _ => RawReply::Other,
    }
}

/// The notification in a message that the server has pushed.
pub(crate) fn notice(data: &[Value]) -> Option<Notification> {
    parse_notification(data.last()?.as_text()?)
}

/// Commands that are sent together, encoded.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) bytes: Vec<u8>,
    /// How many they are.
    pub(crate) count: usize,
}

impl Pipeline {
    pub(crate) fn add(&mut self, command: &str, words: &[&str]) -> &mut Self {
        let mut call = ScriptCall::of_server(command, words.len(), &mut self.bytes);
        for word in words {
            call.word(&[word.as_bytes()]);
        }
        drop(call);
        self.count += 1;
        self
    }
}

/// Loads the scripts.
pub(crate) fn load_scripts(space: &Keyspace) -> Pipeline {
    let mut pipeline = Pipeline::default();
    for script in Script::used(space.is_sharded()) {
        pipeline.add("SCRIPT", &["LOAD", script.text_for(space)]);
    }
    pipeline
}

/// The longest lease, stored in the server's script cache, which a flush of the data does not
/// clear, and as data, which a restart or a failover keeps while it clears that cache.
///
/// Each step has a script that is never run; the highest one that is loaded is the longest lease. A
/// server that knows any of them has granted locks of this key space in this database. Other
/// tenants of the server have their own scripts.
pub(crate) struct LeaseStore {
    tenant: String,
    /// The key of the longest lease.
    key: String,
    /// The channel on which all processes receive a new bound.
    everyone: String,
    /// The SHA-1 of each step, in order.
    shas: Vec<String>,
}

impl LeaseStore {
    pub(crate) fn new(space: &Keyspace, database: i64) -> Self {
        let tenant = sha_of(&format!("{} in database {database}", space.tokens()));
        let shas = lease_steps().map(|step| sha_of(&text(&tenant, step))).collect();
        Self { tenant, key: space.max_lease(), everyone: space.inbox(EVERYONE), shas }
    }

    pub(crate) fn everyone(&self) -> &str {
        &self.everyone
    }

    /// Checks which steps are loaded.
    pub(crate) fn loaded_steps(&self, out: &mut Pipeline) {
        let words: Vec<_> =
            ["EXISTS"].into_iter().chain(self.shas.iter().map(|sha| &**sha)).collect();
        out.add("SCRIPT", &words);
    }

    /// The longest lease, from the reply to [`Self::loaded_steps`]; zero if no step is loaded.
    pub(crate) fn highest(loaded: &[bool]) -> Duration {
        let mut steps = lease_steps().zip(loaded).rev();
        steps.find(|&(_, &loaded)| loaded).map(|(step, _)| step).unwrap_or_default()
    }

    /// The longest lease in the data.
    pub(crate) fn stored(&self, out: &mut Pipeline) {
        out.add("ZSCORE", &[&self.key, LONGEST]);
    }

    /// Has all processes and the server learn of a longer lease.
    pub(crate) fn raise(&self, step: Duration, out: &mut Pipeline) {
        out.add("PUBLISH", &[&self.everyone, &format!("bound {}", step.as_millis())]);
        // Of several processes the one with the longest lease is right.
        out.add("ZADD", &[&self.key, "GT", &millis(step).to_string(), LONGEST]);
        self.load(step, out);
    }

    /// Loads a step.
    pub(crate) fn load(&self, step: Duration, out: &mut Pipeline) {
        out.add("SCRIPT", &["LOAD", &text(&self.tenant, step)]);
    }
}

/// How many commands [`LeaseStore::raise`] takes.
pub(crate) const RAISE_COMMANDS: usize = 3;

/// The member of the sorted set.
const LONGEST: &str = "longest";

fn text(tenant: &str, step: Duration) -> String {
    format!("return '{tenant} {}'", step.as_millis())
}
