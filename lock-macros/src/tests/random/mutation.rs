//! Small changes to a valid text.

use proptest::prelude::*;
use proptest::sample::Index;

use super::tokens;

/// A change somewhere in a text.
#[derive(Clone, Debug)]
pub(super) enum Mutation {
    Remove(Index, usize),
    Insert(Index, String),
    Repeat(Index, usize),
    Swap(Index),
}

impl Mutation {
    pub(super) fn apply(&self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        match self {
            Self::Remove(at, length) => {
                let range = range(*at, *length, chars.len());
                chars.drain(range);
            }
            Self::Insert(at, piece) => {
                let at = at.index(chars.len() + 1);
                chars.splice(at..at, piece.chars());
            }
            Self::Repeat(at, length) => {
                let range = range(*at, *length, chars.len());
                let piece = chars[range.clone()].to_vec();
                chars.splice(range.end..range.end, piece);
            }
            Self::Swap(at) if chars.len() > 1 => {
                let at = at.index(chars.len() - 1);
                chars.swap(at, at + 1);
            }
            Self::Swap(_) => {}
        }
        chars.into_iter().collect()
    }
}

fn range(at: Index, length: usize, all: usize) -> std::ops::Range<usize> {
    let start = at.index(all + 1);
    start..(start + length).min(all)
}

/// The text after one to four changes.
pub(super) fn mutated(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let change = prop_oneof![
        (any::<Index>(), 1..8_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), inserted()).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (any::<Index>(), 1..8_usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        any::<Index>().prop_map(Mutation::Swap),
    ];
    (text, prop::collection::vec(change, 1..5))
        .prop_map(|(text, changes)| changes.iter().fold(text, |text, change| change.apply(&text)))
}

fn inserted() -> impl Strategy<Value = String> {
    prop_oneof![tokens::piece(), any::<char>().prop_map(String::from)]
}
