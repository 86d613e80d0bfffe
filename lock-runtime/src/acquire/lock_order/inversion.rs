//! Locks that are taken in opposite orders.

use std::cmp::Ordering;
use std::fmt;

use crate::acquire::lock_order::Edge;

/// Two orders that contradict each other, as people want to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inversion {
    /// The order that was seen last.
    pub(crate) new: Edge,
    /// The way from its inner key pattern back to its outer one, seen before.
    pub(crate) back: Vec<Edge>,
    /// How the outer key of the new order compares to the inner one, if both have the same key pattern.
    keys: Option<Ordering>,
}

impl Inversion {
    pub(crate) const fn new(new: Edge, back: Vec<Edge>, keys: Option<Ordering>) -> Self {
        Self { new, back, keys }
    }
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
            "; take them in one order everywhere, or together: a list of keys, or `lock_many`",
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
