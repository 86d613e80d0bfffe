//! Answers of no sense, and of nearly the right shape.

use proptest::prelude::*;

use crate::wire::call::Call;
use crate::wire::random::calls::{name, owner_info};
use crate::wire::reply::Answer;

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

/// A text: a message, a hold, a waiter, a number, a nonce, or none of these.
pub fn any_text() -> impl Strategy<Value = String> {
    let nonce = || {
        prop_oneof![
            6 => name().prop_map(|nonce| nonce.to_string()),
            1 => name().prop_map(|nonce| nonce.to_string().to_uppercase()),
            1 => name().prop_map(|nonce| format!("+{}", &nonce.to_string()[1..])),
            1 => "[0-9a-fé+ ]{30,33}",
        ]
    };
    let number = || prop_oneof![any_int().prop_map(|int| int.to_string()), "[+]?[0-9]{1,22}"];
    let hold =
        (nonce(), number(), prop::sample::select(&["dl1-", "dl1w", "dl2-", "wait:", ""][..]));
    let message = (
        prop::sample::select(&["granted", "asked", "bound", "grant", "GRANTED", ""][..]),
        prop::collection::vec(prop_oneof![3 => nonce(), 3 => number(), 1 => any::<String>()], 0..4),
    );
    prop_oneof![
        (nonce(), number(), 0..1026_u32)
            .prop_map(|(nonce, first, size)| format!("granted {nonce} {first} {size}")),
        nonce().prop_map(|nonce| format!("asked {nonce}")),
        number().prop_map(|ms| format!("bound {ms}")),
        (nonce(), number()).prop_map(|(nonce, ms)| format!("first {nonce} {ms}")),
        message.prop_map(|(word, rest)| format!("{word} {}", rest.join(" "))),
        hold.prop_map(|(nonce, fence, tag)| format!(
            "{tag}{nonce} {fence} 1 inbox {}",
            owner_info()
        )),
        number().prop_map(|number| format!("{number} 1 1 inbox {}", owner_info())),
        Just(owner_info().to_string()),
        Just("?".to_owned()),
        nonce(),
        number(),
        any::<String>(),
    ]
}

fn leaf() -> impl Strategy<Value = Answer> + Clone {
    prop_oneof![
        4 => any_int().prop_map(Answer::Int),
        4 => any_text().prop_map(Answer::Text),
        1 => Just(Answer::Other),
    ]
    .boxed()
}

/// Any answer at all.
pub fn any_answer() -> impl Strategy<Value = Answer> {
    leaf()
        .prop_recursive(4, 32, 6, |inner| prop::collection::vec(inner, 0..7).prop_map(Answer::List))
}

/// As long as a right answer would be, give or take one.
pub fn shaped(call: &Call) -> BoxedStrategy<Answer> {
    let list = |length: usize| {
        let lengths = length.saturating_sub(1)..=length + 1;
        prop::collection::vec(leaf(), lengths).prop_map(Answer::List)
    };
    let grant = (any_int(), any_int(), any_int())
        .prop_map(|(first, size, more)| [4, first, size, more].map(Answer::Int).to_vec())
        .prop_map(Answer::List);
    match call {
        Call::Acquire(_) => prop_oneof![leaf(), list(5), list(4), grant].boxed(),
        Call::Renew(entries) => {
            let ints = any_int().prop_map(Answer::Int);
            let ints = prop::collection::vec(ints, entries.len()).prop_map(Answer::List);
            prop_oneof![list(entries.len()), ints].boxed()
        }
        Call::Inspect { .. } => prop_oneof![list(3), list(5), list(7)].boxed(),
        Call::Probe(_) => prop_oneof![list(1), list(5), list(9)].boxed(),
        _ => leaf().boxed(),
    }
}
