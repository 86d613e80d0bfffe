//! What a server sends, decoded.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::{fmt, io};

/// A reply, a part of one, or a push.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nil,
    /// The simple string `OK`.
    Okay,
    Int(i64),
    Double(f64),
    Boolean(bool),
    BulkString(Vec<u8>),
    /// Also a verbatim string, and a number too large for [`Self::Int`].
    SimpleString(String),
    /// Also a set.
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Push {
        kind: PushKind,
        data: Vec<Self>,
    },
    ServerError(ServerError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushKind {
    Message,
    Subscribe,
    SMessage,
    SSubscribe,
    SUnsubscribe,
    Other,
}

/// An error reply as the server sent it: a code, and words behind a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerError(String);

/// Why a conversation with a server does not go on.
#[derive(Debug)]
pub(crate) enum WireError {
    Server(ServerError),
    Io(io::Error),
    /// The server sent something else than was expected.
    Unexpected(&'static str),
}

/// The next answer; nil if there is none.
pub(crate) fn next(answers: &mut impl Iterator<Item = Value>) -> Value {
    answers.next().unwrap_or(Value::Nil)
}

impl ServerError {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    pub(crate) fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// What follows the code.
    pub(crate) fn detail(&self) -> &str {
        self.0.split_once(' ').map_or("", |(_, detail)| detail)
    }

    pub(crate) fn words(&self) -> &str {
        self.0.trim_end()
    }
}

impl Value {
    /// The first error in it, or else the value.
    pub(crate) fn extract_error(self) -> Result<Self, WireError> {
        match self.error() {
            Some(error) => Err(WireError::Server(error.clone())),
            None => Ok(self),
        }
    }

    fn error(&self) -> Option<&ServerError> {
        match self {
            Self::ServerError(error) => Some(error),
            Self::Array(items) | Self::Push { data: items, .. } => {
                items.iter().find_map(Self::error)
            }
            Self::Map(pairs) => {
                pairs.iter().find_map(|(name, value)| name.error().or_else(|| value.error()))
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
            Self::SimpleString(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn into_text(self) -> Result<String, WireError> {
        match self.extract_error()? {
            Self::BulkString(bytes) => {
                String::from_utf8(bytes).map_err(|_| WireError::Unexpected("a text is not UTF-8"))
            }
            Self::SimpleString(text) => Ok(text),
            Self::Okay => Ok("OK".to_owned()),
            Self::Int(number) => Ok(number.to_string()),
            Self::Double(number) => Ok(number.to_string()),
            _ => Err(WireError::Unexpected("a reply is no text")),
        }
    }

    /// A number, which may be written as a text.
    pub(crate) fn into_number(self) -> Result<i64, WireError> {
        let number = match self.extract_error()? {
            Self::Int(number) => Some(number),
            #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
            Self::Double(number) => Some(number as i64),
            other => other.as_text().and_then(|text| text.parse().ok()),
        };
        number.ok_or(WireError::Unexpected("a reply is no number"))
    }

    pub(crate) fn into_list(self) -> Result<Vec<Self>, WireError> {
        match self.extract_error()? {
            Self::Array(items) => Ok(items),
            Self::Nil => Ok(Vec::new()),
            _ => Err(WireError::Unexpected("a reply is no list")),
        }
    }

    /// A map of texts, which RESP2 writes as a list.
    pub(crate) fn into_map(self) -> Result<BTreeMap<String, String>, WireError> {
        let entry = |(name, value): (Self, Self)| Ok((name.into_text()?, value.into_text()?));
        match self.extract_error()? {
            Self::Map(pairs) => pairs.into_iter().map(entry).collect(),
            Self::Array(items) if items.len().is_multiple_of(2) => {
                let mut items = items.into_iter();
                std::iter::from_fn(|| items.next().zip(items.next())).map(entry).collect()
            }
            Self::Nil => Ok(BTreeMap::new()),
            _ => Err(WireError::Unexpected("a reply is no map")),
        }
    }
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => f.write_str(error.words()),
            Self::Io(error) => error.fmt(f),
            Self::Unexpected(what) => f.write_str(what),
        }
    }
}
