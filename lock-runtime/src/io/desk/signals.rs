//! What the protocol asks and tells about several requests at once.

use crate::io::desk::Dispatcher;
use crate::io::parties::Subscriber;
use crate::protocol::signal::Signal;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::probe::Probe;

impl Dispatcher {
    pub(crate) fn do_signals(&mut self, now: Timestamp) {
        while let Some(signal) = self.machine.poll_signal() {
            match signal {
                Signal::Probe(id) => self.probe(now, id),
                Signal::Deadlock(id, cycle) => {
                    if let Some((_, slot)) = self.watched.remove(&id) {
                        let _ = slot.send(cycle);
                    }
                }
                Signal::NotAtOnce(first) => {
                    // Dropping the slot says so.
                    let group = self.groups.remove(&first);
                    for nonce in group.into_iter().flat_map(|group| group.nonces) {
                        if let Some(Subscriber::GroupMember(..)) = self.parties.get(&nonce) {
                            self.parties.remove(&nonce);
                        }
                    }
                }
            }
        }
    }

    fn probe(&mut self, now: Timestamp, id: Nonce) {
        let Some((wait, _)) = self.watched.get(&id) else {
            return self.machine.unwatch(id);
        };
        let standing = (wait.stands)();
        let probe = Probe {
            id,
            chain: standing.chain,
            target: standing.target,
            key: wait.key.to_string(),
            waited: now.since(wait.since),
            who: wait.who.clone(),
        };
        self.machine.probe(now, probe);
    }
}
