//! News and questions about several requests at once.

use crate::protocol::state::Protocol;
use crate::types::request_id::RequestId;
use crate::wire::probe::BlockedRequest;

/// What the machine has to ask and to tell about several requests at once. Polled apart from the outputs, with which it
/// shares no order.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupOutput {
    /// A watched wait is to be probed: answer with [`Protocol::probe`], or with [`Protocol::unwatch`] if it is over.
    Probe(RequestId),
    /// A watched wait never ends: these requests wait for one another, this one first. It is watched no more.
    Deadlock(RequestId, Vec<BlockedRequest>),
    /// Of [`Protocol::request_all`]: the requests of which this is the first are not granted at once. They have ended.
    NotTogether(RequestId),
}

impl Protocol {
    /// The next thing to ask or tell about requests that wait for one another.
    pub fn poll_signal(&mut self) -> Option<GroupOutput> {
        self.signals.pop_front()
    }
}
