//! Matches the replies of a connection with its requests, and decides where to cut it.

use super::faults::Cut;
use super::frame::{Frame, Kind};

/// What happens to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Drop,
    /// The connection is closed after this many bytes of it.
    CloseAfter(usize),
}

/// Counts outstanding replies. They come in the order of their requests. (`CLIENT REPLY OFF` is not
/// supported.)
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    owed: u64,
    paid: u64,
    armed: Option<Armed>,
    fatal: Option<Fatal>,
    subscribed: bool,
}

/// A cut that is armed for a request.
#[derive(Debug)]
struct Armed {
    cut: Cut,
    text: Vec<u8>,
}

/// The reply at which the connection is closed.
#[derive(Debug)]
struct Fatal {
    number: u64,
    cut: Cut,
}

impl Exchange {
    /// Cuts at the next request, or at its reply.
    pub(crate) fn arm(&mut self, cut: Cut) {
        self.disarm();
        if cut == Cut::MidFrame {
            self.fatal = Some(Fatal { number: self.paid + 1, cut });
        } else {
            self.arm_at(cut, "");
        }
    }

    /// Cuts at the next request that contains this text, or at its reply.
    pub(crate) fn arm_at(&mut self, cut: Cut, text: &str) {
        self.disarm();
        self.armed = Some(Armed { cut, text: text.as_bytes().to_vec() });
    }

    pub(crate) fn disarm(&mut self) {
        (self.armed, self.fatal) = (None, None);
    }

    pub(crate) fn request(&mut self, frame: &Frame) -> Verdict {
        if !is_request(frame) {
            return Verdict::Pass;
        }
        let armed = self.armed.take_if(|armed| contains(&frame.bytes, &armed.text));
        match armed.map(|armed| armed.cut) {
            Some(Cut::Now | Cut::BeforeApply) => return Verdict::CloseAfter(0),
            Some(cut) => self.fatal = Some(Fatal { number: self.owed + 1, cut }),
            None => {}
        }
        self.owed += self.replies_to(frame);
        Verdict::Pass
    }

    pub(crate) fn reply(&mut self, frame: &Frame, drop_pushes: bool) -> Verdict {
        if frame.kind == Kind::Raw {
            return Verdict::Pass;
        }
        if self.is_message(frame) {
            return if drop_pushes { Verdict::Drop } else { Verdict::Pass };
        }
        self.paid += 1;
        match self.fatal.take_if(|fatal| fatal.number <= self.paid) {
            None => Verdict::Pass,
            Some(Fatal { cut: Cut::MidFrame, .. }) => Verdict::CloseAfter(frame.bytes.len() / 2),
            Some(_) => Verdict::CloseAfter(0),
        }
    }

    /// A subscription is confirmed once for each of its channels.
    fn replies_to(&mut self, request: &Frame) -> u64 {
        if !request.word.ends_with("SUBSCRIBE") {
            return 1;
        }
        self.subscribed = true;
        (request.elements - 1).max(1)
    }

    fn is_message(&self, frame: &Frame) -> bool {
        match frame.kind {
            Kind::Push => !frame.word.ends_with("SUBSCRIBE"),
            Kind::Array => self.subscribed && is_published(frame),
            _ => false,
        }
    }
}

/// Whether the server replies to it: it skips empty lines and empty arrays.
pub(crate) fn is_request(frame: &Frame) -> bool {
    matches!(frame.kind, Kind::Array | Kind::Inline) && frame.elements > 0
}

fn is_published(frame: &Frame) -> bool {
    match frame.word.as_str() {
        "MESSAGE" | "SMESSAGE" => frame.elements == 3,
        "PMESSAGE" => frame.elements == 4,
        _ => false,
    }
}

/// Whether the bytes contain the text.
fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::super::frame::Scanner;
    use super::*;

    fn frame(mut scanner: Scanner, text: &str) -> Frame {
        scanner.feed(text.as_bytes());
        scanner.frame().unwrap()
    }

    impl Exchange {
        fn asked(&mut self, text: &str) -> Verdict {
            self.request(&frame(Scanner::of_requests(), text))
        }

        fn on_reply_bytes(&mut self, text: &str) -> Verdict {
            self.reply(&frame(Scanner::of_replies(), text), true)
        }
    }

    #[test]
    fn the_reply_to_the_request_after_the_arming_is_fatal() {
        let mut exchange = Exchange::default();
        exchange.asked("GET a\r\n");
        exchange.arm(Cut::AfterApply);
        assert_eq!(exchange.asked("GET b\r\n"), Verdict::Pass);
        assert_eq!(exchange.on_reply_bytes("+a\r\n"), Verdict::Pass);
        assert_eq!(exchange.on_reply_bytes("+b\r\n"), Verdict::CloseAfter(0));
    }

    #[test]
    fn a_request_that_does_not_match_leaves_the_cut_armed() {
        let mut exchange = Exchange::default();
        exchange.arm_at(Cut::BeforeApply, "key");
        assert_eq!(exchange.asked("GET a\r\n"), Verdict::Pass);
        assert_eq!(exchange.asked("GET key\r\n"), Verdict::CloseAfter(0));
    }

    #[test]
    fn a_subscription_to_two_channels_is_confirmed_twice() {
        let mut exchange = Exchange::default();
        exchange.asked("SUBSCRIBE a b\r\n");
        exchange.arm(Cut::AfterApply);
        exchange.asked("PING\r\n");
        for channel in ["a", "b"] {
            let confirmation = format!("*3\r\n+subscribe\r\n+{channel}\r\n:1\r\n");
            assert_eq!(exchange.on_reply_bytes(&confirmation), Verdict::Pass);
        }
        assert_eq!(exchange.on_reply_bytes("*3\r\n+message\r\n+a\r\n+text\r\n"), Verdict::Drop);
        assert_eq!(exchange.on_reply_bytes("+PONG\r\n"), Verdict::CloseAfter(0));
    }

    #[test]
    fn input_that_the_server_skips_is_not_a_request() {
        let mut exchange = Exchange::default();
        exchange.arm(Cut::BeforeApply);
        for text in ["\r\n", "*0\r\n", "*-1\r\n"] {
            assert_eq!(exchange.asked(text), Verdict::Pass, "{text:?}");
        }
        assert_eq!(exchange.asked("*1\r\n$4\r\nPING\r\n"), Verdict::CloseAfter(0));
    }

    #[test]
    fn a_push_is_not_a_reply() {
        let mut exchange = Exchange::default();
        exchange.arm(Cut::MidFrame);
        assert_eq!(exchange.on_reply_bytes(">2\r\n+invalidate\r\n_\r\n"), Verdict::Drop);
        assert_eq!(exchange.on_reply_bytes("+12345\r\n"), Verdict::CloseAfter(4));
    }
}
