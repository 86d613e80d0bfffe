//! Outputs of the protocol that concern several requests.

use crate::io::dispatcher::Dispatcher;
use crate::io::registry::Subscriber;
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
                    if let Some((_, sender)) = self.wait_registrations.remove(&id) {
                        let _ = sender.send(cycle);
                    }
                }
                Signal::NotAtOnce(first) => {
                    // Dropping the sender reports it.
                    let multi = self.multi_requests.remove(&first);
                    for nonce in multi.into_iter().flat_map(|multi| multi.nonces) {
                        if let Some(Subscriber::GroupMember(..)) = self.subscribers.get(&nonce) {
                            self.subscribers.remove(&nonce);
                        }
                    }
                }
            }
        }
    }

    fn probe(&mut self, now: Timestamp, id: Nonce) {
        let Some((wait, _)) = self.wait_registrations.get(&id) else {
            return self.machine.unwatch(id);
        };
        let standing = (wait.wait_state)();
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
