//! A partially received frame. Each element is parsed once.

use super::frame::Kind;

/// A header line longer than this is not RESP. The longest that a server sends are error messages.
const LINE_LIMIT: usize = 64 * 1024;

/// The state of the frame at the start of the buffer.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    /// The parsed length.
    pub(crate) at: usize,
    /// Elements that have begun and not ended; attributes count theirs in addition to what they
    /// describe.
    pub(crate) missing: u64,
    pub(crate) top: Option<Kind>,
    pub(crate) elements: u64,
    pub(crate) word: Option<String>,
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    Incomplete,
    /// It is no RESP.
    Garbage,
}

impl Partial {
    /// Steps over a request in the form of a line.
    pub(crate) fn line(&mut self, buffer: &[u8]) -> Result<(), Halt> {
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let end =
            end.ok_or(if buffer.len() > LINE_LIMIT { Halt::Garbage } else { Halt::Incomplete })?;
        let text = String::from_utf8_lossy(&buffer[..end]);
        self.elements = text.split_whitespace().count() as u64;
        self.word = text.split_whitespace().next().map(str::to_ascii_uppercase);
        self.top = Some(Kind::Inline);
        self.at = end + 1;
        Ok(())
    }

    /// Steps over one element: a scalar, or the head of an aggregate.
    pub(crate) fn element(&mut self, buffer: &[u8]) -> Result<(), Halt> {
        let rest = &buffer[self.at..];
        let line = header(rest)?;
        let (&mark, text) = line.split_first().ok_or(Halt::Garbage)?;
        let head = line.len() + 2;
        match mark {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {
                self.scalar(mark, text, head);
                Ok(())
            }
            b'$' | b'!' | b'=' => self.bulk(rest, head, length(text)?),
            b'*' | b'~' | b'>' => self.aggregate(mark, head, length(text)?.unwrap_or(0)),
            b'%' => self.aggregate(mark, head, double(length(text)?)?),
            b'|' => self.attribute(head, double(length(text)?)?),
            _ => Err(Halt::Garbage),
        }
    }

    fn scalar(&mut self, mark: u8, text: &[u8], size: usize) {
        if mark == b'+' {
            self.note(text);
        }
        self.end(size);
    }

    fn bulk(&mut self, rest: &[u8], head: usize, size: Option<u64>) -> Result<(), Halt> {
        let Some(size) = size else {
            self.end(head);
            return Ok(());
        };
        let size = usize::try_from(size).map_err(|_| Halt::Garbage)?;
        let end = head.checked_add(size).ok_or(Halt::Garbage)?;
        let stop = end.checked_add(2).ok_or(Halt::Garbage)?;
        if rest.get(end..stop).ok_or(Halt::Incomplete)? != b"\r\n" {
            return Err(Halt::Garbage);
        }
        self.note(&rest[head..end]);
        self.end(stop);
        Ok(())
    }

    /// An element that has no others in it.
    fn end(&mut self, size: usize) {
        self.begin(Kind::Other, 0);
        self.at += size;
        self.missing -= 1;
    }

    fn aggregate(&mut self, mark: u8, head: usize, elements: u64) -> Result<(), Halt> {
        let kind = match mark {
            b'*' => Kind::Array,
            b'>' => Kind::Push,
            _ => Kind::Other,
        };
        self.begin(kind, elements);
        self.at += head;
        self.missing = (self.missing - 1).checked_add(elements).ok_or(Halt::Garbage)?;
        Ok(())
    }

    fn attribute(&mut self, head: usize, elements: u64) -> Result<(), Halt> {
        self.at += head;
        self.missing = self.missing.checked_add(elements).ok_or(Halt::Garbage)?;
        Ok(())
    }

    /// Knows the top level by being the last thing that is missing: attributes before it add
    /// theirs.
    fn begin(&mut self, kind: Kind, elements: u64) {
        if self.top.is_none() && self.missing == 1 {
            self.top = Some(kind);
            self.elements = elements;
        }
    }

    fn note(&mut self, text: &[u8]) {
        if self.top.is_some() && self.word.is_none() {
            self.word = Some(String::from_utf8_lossy(text).to_ascii_uppercase());
        }
    }
}

/// The line at the start, without its end.
fn header(rest: &[u8]) -> Result<&[u8], Halt> {
    if !rest.first().is_none_or(|mark| b"+-:_,#($!=*~>%|".contains(mark)) {
        return Err(Halt::Garbage);
    }
    let window = &rest[..rest.len().min(LINE_LIMIT)];
    match window.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Ok(&rest[..end]),
        None if window.len() == LINE_LIMIT => Err(Halt::Garbage),
        None => Err(Halt::Incomplete),
    }
}

/// A count of bytes or elements; none for the nulls of RESP2.
fn length(text: &[u8]) -> Result<Option<u64>, Halt> {
    if text == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(text).map_err(|_| Halt::Garbage)?;
    text.parse().map(Some).map_err(|_| Halt::Garbage)
}

fn double(count: Option<u64>) -> Result<u64, Halt> {
    count.unwrap_or(0).checked_mul(2).ok_or(Halt::Garbage)
}
