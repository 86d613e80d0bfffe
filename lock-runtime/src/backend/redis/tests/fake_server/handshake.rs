//! The replies to a handshake, and to an acquire of a free lock.

use redis::Value;

use crate::wire::keyspace::Keyspace;
use crate::wire::script::Script;

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

/// Whether a client says this before it asks for locks.
pub(crate) fn is_greeting(words: &[String]) -> bool {
    let script = |script| {
        words.get(1).is_some_and(|word| *word == Script::sha(script, &Keyspace::new("lock:")))
    };
    words.first().is_none_or(|word| word != "EVALSHA")
        || script(Script::Check)
        || script(Script::Open)
}

/// The honest answer to this command; `token` is new.
pub(crate) fn answer(words: &[String], token: i64) -> Value {
    let word =
        |number: usize| words.get(number).map(|word| word.to_uppercase()).unwrap_or_default();
    match (word(0).as_str(), word(1).as_str()) {
        ("HELLO", _) => Value::Map(vec![(text("proto"), Value::Int(3))]),
        ("EXEC", _) => Value::Array(Vec::new()),
        ("SUBSCRIBE", _) => Value::Push {
            kind: redis::PushKind::Subscribe,
            data: vec![text(&words[1]), Value::Int(1)],
        },
        ("EXISTS", _) => Value::Int(1),
        ("HGETALL", _) => Value::Map(vec![(text("m00000000"), text("1700000000000000"))]),
        ("ZSCORE", _) => Value::Nil,
        ("SCRIPT", "EXISTS") => Value::Array(vec![Value::Int(0); words.len() - 2]),
        ("SCRIPT", _) => text("0000000000000000000000000000000000000000"),
        ("INFO", _) => text("redis_version:7.0.0\r\nrole:master\r\nmaxmemory:0\r\n"),
        ("EVALSHA", _) => to_script(&words[1], words, token),
        _ => Value::Okay,
    }
}

fn to_script(script: &str, words: &[String], token: i64) -> Value {
    let keys: usize = words.get(2).and_then(|keys| keys.parse().ok()).unwrap_or(1);
    let mode = words.get(keys + 5).map(String::as_str);
    let each = |value: i64, count: usize| Value::Array(vec![Value::Int(value); count]);
    match Script::ALL.into_iter().find(|&known| known.sha(&Keyspace::new("lock:")) == script) {
        Some(Script::Check) => Value::Array(vec![Value::Int(1_800_000_000)]),
        Some(Script::Acquire) if mode == Some("each") => each(0, keys - 1),
        Some(Script::Acquire) => Value::Int(token),
        Some(Script::Release) if keys > 2 => each(1, keys - 1),
        Some(Script::Renew) => each(1, keys),
        _ => Value::Int(1),
    }
}
