//! A place in the program that takes a lock.

use std::fmt;
use std::panic::Location;

/// Where a lock is taken, and under which kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The key as it is written there.
    pub(crate) template: &'static str,
    /// Module and name of the function.
    pub(crate) function: (&'static str, &'static str),
    /// The line.
    pub(crate) location: &'static Location<'static>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (module, function) = self.function;
        let (file, line) = (self.location.file(), self.location.line());
        write!(f, "{module}::{function} at {file}:{line}")
    }
}
