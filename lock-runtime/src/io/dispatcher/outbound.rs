//! What the protocol outputs: commands for the server and news for subscribers.

use std::sync::Arc;

use crate::io::dispatcher::{Dispatcher, Extension, LogTopic, ReplyTo, Subscriber, UnclaimedGrant};
use crate::io::mailbox::MultiOutcome;
use crate::io::observe;
use crate::local::grant_channel::PendingGrant;
use crate::local::key_queue::Reclaim;
use crate::local::lease::{Lease, LeaseRef};
use crate::protocol::request::{Failure, GroupOutput, Loss, Output, ReleaseOutcome};
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe};
use crate::wire::keyspace::MAX_LISTED_WAITERS;
use crate::wire::reply::Grant;

impl Dispatcher {
    /// Carries out the protocol's outputs. Commands collect in the batch.
    pub fn drain_outputs(&mut self, now: Timestamp) {
        self.do_signals(now);
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
                let subscriber = self.subscribers.remove(&id);
                if let (Some(subscriber), Failure::Busy(_)) = (&subscriber, &failure) {
                    observe::timed_out(&subscriber.key(), 1);
                }
                match subscriber {
                    Some(Subscriber::Caller(_, sender)) => drop(sender.send(Err(failure))),
                    Some(Subscriber::Queue(queue)) => queue.failed(now, id, failure),
                    Some(Subscriber::GroupMember(..) | Subscriber::Lease(..)) | None => {}
                }
            }
            Output::Extended(id, valid_until) => {
                self.extended(now, id, valid_until);
            }
            Output::Lost(id, loss) => self.lost(id, loss),
            Output::NoGrantBefore(id, until) => {
                if let Some(Subscriber::Queue(queue)) = self.subscribers.get(&id) {
                    queue.no_grant_before(id, until);
                }
            }
            Output::Contended(id) => match self.subscribers.get(&id) {
                Some(Subscriber::Queue(queue)) => queue.contended(now, id),
                Some(Subscriber::Lease(lease, _)) => lease.mark_contended(),
                Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => {}
            },
            Output::Finished(id, held) => {
                for flush in &mut self.flushes {
                    flush.left.remove(&id);
                }
                self.confirm(id, held.into());
            }
            Output::ReleaseUnconfirmed(id) => self.confirm(id, ReleaseOutcome::Unknown),
            Output::RenewalsRefused(ids, why) => self.renewals_refused(&ids, &why),
            Output::ReleaseRefused { id, key, why } => {
                observe::release_refused(&key, &why);
                self.confirm(id, ReleaseOutcome::Refused(why));
            }
            Output::CheckClaimed(id) => self.reclaim_unclaimed(now, id),
            Output::StillWaiting { id, waited, busy } => {
                let Some(subscriber) = self.subscribers.get(&id) else { return };
                let calls = subscriber.calls();
                let key = subscriber.key();
                if self.should_log(now, LogTopic::SlowWait(Arc::clone(&key))) {
                    observe::still_waiting(&key, calls, waited, busy.as_ref());
                }
            }
            Output::Send(..) | Output::Reconnect => {}
        }
    }

    /// Takes back a grant that its caller has not received. A future that is kept and not polled
    /// would hold the lock for as long as it is renewed.
    fn reclaim_unclaimed(&mut self, now: Timestamp, id: RequestId) {
        let taken_back = match self.subscribers.get_mut(&id) {
            Some(Subscriber::Queue(queue)) => match queue.reclaim(now, id) {
                Reclaim::NotNeeded => false,
                Reclaim::CheckAt(at) => {
                    self.protocol.check_claimed_at(id, Some(at));
                    false
                }
                Reclaim::Reclaimed => true,
            },
            Some(Subscriber::Lease(_, unclaimed)) => {
                unclaimed.take().is_some_and(|unclaimed| !unclaimed.reclaim().is_empty())
            }
            Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => false,
        };
        if taken_back && let Some(subscriber) = self.subscribers.get(&id) {
            observe::not_taken_up(&subscriber.key());
        }
    }

    fn confirm(&mut self, id: RequestId, confirmation: ReleaseOutcome) {
        self.drop_extensions(id);
        if let Some(sender) = self.confirmations.remove(&id) {
            let _ = sender.send(confirmation);
        }
    }

    fn renewals_refused(&self, ids: &[RequestId], why: &Arc<str>) {
        let subscribers = || ids.iter().filter_map(|id| Some((id, self.subscribers.get(id)?)));
        if let Some((_, first)) = subscribers().next() {
            observe::renewals_refused(&first.key(), ids.len(), why);
        }
        for (&id, subscriber) in subscribers() {
            match subscriber {
                Subscriber::Lease(lease, _) => lease.record_refusal(Arc::clone(why)),
                Subscriber::Queue(queue) => queue.refused(id, Arc::clone(why)),
                Subscriber::Caller(..) | Subscriber::GroupMember(..) => {}
            }
        }
    }

    /// A lease was renewed. That ends an explicit renewal, unless it was sent before that one was
    /// asked for.
    fn extended(&mut self, now: Timestamp, id: RequestId, valid_until: Timestamp) {
        match self.subscribers.get(&id) {
            Some(Subscriber::Lease(lease, _)) => lease.set_valid_until(valid_until),
            Some(Subscriber::Queue(queue)) => queue.renewed(id, valid_until),
            Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => {}
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
        if let Some(Subscriber::Queue(queue)) = self.subscribers.get(&id) {
            return self.pending_grants.extend(queue.granted(now, id, grant, valid_until));
        }
        let fence = grant.fences.first();
        match self.subscribers.remove(&id) {
            Some(Subscriber::Caller(key, sender)) => {
                let unclaimed = UnclaimedGrant::One(sender.nudge());
                let lease_ref = self.create_lease(key, id, fence, valid_until, unclaimed);
                self.pending_grants
                    .extend(lease_ref.map(|lease_ref| PendingGrant::new(lease_ref, sender)));
            }
            Some(Subscriber::GroupMember(key, first)) => {
                let Some(multi) = self.multi_requests.get(&first) else { return };
                let unclaimed = UnclaimedGrant::All(multi.sender.nudge());
                let lease_ref = self.create_lease(key, id, fence, valid_until, unclaimed);
                let Some(multi) = self.multi_requests.get_mut(&first) else { return };
                multi.lease_refs.extend(lease_ref);
                if multi.lease_refs.len() == multi.ids.len()
                    && let Some(multi) = self.multi_requests.remove(&first)
                {
                    drop(multi.sender.send(MultiOutcome::Granted(multi.lease_refs)));
                }
            }
            Some(Subscriber::Queue(_) | Subscriber::Lease(..)) | None => {
                self.protocol.release(now, id);
            }
        }
    }

    fn create_lease(
        &mut self,
        key: Arc<str>,
        id: RequestId,
        fence: Fence,
        valid_until: Timestamp,
        unclaimed: UnclaimedGrant,
    ) -> Option<LeaseRef> {
        let backend = self.mailbox.upgrade()?.lease_backend();
        let (lease, lease_ref) = Lease::granted(key, fence, id, valid_until, backend);
        self.subscribers.insert(id, Subscriber::Lease(lease, Some(unclaimed)));
        Some(lease_ref)
    }

    fn lost(&mut self, id: RequestId, loss: Loss) {
        let lease = match self.subscribers.get(&id) {
            Some(Subscriber::Lease(lease, _)) => {
                lease.mark_lost(loss.clone());
                Some(Arc::clone(lease))
            }
            Some(Subscriber::Queue(queue)) => queue.lost(id, loss.clone()),
            Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => None,
        };
        // Their callers find the loss in the lease.
        self.drop_extensions(id);
        if let Some(lease) = lease {
            observe::lost(&lease, loss);
        }
    }

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
