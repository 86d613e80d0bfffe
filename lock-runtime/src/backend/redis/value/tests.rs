use redis::RedisError;

use super::*;

/// What a value of the `redis` crate is here.
pub(crate) fn value_of(value: redis::Value) -> Value {
    let all = |items: Vec<redis::Value>| items.into_iter().map(value_of).collect();
    match value {
        redis::Value::Nil => Value::Nil,
        redis::Value::Okay => Value::Okay,
        redis::Value::Int(number) => Value::Int(number),
        redis::Value::Double(number) => Value::Double(number),
        redis::Value::Boolean(yes) => Value::Boolean(yes),
        redis::Value::BulkString(bytes) => Value::BulkString(bytes),
        redis::Value::SimpleString(text) | redis::Value::VerbatimString { text, .. } => {
            Value::SimpleString(text)
        }
        redis::Value::BigNumber(digits) => {
            Value::SimpleString(String::from_utf8(digits).expect("a line"))
        }
        redis::Value::Array(items) | redis::Value::Set(items) => Value::Array(all(items)),
        redis::Value::Map(pairs) => {
            let pair = |(name, value)| (value_of(name), value_of(value));
            Value::Map(pairs.into_iter().map(pair).collect())
        }
        redis::Value::Attribute { data, .. } => value_of(*data),
        redis::Value::Push { kind, data } => Value::Push { kind: kind_of(&kind), data: all(data) },
        redis::Value::ServerError(error) => Value::ServerError(error_of(&error.into())),
        other => panic!("no reply is {other:?}"),
    }
}

fn kind_of(kind: &redis::PushKind) -> PushKind {
    match kind {
        redis::PushKind::Message => PushKind::Message,
        redis::PushKind::Subscribe => PushKind::Subscribe,
        redis::PushKind::SMessage => PushKind::SMessage,
        redis::PushKind::SSubscribe => PushKind::SSubscribe,
        redis::PushKind::SUnsubscribe => PushKind::SUnsubscribe,
        _ => PushKind::Other,
    }
}

/// The error reply that the `redis` crate has read.
pub(crate) fn error_of(error: &RedisError) -> ServerError {
    let detail = error.detail().map(|detail| format!(" {detail}")).unwrap_or_default();
    ServerError::new(format!("{}{detail}", error.code().expect("a reply")))
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

#[test]
fn an_error_has_a_code_and_words() {
    let error = ServerError::new("NOPERM no permissions to run it ");
    assert_eq!((error.code(), error.detail()), ("NOPERM", "no permissions to run it "));
    assert_eq!(error.words(), "NOPERM no permissions to run it");
    assert_eq!(WireError::Server(error).to_string(), "NOPERM no permissions to run it");
    let bare = ServerError::new("EXECABORT");
    assert_eq!((bare.code(), bare.detail(), bare.words()), ("EXECABORT", "", "EXECABORT"));
}

#[test]
fn the_first_error_in_a_value_is_its_error() {
    let error = |code: &str| Value::ServerError(ServerError::new(code));
    for value in [
        error("A"),
        Value::Array(vec![Value::Int(1), Value::Array(vec![error("A")]), error("B")]),
        Value::Map(vec![(Value::Nil, error("A")), (error("B"), Value::Nil)]),
        Value::Push { kind: PushKind::Other, data: vec![error("A")] },
    ] {
        let found = value.clone().extract_error();
        assert!(matches!(found, Err(WireError::Server(error)) if error.code() == "A"), "{value:?}");
    }
    let fine = Value::Array(vec![Value::Nil, Value::Map(vec![(Value::Okay, Value::Int(1))])]);
    assert_eq!(fine.clone().extract_error().expect("no error"), fine);
}

#[test]
fn replies_are_read_as_the_redis_crate_reads_them() {
    let frames = [
        "$2\r\n12\r\n",
        "$1\r\nx\r\n",
        "+OK\r\n",
        "+7\r\n",
        ":-7\r\n",
        ",2.5\r\n",
        ",90000\r\n",
        "_\r\n",
        "#t\r\n",
        "=5\r\ntxt:x\r\n",
        "*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*0\r\n",
        "%1\r\n+a\r\n:1\r\n",
        "%1\r\n+a\r\n_\r\n",
        "-ERR no\r\n",
    ];
    for frame in frames {
        let theirs = || {
            let read = redis::parse_redis_value(frame.as_bytes()).expect("a frame");
            read.extract_error()
        };
        let ours = || theirs().map_or_else(|error| Value::ServerError(error_of(&error)), value_of);
        let as_text = theirs().ok().and_then(|value| redis::from_redis_value(value).ok());
        assert_eq!(ours().into_text().ok(), as_text, "{frame:?}");
        let as_number = theirs().ok().and_then(|value| redis::from_redis_value(value).ok());
        assert_eq!(ours().into_number().ok(), as_number, "{frame:?}");
        let as_map = theirs().ok().and_then(|value| redis::from_redis_value(value).ok());
        assert_eq!(ours().into_map().ok(), as_map, "{frame:?}");
    }
}

#[test]
fn only_strings_have_a_text_that_can_be_borrowed() {
    assert_eq!(text("a").as_text(), Some("a"));
    assert_eq!(Value::SimpleString("a".to_owned()).as_text(), Some("a"));
    for value in [Value::BulkString(vec![0xff]), Value::Int(1), Value::Nil, Value::Okay] {
        assert_eq!(value.as_text(), None, "{value:?}");
    }
}
