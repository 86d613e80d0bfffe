use std::fmt;

use crate::{Nanos, Property, Request};

/// A property that a history violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The violated property.
    pub property: Property,
    /// When it was violated.
    pub at: Nanos,
    /// A description; times are milliseconds since the first event.
    pub text: String,
    /// The requests involved.
    pub requests: Vec<Request>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.text)
    }
}
