//! Outputs of the protocol that concern several requests.

use crate::io::dispatcher::Dispatcher;
use crate::io::registry::Subscriber;
use crate::protocol::signal::GroupOutput;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::probe::Probe;

impl Dispatcher {
    pub(crate) fn do_signals(&mut self, now: Timestamp) {
        while let Some(signal) = self.protocol.poll_signal() {
            match signal {
                GroupOutput::Probe(id) => self.probe(now, id),
                GroupOutput::Deadlock(id, cycle) => {
                    if let Some((_, sender)) = self.wait_registrations.remove(&id) {
                        let _ = sender.send(cycle);
                    }
                }
                GroupOutput::NotTogether(first) => {
                    // Dropping the sender reports it.
                    let multi = self.multi_requests.remove(&first);
                    for id in multi.into_iter().flat_map(|multi| multi.ids) {
                        if let Some(Subscriber::GroupMember(..)) = self.subscribers.get(&id) {
                            self.subscribers.remove(&id);
                        }
                    }
                }
            }
        }
    }

    fn probe(&mut self, now: Timestamp, id: RequestId) {
        let Some((wait, _)) = self.wait_registrations.get(&id) else {
            return self.protocol.stop_probing(id);
        };
        let standing = (wait.wait_state)();
        let probe = Probe {
            id,
            chain: standing.chain,
            target: standing.target,
            key: wait.key.to_string(),
            waited: now.since(wait.since),
            owner: wait.owner.clone(),
        };
        self.protocol.send_probe(now, probe);
    }
}
