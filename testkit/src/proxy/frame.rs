//! Finds the ends and kinds of RESP2 and RESP3 frames.

use super::partial::{Halt, Partial};

/// The top-level type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Arrays: requests, replies, and the messages of RESP2.
    Array,
    /// `>`: not a reply, unless it confirms a subscription.
    Push,
    /// Any other type.
    Other,
    /// A request in the form of a line.
    Inline,
    /// Not RESP: a run of bytes without known boundaries.
    Raw,
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    /// How many elements the array or push has.
    pub(crate) elements: u64,
    /// The first string in upper case: the name of a command, or the kind of a push.
    pub(crate) word: String,
}

/// Splits a stream into frames.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    buffer: Vec<u8>,
    inline: bool,
    raw: bool,
    partial: Partial,
}

impl Scanner {
    /// For what clients send: lines are requests too.
    pub(crate) fn of_requests() -> Self {
        Self { inline: true, ..Self::default() }
    }

    /// For what servers send.
    pub(crate) fn of_replies() -> Self {
        Self::default()
    }

    /// Adds received bytes.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next complete frame. After a byte that is not RESP, all bytes.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        if self.raw {
            return self.rest();
        }
        match self.scan() {
            Ok(()) => Some(self.take()),
            Err(Halt::Incomplete) => None,
            Err(Halt::Garbage) => {
                self.raw = true;
                self.rest()
            }
        }
    }

    /// The incomplete frame at the end of a stream.
    pub(crate) fn rest(&mut self) -> Option<Frame> {
        let bytes = std::mem::take(&mut self.buffer);
        self.partial = Partial::default();
        (!bytes.is_empty()).then(|| Frame {
            kind: Kind::Raw,
            bytes,
            elements: 0,
            word: String::new(),
        })
    }

    fn scan(&mut self) -> Result<(), Halt> {
        let first = *self.buffer.first().ok_or(Halt::Incomplete)?;
        if self.inline && first != b'*' {
            return self.partial.line(&self.buffer);
        }
        if self.partial.at == 0 {
            self.partial.missing = 1;
        }
        while self.partial.missing > 0 {
            self.partial.element(&self.buffer)?;
        }
        Ok(())
    }

    fn take(&mut self) -> Frame {
        let partial = std::mem::take(&mut self.partial);
        let behind = self.buffer.split_off(partial.at);
        Frame {
            kind: partial.top.unwrap_or(Kind::Raw),
            bytes: std::mem::replace(&mut self.buffer, behind),
            elements: partial.elements,
            word: partial.word.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
