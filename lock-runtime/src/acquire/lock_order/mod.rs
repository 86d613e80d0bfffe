//! Which locks are taken inside which: a lint that warns of orders which can end in a deadlock
//! before they do.
//!
//! In the manner of the lock order graphs of the Linux kernel's lockdep, Abseil's mutex and
//! `tracing-mutex`, with the key patterns of call sites for nodes. An order that was seen once
//! counts for good, also when nobody waits.

use crate::types::owner_info::{CallSite, KeyPattern};
use crate::user_code;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};
#[cfg(test)]
mod tests;

/// A program has few places that take locks; one that makes patterns without end must not fill the
/// memory.
const MAX_EDGES: usize = 10_000;

static GLOBAL: LazyLock<Mutex<LockOrder>> = LazyLock::new(Mutex::default);

/// Notes that all of `keys` are taken at `inner` while the locks `held` are held. Warns if
/// somewhere else it is the other way round.
pub(crate) fn check<'a>(
    held: impl Iterator<Item = (CallSite, &'a str)>,
    inner: CallSite,
    keys: &[&str],
) {
    for (outer, held) in held {
        for key in keys {
            let mut order = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
            let inversion = order.record(outer, held, inner, key);
            // A subscriber may take locks of its own.
            drop(order);
            if let Some(inversion) = inversion {
                user_code::event!(WARN, "{inversion}");
            }
        }
    }
}

/// The orders seen so far.
#[derive(Debug, Default)]
pub(crate) struct LockOrder {
    edges: HashMap<Direction, Edge>,
    /// The patterns that were taken inside of each.
    inside: HashMap<KeyPattern, Vec<KeyPattern>>,
    reported: HashSet<(KeyPattern, KeyPattern)>,
}

/// An edge of the graph: from one key pattern to another, or between two keys of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Direction {
    outer: KeyPattern,
    inner: KeyPattern,
    /// How the outer key compares to the inner one, where the patterns do not tell them apart.
    keys: Option<Ordering>,
}

/// Where an order was seen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) outer: CallSite,
    pub(crate) inner: CallSite,
}

impl LockOrder {
    /// Notes that `inner` is taken inside `outer`. The inversion that this completes, once for each
    /// pair of patterns; the same key again is re-entry and means nothing.
    pub(crate) fn record(
        &mut self,
        outer: CallSite,
        outer_key: &str,
        inner: CallSite,
        inner_key: &str,
    ) -> Option<Inversion> {
        let keys = outer_key.cmp(inner_key);
        if keys == Ordering::Equal {
            return None;
        }
        let same = outer.key_pattern() == inner.key_pattern();
        let direction = Direction {
            outer: outer.key_pattern(),
            inner: inner.key_pattern(),
            keys: same.then_some(keys),
        };
        if self.edges.contains_key(&direction) || self.edges.len() >= MAX_EDGES {
            return None;
        }
        let edge = Edge { outer, inner };
        self.edges.insert(direction, edge);
        if !same {
            self.inside.entry(outer.key_pattern()).or_default().push(inner.key_pattern());
        }
        let back = self.path_back(direction)?;
        let (outer, inner) = (direction.outer, direction.inner);
        let pair = (outer.min(inner), outer.max(inner));
        self.reported.insert(pair).then_some(Inversion { new: edge, back, keys: direction.keys })
    }

    /// The shortest way from the inner key pattern of a new edge to its outer one.
    fn path_back(&self, new: Direction) -> Option<Vec<Edge>> {
        if let Some(keys) = new.keys {
            let opposite = Direction { keys: Some(keys.reverse()), ..new };
            return self.edges.get(&opposite).map(|edge| vec![*edge]);
        }
        let mut from = HashMap::new();
        let mut next = VecDeque::from([new.inner]);
        while let Some(outer) = next.pop_front() {
            if outer == new.outer {
                return Some(self.edges_to(new, &from));
            }
            for &inner in self.inside.get(&outer).into_iter().flatten() {
                if inner != new.inner && !from.contains_key(&inner) {
                    from.insert(inner, outer);
                    next.push_back(inner);
                }
            }
        }
        None
    }

    fn edges_to(&self, new: Direction, from: &HashMap<KeyPattern, KeyPattern>) -> Vec<Edge> {
        let steps = std::iter::successors(Some(new.outer), |inner| from.get(inner).copied());
        let patterns: Vec<_> = steps.collect();
        let pairs = patterns.windows(2).rev();
        let edge = |pair: &[KeyPattern]| {
            let direction = Direction { outer: pair[1], inner: pair[0], keys: None };
            *self.edges.get(&direction).expect("every neighbour was noted as an edge")
        };
        pairs.map(edge).collect()
    }
}

/// Two orders that contradict each other, as people want to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inversion {
    /// The order that was seen last.
    pub(crate) new: Edge,
    /// The way from its inner key pattern back to its outer one, seen before.
    pub(crate) back: Vec<Edge>,
    /// How the outer key of the new order compares to the inner one, if both have the same key
    /// pattern.
    keys: Option<Ordering>,
}

impl fmt::Display for Inversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("locks are taken in opposite orders, which can end in a deadlock: ")?;
        order(f, &self.new, self.keys)?;
        for (number, edge) in self.back.iter().enumerate() {
            f.write_str(if number == 0 { "; but " } else { ", and " })?;
            order(f, edge, self.keys.map(Ordering::reverse))?;
        }
        f.write_str(
            "; acquire them in one order everywhere, or together: a list of keys, or `mutex_many`",
        )
    }
}

fn order(f: &mut fmt::Formatter<'_>, edge: &Edge, keys: Option<Ordering>) -> fmt::Result {
    let Edge { outer, inner } = edge;
    let key_pattern = outer.key_pattern();
    match keys {
        Some(Ordering::Less) => write!(f, "a larger key of {key_pattern} inside a smaller one")?,
        Some(_) => write!(f, "a smaller key of {key_pattern} inside a larger one")?,
        None => write!(f, "{} inside {key_pattern}", inner.key_pattern())?,
    }
    write!(f, " ({inner}, inside {outer})")
}
