//! Answers of no sense, and of nearly the right shape.

use proptest::prelude::*;

use crate::wire::command::Command;
use crate::wire::reply::RawReply;
use crate::wire::tests::calls::{name, owner_info};

fn any_int() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -3..8_i64,
        1 => prop::sample::select(&[
            i64::MIN, i64::MAX, (1 << 53) - 1, 1 << 53, 1 << 32, (1 << 32) + 1, 1024, 1025,
        ][..]),
        1 => 1_700_000_000_000_000..1_700_000_000_000_100_i64,
        1 => any::<i64>(),
    ]
}

/// A text: a message, a hold, a waiter, a number, a request id, or none of these.
pub fn any_text() -> impl Strategy<Value = String> {
    let request_id = || {
        prop_oneof![
            6 => name().prop_map(|id| id.to_string()),
            1 => name().prop_map(|id| id.to_string().to_uppercase()),
            1 => name().prop_map(|id| format!("+{}", &id.to_string()[1..])),
            1 => "[0-9a-fé+ ]{30,33}",
        ]
    };
    let number = || prop_oneof![any_int().prop_map(|int| int.to_string()), "[+]?[0-9]{1,22}"];
    let hold =
        (request_id(), number(), prop::sample::select(&["dl1-", "dl1w", "dl2-", "wait:", ""][..]));
    let message = (
        prop::sample::select(&["granted", "asked", "bound", "grant", "GRANTED", ""][..]),
        prop::collection::vec(
            prop_oneof![3 => request_id(), 3 => number(), 1 => any::<String>()],
            0..4,
        ),
    );
    prop_oneof![
        (request_id(), number(), 0..1026_u32)
            .prop_map(|(id, first, size)| format!("granted {id} {first} {size}")),
        request_id().prop_map(|id| format!("asked {id}")),
        number().prop_map(|ms| format!("bound {ms}")),
        (request_id(), number()).prop_map(|(id, ms)| format!("first {id} {ms}")),
        message.prop_map(|(word, rest)| format!("{word} {}", rest.join(" "))),
        hold.prop_map(|(id, fence, tag)| format!("{tag}{id} {fence} 1 inbox {}", owner_info())),
        number().prop_map(|number| format!("{number} 1 1 inbox {}", owner_info())),
        (number(), number(), number()).prop_map(|(time, count, length)| {
            format!("{time} n{count} - {length} key {}", owner_info())
        }),
        Just(owner_info().to_string()),
        Just("?".to_owned()),
        request_id(),
        number(),
        any::<String>(),
    ]
}

fn leaf() -> impl Strategy<Value = RawReply> + Clone {
    prop_oneof![
        4 => any_int().prop_map(RawReply::Int),
        4 => any_text().prop_map(RawReply::Text),
        1 => Just(RawReply::Other),
    ]
    .boxed()
}

/// Any answer at all.
pub fn any_answer() -> impl Strategy<Value = RawReply> {
    leaf().prop_recursive(4, 32, 6, |inner| {
        prop::collection::vec(inner, 0..7).prop_map(RawReply::List)
    })
}

/// As long as a right answer would be, give or take one.
pub fn shaped(call: &Command) -> BoxedStrategy<RawReply> {
    let list = |length: usize| {
        let lengths = length.saturating_sub(1)..=length + 1;
        prop::collection::vec(leaf(), lengths).prop_map(RawReply::List)
    };
    let grant = (any_int(), any_int(), any_int())
        .prop_map(|(first, size, more)| [4, first, size, more].map(RawReply::Int).to_vec())
        .prop_map(RawReply::List);
    match call {
        Command::Acquire(_) => prop_oneof![leaf(), list(5), list(4), grant].boxed(),
        Command::Renew(entries) => {
            let ints = any_int().prop_map(RawReply::Int);
            let ints = prop::collection::vec(ints, entries.len()).prop_map(RawReply::List);
            prop_oneof![list(entries.len()), ints].boxed()
        }
        Command::Inspect { .. } => prop_oneof![list(4), list(6), list(8)].boxed(),
        Command::Probe(_) => prop_oneof![list(1), list(5), list(9)].boxed(),
        Command::Scan { .. } => (any_text(), list(3))
            .prop_map(|(next, names)| RawReply::List(vec![RawReply::Text(next), names]))
            .boxed(),
        Command::LookAtHold(_) => list(1).boxed(),
        Command::LookAtSection(_) => prop_oneof![list(2), list(4)].boxed(),
        _ => leaf().boxed(),
    }
}
