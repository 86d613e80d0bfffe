//! News and questions about several requests at once.

use crate::protocol::machine::Machine;
use crate::types::request_id::Nonce;
use crate::wire::probe::Member;

/// What the machine has to ask and to tell about several requests at once. Polled apart from the outputs, with which it
/// shares no order.
#[derive(Debug, PartialEq, Eq)]
pub enum Signal {
    /// A watched wait is to be probed: answer with [`Machine::probe`], or with [`Machine::unwatch`] if it is over.
    Probe(Nonce),
    /// A watched wait never ends: these requests wait for one another, this one first. It is watched no more.
    Deadlock(Nonce, Vec<Member>),
    /// Of [`Machine::request_all`]: the requests of which this is the first are not granted at once. They have ended.
    NotAtOnce(Nonce),
}

impl Machine {
    /// The next thing to ask or tell about requests that wait for one another.
    pub fn poll_signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }
}
