//! Where a frame of RESP2 or RESP3 ends and of which kind it is; what is in it does not matter here.

use super::partial::{Halt, Partial};

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

#[cfg(test)]
mod tests {
    use super::*;

    /// One frame of every type, nested ones and nulls included.
    const REPLIES: [&str; 17] = [
        "+OK\r\n",
        "-ERR no\r\n",
        ":-7\r\n",
        "$5\r\na\r\nbc\r\n",
        "$0\r\n\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n*2\r\n:1\r\n$-1\r\n%1\r\n+a\r\n~1\r\n#t\r\n",
        "_\r\n",
        ",1.5\r\n",
        "#f\r\n",
        "(12345678901234567890\r\n",
        "=7\r\ntxt:abc\r\n",
        "!5\r\nERR x\r\n",
        "%2\r\n+a\r\n*1\r\n:1\r\n+b\r\n_\r\n",
        ">2\r\n+message\r\n|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
    ];

    fn frames(scanner: &mut Scanner) -> Vec<Frame> {
        std::iter::from_fn(|| scanner.frame()).collect()
    }

    fn texts(frames: &[Frame]) -> Vec<String> {
        frames.iter().map(|frame| String::from_utf8(frame.bytes.clone()).unwrap()).collect()
    }

    fn only(mut scanner: Scanner, text: &str) -> Frame {
        scanner.feed(text.as_bytes());
        let mut frames = frames(&mut scanner);
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    #[test]
    fn frames_that_arrive_together_are_told_apart() {
        let mut scanner = Scanner::of_replies();
        scanner.feed(REPLIES.concat().as_bytes());
        assert_eq!(texts(&frames(&mut scanner)), REPLIES);
        assert_eq!(scanner.rest(), None);
    }

    #[test]
    fn frames_that_arrive_byte_by_byte_come_when_they_are_whole() {
        let mut scanner = Scanner::of_replies();
        for reply in REPLIES {
            let (last, others) = reply.as_bytes().split_last().unwrap();
            for byte in others {
                scanner.feed(&[*byte]);
                assert_eq!(scanner.frame(), None, "{reply:?}");
            }
            scanner.feed(&[*last]);
            assert_eq!(texts(&frames(&mut scanner)), [reply]);
        }
    }

    #[test]
    fn a_frame_is_of_the_kind_of_its_top_level() {
        let kind = |text| only(Scanner::of_replies(), text).kind;
        assert_eq!(kind("*1\r\n>1\r\n:1\r\n"), Kind::Array);
        assert_eq!(kind(">1\r\n*1\r\n:1\r\n"), Kind::Push);
        assert_eq!(kind("|1\r\n*1\r\n+a\r\n+b\r\n>1\r\n+c\r\n"), Kind::Push);
        assert_eq!(kind("%1\r\n+a\r\n*1\r\n:1\r\n"), Kind::Other);
    }

    #[test]
    fn the_word_is_the_first_string_behind_attributes() {
        let frame = only(Scanner::of_replies(), "|1\r\n+a\r\n+b\r\n>2\r\n$3\r\nMsg\r\n+d\r\n");
        assert_eq!((frame.word.as_str(), frame.elements), ("MSG", 2));
    }

    #[test]
    fn a_line_is_a_request_and_no_reply() {
        let frame = only(Scanner::of_requests(), "get  a\r\n");
        assert_eq!((frame.kind, frame.word.as_str(), frame.elements), (Kind::Inline, "GET", 2));
        assert_eq!(only(Scanner::of_replies(), "get a\r\n").kind, Kind::Raw);
    }

    #[test]
    fn what_is_no_resp_passes_unread_for_good() {
        for text in ["?\r\n", "*x\r\n", "*-2\r\n", "$1\r\nabc", "%18446744073709551615\r\n"] {
            assert_eq!(only(Scanner::of_replies(), text).bytes, text.as_bytes());
        }
        let mut scanner = Scanner::of_replies();
        scanner.feed(b"*2\r\n:1\r\nnonsense");
        scanner.frame().unwrap();
        scanner.feed(b"+OK\r\n+");
        assert_eq!(texts(&frames(&mut scanner)), ["+OK\r\n+"]);
    }

    #[test]
    fn a_line_without_an_end_is_not_waited_for() {
        let text = "+".repeat(70_000);
        assert_eq!(only(Scanner::of_replies(), &text).kind, Kind::Raw);
        assert_eq!(only(Scanner::of_requests(), &text).kind, Kind::Raw);
    }

    #[test]
    fn sizes_that_no_memory_holds_are_no_reason_to_panic() {
        for text in ["$18446744073709551615\r\n", "$9223372036854775807\r\n", "*4294967296\r\n"] {
            let mut scanner = Scanner::of_replies();
            scanner.feed(text.as_bytes());
            let frame = scanner.frame().or_else(|| scanner.rest());
            assert_eq!(frame.map(|frame| frame.bytes), Some(text.as_bytes().to_vec()));
        }
    }
}
