//! A property that does not hold.

use std::fmt;

use crate::{Nanos, Property, Request};

/// A property that does not hold of a history, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// When it was broken.
    pub at: Nanos,
    /// Who broke it, when and how, in words; instants are milliseconds from the first event.
    pub text: String,
    /// The requests that it is about.
    pub requests: Vec<Request>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.text)
    }
}
