//! A place in the program that takes a lock.

use std::fmt;
use std::panic::Location;

/// What is known of an annotated function when it is compiled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) module: &'static str,
    pub(crate) function: &'static str,
    /// The key as it is written there.
    pub(crate) template: &'static str,
    pub(crate) location: &'static Location<'static>,
}

/// Where a lock is taken. Cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By an annotated function.
    Function(&'static Label),
    /// By hand, on this line.
    Line(&'static Location<'static>),
}

/// The kind of keys that are taken at a place: the key as it is written, or any key that a line takes by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Template {
    Written(&'static str),
    Line(&'static Location<'static>),
}

impl Place {
    pub(crate) const fn template(self) -> Template {
        match self {
            Self::Function(label) => Template::Written(label.template),
            Self::Line(location) => Template::Line(location),
        }
    }

    /// Who takes it, for those who wait for it to read.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Function(label) => format!("{}::{}", label.module, label.function),
            Self::Line(location) => location.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(Label { module, function, location, .. }) => {
                write!(f, "{module}::{function} at {}:{}", location.file(), location.line())
            }
            Self::Line(location) => write!(f, "{}:{}", location.file(), location.line()),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(template) => write!(f, "\"{template}\""),
            Self::Line(location) => {
                write!(f, "the lock of {}:{}", location.file(), location.line())
            }
        }
    }
}
