//! RESP3: takes values out of a receive buffer.

use std::borrow::Cow;

use crate::backend::redis::value::{PushKind, ServerError, Value, WireError};

/// A server nests its values far less deeply. Deeper ones would exhaust the stack.
const MAX_DEPTH: usize = 32;

/// What something else than a server answers with.
pub(crate) const NOT_RESP: &str = "the server does not speak RESP";

/// What a port that expects TLS may answer with.
pub(crate) const TLS_ALERT: &str = "the server answers with a TLS alert";

/// Bytes that have arrived and are not decoded yet.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    bytes: Vec<u8>,
    /// How many of them are decoded.
    start: usize,
}

impl ReceiveBuffer {
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next value, if all of it has arrived.
    pub(crate) fn next(&mut self) -> Result<Option<Value>, WireError> {
        let mut cursor = Cursor { bytes: &self.bytes, at: self.start };
        match cursor.value(0) {
            Ok(value) => {
                self.start = cursor.at;
                if self.start == self.bytes.len() {
                    self.bytes.clear();
                    self.start = 0;
                }
                Ok(Some(value))
            }
            Err(Stop::Incomplete) => {
                self.bytes.drain(..self.start);
                self.start = 0;
                Ok(None)
            }
            Err(Stop::Invalid(what)) => Err(WireError::Unexpected(what)),
        }
    }
}

/// Why there is no value.
enum Stop {
    Incomplete,
    Invalid(&'static str),
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::Invalid("a value is nested too deeply"));
        }
        let kind = *self.bytes.get(self.at).ok_or(Stop::Incomplete)?;
        self.at += 1;
        match kind {
            b':' => self.number().map(Value::Int),
            b'+' => self.line().map(simple),
            b'-' => self.line().map(|line| Value::ServerError(ServerError::new(line))),
            b'_' => self.line().map(|_| Value::Nil),
            b'$' => match self.length()? {
                None => Ok(Value::Nil),
                Some(length) => self.blob(length).map(|bytes| Value::BulkString(bytes.to_vec())),
            },
            b'*' | b'~' => match self.length()? {
                None => Ok(Value::Nil),
                Some(length) => self.items(length, depth).map(Value::Array),
            },
            b'%' => {
                let length = self.length()?.unwrap_or(0);
                let mut items = self.items(length.saturating_mul(2), depth)?.into_iter();
                let pairs = std::iter::from_fn(|| items.next().zip(items.next()));
                Ok(Value::Map(pairs.collect()))
            }
            b'>' => {
                let length = self.length()?.unwrap_or(0);
                self.items(length, depth).and_then(push)
            }
            b',' => {
                let number = self.line()?.parse();
                number.map(Value::Double).map_err(|_| Stop::Invalid("a number is no number"))
            }
            b'#' => match self.line()? {
                "t" => Ok(Value::Boolean(true)),
                "f" => Ok(Value::Boolean(false)),
                _ => Err(Stop::Invalid("a boolean is neither true nor false")),
            },
            b'(' => self.line().map(|line| Value::SimpleString(line.to_owned())),
            b'!' => self.text().map(|line| Value::ServerError(ServerError::new(line))),
            b'=' => {
                // The format and a colon precede it.
                let text = self.text()?;
                let (_, text) =
                    text.split_once(':').ok_or(Stop::Invalid("a text has no format"))?;
                Ok(Value::SimpleString(text.to_owned()))
            }
            // An attribute precedes the value that it is about.
            b'|' => {
                let length = self.length()?.unwrap_or(0);
                self.items(length.saturating_mul(2), depth)?;
                self.value(depth + 1)
            }
            // The type of a record that is an alert.
            0x15 => Err(Stop::Invalid(TLS_ALERT)),
            _ => Err(Stop::Invalid(NOT_RESP)),
        }
    }

    fn items(&mut self, length: usize, depth: usize) -> Result<Vec<Value>, Stop> {
        // Each item takes three bytes at least: what the server announces is no reason to allocate.
        let mut items = Vec::with_capacity(length.min((self.bytes.len() - self.at) / 3));
        for _ in 0..length {
            items.push(self.value(depth + 1)?);
        }
        Ok(items)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Stop> {
        let length = self.length()?.unwrap_or(0);
        self.blob(length).map(String::from_utf8_lossy)
    }

    fn blob(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(length).ok_or(Stop::Invalid("a length is too large"))?;
        let after = self.bytes.get(end..end.saturating_add(2)).ok_or(Stop::Incomplete)?;
        if after != b"\r\n" {
            return Err(Stop::Invalid("a string is longer than announced"));
        }
        let bytes = &self.bytes[self.at..end];
        self.at = end + 2;
        Ok(bytes)
    }

    /// `None` stands for nil in RESP2.
    fn length(&mut self) -> Result<Option<usize>, Stop> {
        match self.number()? {
            -1 => Ok(None),
            length => {
                usize::try_from(length).map(Some).map_err(|_| Stop::Invalid("a length is negative"))
            }
        }
    }

    fn number(&mut self) -> Result<i64, Stop> {
        let line = self.line()?;
        line.parse().map_err(|_| Stop::Invalid("a number has other characters than digits"))
    }

    fn line(&mut self) -> Result<&'a str, Stop> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\r').ok_or(Stop::Incomplete)?;
        match rest.get(length + 1) {
            None => return Err(Stop::Incomplete),
            Some(b'\n') => {}
            Some(_) => return Err(Stop::Invalid("a line has a carriage return in it")),
        }
        self.at += length + 2;
        std::str::from_utf8(&rest[..length]).map_err(|_| Stop::Invalid("a line is not UTF-8"))
    }
}

fn simple(line: &str) -> Value {
    if line == "OK" { Value::Okay } else { Value::SimpleString(line.to_owned()) }
}

fn push(mut items: Vec<Value>) -> Result<Value, Stop> {
    if items.is_empty() {
        return Err(Stop::Invalid("a push is empty"));
    }
    let data = items.split_off(1);
    let kind = match items.pop() {
        Some(Value::BulkString(kind)) => String::from_utf8_lossy(&kind).into_owned(),
        Some(Value::SimpleString(kind)) => kind,
        _ => return Err(Stop::Invalid("the kind of a push is not a string")),
    };
    let kind = match &*kind {
        "message" => PushKind::Message,
        "subscribe" => PushKind::Subscribe,
        "smessage" => PushKind::SMessage,
        "ssubscribe" => PushKind::SSubscribe,
        "sunsubscribe" => PushKind::SUnsubscribe,
        _ => PushKind::Other,
    };
    Ok(Value::Push { kind, data })
}

#[cfg(test)]
mod tests;
