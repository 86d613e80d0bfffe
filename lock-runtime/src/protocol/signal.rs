//! Outputs about several requests at once.

use crate::protocol::state::Protocol;
use crate::types::request_id::RequestId;
use crate::wire::probe::BlockedRequest;

/// An output about several requests. Polled apart from [`Output`](super::state::Output), with no
/// order between the two.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupOutput {
    /// Probe this wait: answer with [`Protocol::send_probe`], or with [`Protocol::stop_probing`] if
    /// it is over.
    Probe(RequestId),
    /// This wait is part of a deadlock of these requests, this one first. It is not probed any
    /// more.
    Deadlock(RequestId, Vec<BlockedRequest>),
    /// Of [`Protocol::acquire_all`]: the requests of which this is the first are not granted at
    /// once. They have ended.
    NotTogether(RequestId),
}

impl Protocol {
    /// The next output about several requests.
    pub fn poll_signal(&mut self) -> Option<GroupOutput> {
        self.signals.pop_front()
    }
}
