//! What the protocol outputs: commands for the server and news for subscribers.

use std::sync::Arc;

use crate::io::dispatcher::{Dispatcher, Extension, LogTopic, ReplyTo};
use crate::io::observe;
use crate::local::key_queue::Reclaim;
use crate::protocol::request::{Failure, Loss, Output, ReleaseOutcome};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe};
use crate::wire::keyspace::MAX_LISTED_WAITERS;
use crate::wire::reply::{BusyReply, Grant};

impl Dispatcher {
    /// Carries out the protocol's outputs. Commands collect in the batch.
    pub fn drain_outputs(&mut self, now: Timestamp) {
        while let Some(output) = self.protocol.poll_output() {
            match output {
                Output::Send(id, call) => self.batch.push((ReplyTo::Protocol(id), call)),
                Output::Reconnect => self.needs_reconnect = true,
                output => self.handle_output(now, output),
            }
        }
    }

    /// There is a connection: sends the inspections.
    pub(crate) fn inspect(&mut self) {
        let inspections = self.inspections.drain(..);
        self.batch.extend(inspections.map(|(key, sender)| {
            (
                ReplyTo::Inspect(sender),
                Command::Inspect { key: key.into(), limit: MAX_LISTED_WAITERS },
            )
        }));
    }

    fn handle_output(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Granted { id, grant, valid_until } => {
                self.granted(now, id, grant, valid_until);
            }
            Output::Failed(id, failure) => {
                let Some(queue) = self.queues.remove(&id) else { return };
                if let Failure::Busy(_) = failure {
                    observe::timed_out(queue.key(), 1);
                }
                queue.failed(now, id, failure);
            }
            Output::Extended(id, valid_until) => {
                self.extended(now, id, valid_until);
            }
            Output::Lost(id, loss) => self.lost(id, loss),
            Output::NoGrantBefore(id, until) => {
                if let Some(queue) = self.queues.get(&id) {
                    queue.no_grant_before(id, until);
                }
            }
            Output::Contended(id) => {
                if let Some(queue) = self.queues.get(&id) {
                    queue.contended(now, id);
                }
            }
            Output::Finished(id, outcome) => {
                for flush in &mut self.flushes {
                    flush.left.remove(&id);
                }
                self.confirm(id, outcome);
            }
            Output::ReleaseUnconfirmed(id) => self.confirm(id, ReleaseOutcome::Unknown),
            Output::RenewalsRefused(ids, why) => self.renewals_refused(&ids, &why),
            Output::ReleaseRefused { id, key, why } => {
                observe::release_refused(&key, &why);
                self.confirm(id, ReleaseOutcome::Refused(why));
            }
            Output::CheckClaimed(id) => self.reclaim_unclaimed(now, id),
            Output::StillWaiting { id, waited, busy } => {
                let Some(queue) = self.queues.get(&id) else { return };
                let (calls, key) = (queue.waiter_count(), Arc::clone(queue.key()));
                if self.should_log(now, LogTopic::SlowWait(Arc::clone(&key))) {
                    observe::still_waiting(&key, calls, waited, busy.as_ref());
                }
            }
            Output::Probe(id) => self.probe(now, id),
            Output::Deadlock(id, cycle) => {
                if let Some((_, sender)) = self.wait_registrations.remove(&id) {
                    let _ = sender.send(cycle);
                }
            }
            Output::NotTogether(ids) => {
                for id in ids {
                    if let Some(queue) = self.queues.remove(&id) {
                        queue.failed(now, id, Failure::Busy(BusyReply::by_others()));
                    }
                }
            }
            Output::Send(..) | Output::Reconnect => {}
        }
    }

    /// Takes back a grant that its caller has not received. A future that is kept and not polled
    /// would hold the lock for as long as it is renewed.
    fn reclaim_unclaimed(&mut self, now: Timestamp, id: RequestId) {
        let Some(queue) = self.queues.get(&id) else { return };
        match queue.reclaim(now, id) {
            Reclaim::NotNeeded => {}
            Reclaim::CheckAt(at) => self.protocol.check_claimed_at(now, id, Some(at)),
            Reclaim::Reclaimed => observe::not_taken_up(queue.key()),
        }
    }

    fn confirm(&mut self, id: RequestId, confirmation: ReleaseOutcome) {
        self.drop_extensions(id);
        if let Some(sender) = self.confirmations.remove(&id) {
            let _ = sender.send(confirmation);
        }
    }

    fn renewals_refused(&self, ids: &[RequestId], why: &Arc<str>) {
        let queues = || ids.iter().filter_map(|&id| Some((id, self.queues.get(&id)?)));
        if let Some((_, first)) = queues().next() {
            observe::renewals_refused(first.key(), ids.len(), why);
        }
        queues().for_each(|(id, queue)| queue.refused(id, Arc::clone(why)));
    }

    /// A lease was renewed. That ends an explicit renewal, unless it was sent before that one was
    /// asked for.
    fn extended(&mut self, now: Timestamp, id: RequestId, valid_until: Timestamp) {
        if let Some(queue) = self.queues.get(&id) {
            queue.renewed(id, valid_until);
        }
        let about: Vec<_> = self.extensions.extract_if(.., |one| one.id == id).collect();
        for extension in about {
            if valid_until >= extension.end {
                let _ = extension.sender.send(valid_until);
            } else {
                self.extend(now, extension);
            }
        }
    }

    /// Renews a lease now. Its caller is also notified if the lease ends.
    pub(crate) fn extend(&mut self, now: Timestamp, extension: Extension) {
        if let Some(end) = self.protocol.renew_now(now, extension.id, extension.ttl) {
            self.extensions.push(Extension { end, ..extension });
        }
    }

    fn drop_extensions(&mut self, id: RequestId) {
        self.extensions.retain(|one| one.id != id);
    }

    fn granted(&mut self, now: Timestamp, id: RequestId, grant: Grant, valid_until: Timestamp) {
        self.recent_activity = true;
        match self.queues.get(&id) {
            Some(queue) => self.pending_grants.extend(queue.granted(now, id, grant, valid_until)),
            None => self.protocol.release(now, id),
        }
    }

    fn lost(&mut self, id: RequestId, loss: Loss) {
        let lease = self.queues.get(&id).and_then(|queue| queue.lost(id, loss.clone()));
        // Their callers find the loss in the lease.
        self.drop_extensions(id);
        if let Some(lease) = lease {
            observe::lost(&lease, loss);
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
