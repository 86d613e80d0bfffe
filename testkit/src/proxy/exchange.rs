//! The requests and replies of one connection: which reply belongs to which request, and where it is cut.

use super::faults::Cut;
use super::frame::{Frame, Kind};

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Drop,
    /// The connection is closed after this many bytes of it.
    CloseAfter(usize),
}

/// Counts what the server owes. Replies come in the order of their requests, so the number of a reply names
/// its request. (`CLIENT REPLY OFF` is beyond it.)
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    owed: u64,
    paid: u64,
    armed: Option<Cut>,
    /// The reply at which the connection is closed.
    fatal: Option<u64>,
    subscribed: bool,
}

impl Exchange {
    pub(crate) fn arm(&mut self, cut: Cut) {
        self.armed = Some(cut);
    }

    pub(crate) fn disarm(&mut self) {
        self.armed = None;
        self.fatal = None;
    }

    pub(crate) fn request(&mut self, frame: &Frame) -> Verdict {
        if !is_request(frame) {
            return Verdict::Pass;
        }
        match self.armed {
            Some(Cut::BeforeApply) => return Verdict::CloseAfter(0),
            Some(Cut::AfterApply) => {
                self.armed = None;
                self.fatal = Some(self.owed + 1);
            }
            _ => {}
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
        if self.fatal.is_some_and(|fatal| self.paid >= fatal) {
            return Verdict::CloseAfter(0);
        }
        if self.armed == Some(Cut::MidFrame) {
            return Verdict::CloseAfter(frame.bytes.len() / 2);
        }
        Verdict::Pass
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

/// Whether the server answers it: empty lines and empty arrays it skips.
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
