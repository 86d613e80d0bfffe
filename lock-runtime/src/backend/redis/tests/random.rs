//! For any value on the wire: no panic, no grant unless the value is one, and one reply for each
//! call.
//!
//! `PROPTEST_CASES` sets how many values each test tries.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use redis::{PushKind, ServerError, Value, VerbatimFormat};

use crate::backend::Incoming;
use crate::backend::redis::command::{LeaseStore, Pipeline, ReplyReader, notice, plain};
use crate::backend::redis::handshake::Prepared;
use crate::backend::redis::pipe::RedisPipe;
use crate::backend::redis::resp::ReceiveBuffer;
use crate::backend::redis::tests::fake_server::wire;
use crate::backend::redis::transport::Transport;
use crate::backend::redis::value;
use crate::backend::redis::value::tests::value_of;
use crate::backend::socket::Stream;
use crate::wire::command::Command;
use crate::wire::keyspace::{Keyspace, Mark};
use crate::wire::reply::RawReply;
use crate::wire::tests::answers::{any_answer, any_text, shaped};
use crate::wire::tests::calls::any_call;
use crate::wire::tests::config;
use crate::wire::tests::oracle::{fits, grants};

const CASES: u32 = 1500;

fn space() -> Keyspace {
    Keyspace::new("lock:")
}

fn reader(sharded: bool) -> ReplyReader {
    let space = if sharded { space().sharded() } else { space() };
    ReplyReader { space, host: "host".to_owned() }
}

/// A connection whose server never reads.
fn pipe(listener: &TcpListener, sharded: bool) -> RedisPipe<usize> {
    let address = listener.local_addr().expect("a bound socket");
    let stream = Stream::Tcp(TcpStream::connect(address).expect("a listener"));
    drop(listener.accept().expect("a connection"));
    let lease_store = Arc::new(LeaseStore::new(&space(), 0));
    let received = ReceiveBuffer::default();
    let announcement = Pipeline::default();
    let (mark, max_lease) = (Mark::default(), Duration::ZERO);
    let (address, pause) = (address.to_string(), None);
    let ready = Prepared { mark, max_lease, online_replicas: 0, address, pause, announcement };
    let inbox = space().inbox("process");
    let (transport, reader) = (Transport::plain(stream), reader(sharded));
    RedisPipe::new(transport, received, reader, inbox, lease_store, &ready, None)
}

fn error() -> impl Strategy<Value = ServerError> {
    let code = prop::sample::select(
        &[
            "NOSCRIPT",
            "LOADING",
            "BUSY",
            "MOVED",
            "ASK",
            "TRYAGAIN",
            "CLUSTERDOWN",
            "UNOPENED",
            "WRONGTYPE",
            "ERR",
            "NOAUTH",
            "",
            "OOM",
            "é",
        ][..],
    );
    (code, any_text()).prop_map(|(code, text)| {
        let line = format!("-{code} {}\r\n", text.replace(['\r', '\n'], " "));
        match redis::parse_redis_value(line.as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("an error, not {other:?}"),
        }
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(Value::Nil),
        4 => prop_oneof![-3..8_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
            .prop_map(Value::Int),
        2 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::BulkString),
        3 => any_text().prop_map(|text| Value::BulkString(text.into_bytes())),
        1 => any_text().prop_map(Value::SimpleString),
        1 => Just(Value::Okay),
        1 => any::<f64>().prop_map(Value::Double),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => any_text()
            .prop_map(|text| Value::VerbatimString { format: VerbatimFormat::Text, text }),
        1 => any_text().prop_map(|text| Value::BigNumber(text.into_bytes())),
        1 => error().prop_map(Value::ServerError),
    ]
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 32, 6, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..7);
        let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            4 => list().prop_map(Value::Array),
            1 => list().prop_map(Value::Set),
            1 => pairs().prop_map(Value::Map),
            1 => (inner.clone(), pairs()).prop_map(|(data, attributes)| {
                Value::Attribute { data: Box::new(data), attributes }
            }),
            1 => (kind(), list()).prop_map(|(kind, data)| Value::Push { kind, data }),
        ]
    })
}

fn kind() -> impl Strategy<Value = PushKind> {
    prop_oneof![
        4 => Just(PushKind::Message),
        1 => Just(PushKind::PMessage),
        1 => Just(PushKind::Invalidate),
        1 => Just(PushKind::Subscribe),
        1 => Just(PushKind::SMessage),
        1 => Just(PushKind::SSubscribe),
        1 => Just(PushKind::SUnsubscribe),
        1 => any::<String>().prop_map(PushKind::Other),
        1 => Just(PushKind::Disconnection),
    ]
}

/// The value that holds this answer.
fn value(answer: RawReply) -> Value {
    match answer {
        RawReply::Int(number) => Value::Int(number),
        RawReply::Text(text) => Value::BulkString(text.into_bytes()),
        RawReply::List(items) => Value::Array(items.into_iter().map(value).collect()),
        RawReply::Other => Value::Nil,
    }
}

fn value_for(call: &Command) -> impl Strategy<Value = Value> + use<> {
    prop_oneof![any_value(), any_answer().prop_map(value), shaped(call).prop_map(value)]
}

/// Some calls and more values than they have replies.
fn batch() -> impl Strategy<Value = (Vec<Command>, Vec<Value>)> {
    let calls = prop::collection::vec(any_call(), 1..8);
    (calls, prop::collection::vec(prop_oneof![any_value(), together()], 32))
}

/// A list of small numbers, as calls that went together are answered by.
fn together() -> impl Strategy<Value = Value> {
    prop::collection::vec((0..4_i64).prop_map(Value::Int), 0..5).prop_map(Value::Array)
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn a_value_is_read_as_what_it_says_or_as_an_error(
        (call, value) in any_call().prop_flat_map(|call| {
            let value = value_for(&call);
            (Just(call), value)
        }),
        sharded: bool,
    ) {
        let value = value_of(value);
        if let Ok(reply) = reader(sharded).read(&call, value.clone()) {
            let is_error = matches!(value, value::Value::ServerError(_));
            prop_assert!(!is_error, "an error is no {reply:?}");
            let answer = plain(value);
            prop_assert!(fits(&call, &answer, &reply), "{answer:?}\nwas read as {reply:?}");
        }
    }

    #[test]
    fn a_push_is_a_message_of_ours_or_nothing(
        data in prop::collection::vec(any_value(), 0..5),
    ) {
        let words = [&b"granted "[..], b"asked ", b"first ", b"bound "];
        let data: Vec<_> = data.into_iter().map(value_of).collect();
        let is_ours = |bytes: &[u8]| words.iter().any(|word| bytes.starts_with(word));
        let is_spelled = data.last().and_then(value::Value::as_text);
        let is_spelled = is_spelled.is_some_and(|text| is_ours(text.as_bytes()));
        prop_assert!(notice(&data).is_none() || is_spelled);
    }

    #[test]
    fn a_value_is_decoded_as_the_redis_crate_decodes_it(value in any_value()) {
        let bytes = wire::bytes(&value);
        let expected = redis::parse_redis_value(&bytes).expect("a value");
        let mut received = ReceiveBuffer::default();
        received.extend(&bytes);
        let found = received.next().expect("a value");
        prop_assert_eq!(found, Some(value_of(expected)));
        prop_assert!(matches!(received.next(), Ok(None)), "nothing is left");
    }

    #[test]
    fn no_look_at_the_servers_settings_trips_over_what_it_says(
        info in any::<String>(),
        field in field(),
    ) {
        crate::backend::redis::preflight::hazards(&info);
        crate::backend::redis::preflight::hazards(&field);
    }
}

fn field() -> impl Strategy<Value = String> {
    let name =
        prop::sample::select(&["redis_version", "role", "maxmemory", "maxmemory_policy"][..]);
    prop::collection::vec((name, "[0-9.]{0,12}|slave|\\PC{0,6}"), 0..6).prop_map(|fields| {
        let lines: Vec<_> =
            fields.into_iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        lines.concat()
    })
}

proptest! {
    // Each has a socket of its own.
    #![proptest_config(config(CASES / 10))]

    #[test]
    fn each_call_of_a_batch_gets_one_reply_of_its_kind_whatever_comes(
        (calls, values) in batch(),
        sharded: bool,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut pipe = pipe(&listener, sharded);
        let count = calls.len();
        let subscribes = calls.iter().any(|call| matches!(call, Command::Subscribe(_)));
        pipe.send(&mut calls.into_iter().enumerate().collect());
        // The server has gone, and may have reset the connection.
        let _ = pipe.flush();
        let (mut ints, mut granted, mut answered) = (0, 0, Vec::new());
        for value in values.into_iter().map(value_of) {
            ints += numbers(&value);
            let is_push = matches!(value, value::Value::Push { .. });
            if !is_push && pipe.in_flight() == 0 {
                prop_assert!(pipe.answer(value).is_err(), "a reply to no command");
                break;
            }
            if pipe.answer(value).is_err() {
                prop_assert!(subscribes, "only they may have no answer");
                break;
            }
            while let Some(incoming) = pipe.next() {
                match incoming {
                    Incoming::Reply(number, reply) => {
                        answered.push(number);
                        granted += usize::from(reply.is_ok_and(|reply| grants(&reply)));
                    }
                    Incoming::Notification(_) => prop_assert!(is_push),
                }
            }
        }
        prop_assert!(granted <= ints, "{granted} grants out of {ints} numbers");
        answered.extend(pipe.into_unanswered());
        answered.sort_unstable();
        let once_each: Vec<_> = (0..count).collect();
        prop_assert_eq!(answered, once_each);
    }
}

/// How many numbers above zero are in it, each of which may be a token.
fn numbers(value: &value::Value) -> usize {
    match value {
        value::Value::Int(number) => usize::from(*number > 0),
        value::Value::Array(items) => items.iter().map(numbers).sum(),
        _ => 0,
    }
}
