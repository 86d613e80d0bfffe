use proptest::prelude::*;
use proptest::sample::Index;

use crate::wire::reply::RawReply;
use crate::wire::tests::answers::any_answer;

/// One change to an answer.
#[derive(Clone, Debug)]
pub struct Mutation {
    place: Option<Index>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Replace(RawReply),
    Remove,
    Repeat,
    Nudge(i64),
}

/// Of the whole answer, or of a part of it.
pub fn any_mutation() -> impl Strategy<Value = Mutation> {
    let change = prop_oneof![
        2 => any_answer().prop_map(Change::Replace),
        1 => Just(Change::Remove),
        1 => Just(Change::Repeat),
        2 => (-3..4_i64).prop_map(Change::Nudge),
    ];
    let place = prop::option::weighted(0.8, any::<Index>());
    (place, change).prop_map(|(place, change)| Mutation { place, change })
}

impl Mutation {
    /// Whether it leaves a list a list.
    pub const fn is_inside(&self) -> bool {
        self.place.is_some()
    }

    pub fn apply(&self, answer: RawReply) -> RawReply {
        match (answer, self.place) {
            (RawReply::List(mut items), Some(place)) if !items.is_empty() => {
                let at = place.index(items.len());
                self.change.inside(&mut items, at);
                RawReply::List(items)
            }
            (answer, None) => self.change.whole(answer),
            (answer, _) => answer,
        }
    }
}

impl Change {
    fn inside(&self, items: &mut Vec<RawReply>, at: usize) {
        match self {
            Self::Remove => drop(items.remove(at)),
            Self::Repeat => items.insert(at, items[at].clone()),
            other => items[at] = other.whole(items[at].clone()),
        }
    }

    fn whole(&self, answer: RawReply) -> RawReply {
        match (self, answer) {
            (Self::Replace(other), _) => other.clone(),
            (Self::Remove, _) => RawReply::Other,
            (Self::Repeat, answer) => RawReply::List(vec![answer.clone(), answer]),
            (Self::Nudge(by), RawReply::Int(number)) => RawReply::Int(number.wrapping_add(*by)),
            (Self::Nudge(by), RawReply::Text(mut text)) => {
                let at = usize::try_from(by.unsigned_abs()).unwrap_or(0);
                if text.is_char_boundary(at) {
                    text.insert(at, '0');
                }
                RawReply::Text(text)
            }
            (Self::Nudge(_), answer) => answer,
        }
    }
}
