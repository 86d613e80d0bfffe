//! Streams of frames, whole, in pieces and broken.

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
fn frames_that_arrive_together_are_split() {
    let mut scanner = Scanner::of_replies();
    scanner.feed(REPLIES.concat().as_bytes());
    assert_eq!(texts(&frames(&mut scanner)), REPLIES);
    assert_eq!(scanner.rest(), None);
}

#[test]
fn frames_that_arrive_byte_by_byte_are_returned_when_they_are_complete() {
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
fn a_line_is_a_request_and_not_a_reply() {
    let frame = only(Scanner::of_requests(), "get  a\r\n");
    assert_eq!((frame.kind, frame.word.as_str(), frame.elements), (Kind::Inline, "GET", 2));
    assert_eq!(only(Scanner::of_replies(), "get a\r\n").kind, Kind::Raw);
}

#[test]
fn bytes_that_are_not_resp_pass_unread_from_then_on() {
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
fn sizes_beyond_memory_cause_no_panic() {
    for text in ["$18446744073709551615\r\n", "$9223372036854775807\r\n", "*4294967296\r\n"] {
        let mut scanner = Scanner::of_replies();
        scanner.feed(text.as_bytes());
        let frame = scanner.frame().or_else(|| scanner.rest());
        assert_eq!(frame.map(|frame| frame.bytes), Some(text.as_bytes().to_vec()));
    }
}

/// Feeds the bytes in random pieces and returns the frames, the unfinished one included.
fn in_pieces(random: &mut fastrand::Rng, bytes: &[u8]) -> Vec<Frame> {
    let mut scanner = if random.bool() { Scanner::of_requests() } else { Scanner::of_replies() };
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(random.usize(1..=rest.len()));
        scanner.feed(piece);
        found.extend(frames(&mut scanner));
        rest = behind;
    }
    found.extend(scanner.rest());
    found
}

#[test]
fn no_byte_of_any_stream_is_lost_or_moved() {
    const ALPHABET: &[u8] = b"+-:$*_,#(!=%~>|0129\r\nab?";
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..20_000 {
        let size = random.usize(0..60);
        let mut bytes: Vec<u8> = Vec::new();
        while bytes.len() < size {
            match random.u8(..) {
                0..=99 => bytes.extend(random.choice(REPLIES).unwrap().as_bytes()),
                100..=179 => bytes.extend(b"\r\n"),
                _ => bytes.push(*random.choice(ALPHABET).unwrap()),
            }
        }
        let found = in_pieces(&mut random, &bytes);
        let joined: Vec<u8> = found.into_iter().flat_map(|frame| frame.bytes).collect();
        assert_eq!(joined, bytes);
    }
}
