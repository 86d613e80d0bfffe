//! Where a frame of RESP2 or RESP3 ends and of which kind it is; what is in it does not matter here.

/// A header line longer than this is no RESP: the longest that a server sends are its error texts.
const LINE_LIMIT: usize = 64 * 1024;

/// What a frame is at its top level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Arrays: requests, replies, and the messages of RESP2.
    Array,
    /// `>`: out of turn, hence no reply, except where it confirms a subscription.
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
    /// The first string in it, in capitals: the name of a command, or what a push is about.
    pub(crate) word: String,
}

/// Finds the frames in a stream that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    buffer: Vec<u8>,
    inline: bool,
    raw: bool,
    partial: Partial,
}

/// What is known of the frame at the start of the buffer.
#[derive(Debug, Default)]
struct Partial {
    /// How far it has been read.
    at: usize,
    /// Elements that have begun and not ended; attributes count theirs in addition to what they describe.
    missing: u64,
    top: Option<Kind>,
    elements: u64,
    word: Option<String>,
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halt {
    Incomplete,
    Garbage,
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

    /// Takes the next piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next frame, if it has arrived. After the first byte that is no RESP, whatever there is.
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

    /// What has arrived of a frame that nothing follows.
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

impl Partial {
    fn line(&mut self, buffer: &[u8]) -> Result<(), Halt> {
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
    fn element(&mut self, buffer: &[u8]) -> Result<(), Halt> {
        let rest = &buffer[self.at..];
        let line = header(rest)?;
        let (&mark, text) = line.split_first().ok_or(Halt::Garbage)?;
        let head = line.len() + 2;
        match mark {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => self.scalar(mark, text, head),
            b'$' | b'!' | b'=' => self.bulk(rest, head, length(text)?),
            b'*' | b'~' | b'>' => self.aggregate(mark, head, length(text)?.unwrap_or(0)),
            b'%' => self.aggregate(mark, head, double(length(text)?)?),
            b'|' => self.attribute(head, double(length(text)?)?),
            _ => Err(Halt::Garbage),
        }
    }

    fn scalar(&mut self, mark: u8, text: &[u8], size: usize) -> Result<(), Halt> {
        if mark == b'+' {
            self.note(text);
        }
        self.begin(Kind::Other, 0);
        self.at += size;
        self.missing -= 1;
        Ok(())
    }

    fn bulk(&mut self, rest: &[u8], head: usize, size: Option<u64>) -> Result<(), Halt> {
        let mut end = head;
        if let Some(size) = size {
            let size = usize::try_from(size).map_err(|_| Halt::Garbage)?;
            end = head.checked_add(size).ok_or(Halt::Garbage)?;
            let stop = end.checked_add(2).ok_or(Halt::Garbage)?;
            let tail = rest.get(end..stop).ok_or(Halt::Incomplete)?;
            if tail != b"\r\n" {
                return Err(Halt::Garbage);
            }
            self.note(&rest[head..end]);
            end = stop;
        }
        self.begin(Kind::Other, 0);
        self.at += end;
        self.missing -= 1;
        Ok(())
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

    /// Knows the top level by being the last thing that is missing: attributes before it add theirs.
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
