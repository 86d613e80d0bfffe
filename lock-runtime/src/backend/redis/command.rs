//! A command as a call of its script by EVALSHA, and what its reply means.

use std::sync::LazyLock;

use redis::{Cmd, RedisError, Value};

use crate::backend::redis::errors::call_error;
use crate::protocol::commands::CommandError;
use crate::wire::command::Command;
use crate::wire::raw_reply::RawReply;
use crate::wire::reply::{Decode, Reply};
use crate::wire::script::{Script, ScriptCall};

/// EVALSHA names a script by the SHA-1 of its text.
pub(crate) static SHA: LazyLock<[String; Script::ALL.len()]> =
    LazyLock::new(|| Script::ALL.map(|script| sha_of(script.text())));

pub(crate) fn sha_of(text: &str) -> String {
    sha1_smol::Sha1::from(text).digest().to_string()
}

pub(crate) fn sha(script: Script) -> &'static str {
    let index = Script::ALL.iter().position(|&other| other == script);
    &SHA[index.expect("ALL lists every script")]
}

pub(crate) fn command(invocation: &ScriptCall) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(sha(invocation.script())).arg(invocation.keys());
    for word in invocation.words() {
        command.arg(word);
    }
    command
}

pub(crate) fn read(call: &Command, answer: Value) -> Result<Reply, CommandError> {
    if let Value::ServerError(error) = answer {
        return Err(script_error(call.script(), &RedisError::from(error)));
    }
    call.decode(plain(answer)).map_err(CommandError::InvalidReply)
}

pub(crate) fn plain(value: Value) -> RawReply {
    match value {
        Value::Int(number) => RawReply::Int(number),
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_or(RawReply::Other, RawReply::Text)
        }
        Value::SimpleString(text) => RawReply::Text(text),
        Value::Array(items) => RawReply::List(items.into_iter().map(plain).collect()),
        _ => RawReply::Other,
    }
}

/// What an error of this script means, or of a command that runs none.
pub(crate) fn script_error(script: Option<Script>, error: &RedisError) -> CommandError {
    match (call_error(error), script) {
        (CommandError::Refused(words), Some(script)) => {
            CommandError::Refused(script.explain(words))
        }
        (other, _) => other,
    }
}
