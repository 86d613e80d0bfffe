//! Where in a program a lock is taken.

use std::fmt;
use std::panic::Location;

/// What is known of an annotated function when it is compiled.
#[derive(Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    pub module: &'static str,
    pub function: &'static str,
    /// The key as it is written there.
    pub key_pattern: &'static str,
    pub location: &'static Location<'static>,
}

/// Where a lock is taken. Cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallSite {
    /// By an annotated function.
    Function(&'static FunctionInfo),
    /// By hand, on this line.
    Line(&'static Location<'static>),
}

/// The kind of keys that are taken at a place: the key as it is written, or any key that a line
/// takes by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPattern {
    Written(&'static str),
    Line(&'static Location<'static>),
}

impl CallSite {
    pub const fn key_pattern(self) -> KeyPattern {
        match self {
            Self::Function(label) => KeyPattern::Written(label.key_pattern),
            Self::Line(location) => KeyPattern::Line(location),
        }
    }

    /// Who takes it, shown to others that wait.
    pub fn name(self) -> String {
        match self {
            Self::Function(label) => format!("{}::{}", label.module, label.function),
            Self::Line(location) => location.to_string(),
        }
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(FunctionInfo { module, function, location, .. }) => {
                write!(f, "{module}::{function} at {}:{}", location.file(), location.line())
            }
            Self::Line(location) => write!(f, "{}:{}", location.file(), location.line()),
        }
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(key_pattern) => write!(f, "\"{key_pattern}\""),
            Self::Line(location) => {
                write!(f, "the lock of {}:{}", location.file(), location.line())
            }
        }
    }
}
