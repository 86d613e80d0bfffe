//! What the protocol wants done and has to tell.

use std::sync::Arc;

use crate::io::asked::MultiOutcome;
use crate::io::desk::{Dispatcher, Extension, LogTopic};
use crate::io::parties::{ReplyTo, Subscriber, UnclaimedGrant};
use crate::io::report;
use crate::local::grant_channel::PendingGrant;
use crate::local::key_queue::Reclaim;
use crate::local::lease::{Lease, LeaseRef};
use crate::protocol::claim::{Confirmation, Failure, Loss};
use crate::protocol::machine::Output;
use crate::types::fence::Fence;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::{Call, INSPECTED};
use crate::wire::reply::Grant;

impl Dispatcher {
    /// Does what the protocol wants done; its calls gather in the batch.
    pub fn settle(&mut self, now: Timestamp) {
        self.do_signals(now);
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(id, call) => self.batch.push((ReplyTo::Protocol(id), call)),
                Output::Reconnect => self.stalled = true,
                output => self.tell(now, output),
            }
        }
    }

    /// With a connection, what was asked to be looked at can be asked of the server.
    pub(crate) fn inspect(&mut self) {
        let inspections = self.inspections.drain(..);
        self.batch.extend(inspections.map(|(key, slot)| {
            (ReplyTo::Inspect(slot), Call::Inspect { key: key.into(), limit: INSPECTED })
        }));
    }

    fn tell(&mut self, now: Timestamp, output: Output) {
        match output {
            Output::Granted { nonce, grant, valid_until } => {
                self.granted(now, nonce, grant, valid_until);
            }
            Output::Failed(nonce, failure) => {
                let party = self.parties.remove(&nonce);
                if let (Some(party), Failure::Busy(_)) = (&party, &failure) {
                    report::gave_up(&party.key(), 1);
                }
                match party {
                    Some(Subscriber::Caller(_, slot)) => drop(slot.send(Err(failure))),
                    Some(Subscriber::Queue(queue)) => queue.failed(now, nonce, failure),
                    Some(Subscriber::GroupMember(..) | Subscriber::Lease(..)) | None => {}
                }
            }
            Output::Extended(nonce, valid_until) => {
                self.extended(now, nonce, valid_until);
            }
            Output::Lost(nonce, loss) => self.lost(nonce, loss),
            Output::NothingBefore(nonce, until) => {
                if let Some(Subscriber::Queue(queue)) = self.parties.get(&nonce) {
                    queue.no_grant_before(nonce, until);
                }
            }
            Output::WaitedFor(nonce) => match self.parties.get(&nonce) {
                Some(Subscriber::Queue(queue)) => queue.contended(now, nonce),
                Some(Subscriber::Lease(lease, _)) => lease.mark_contended(),
                Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => {}
            },
            Output::Ended(nonce, held) => {
                for flush in &mut self.flushes {
                    flush.left.remove(&nonce);
                }
                self.confirm(nonce, held.into());
            }
            Output::Unconfirmed(nonce) => self.confirm(nonce, Confirmation::Unknown),
            Output::RenewalsRefused(nonces, why) => self.renewals_refused(&nonces, &why),
            Output::EndRefused { nonce, key, why } => {
                report::end_refused(&key, &why);
                self.confirm(nonce, Confirmation::Refused(why));
            }
            Output::Look(nonce) => self.look(now, nonce),
            Output::StillWaiting { nonce, waited, busy } => {
                let Some(party) = self.parties.get(&nonce) else { return };
                let calls = party.calls();
                let key = party.key();
                if self.may_tell(now, LogTopic::SlowWait(Arc::clone(&key))) {
                    report::still_waiting(&key, calls, waited, busy.as_ref());
                }
            }
            Output::Send(..) | Output::Reconnect => {}
        }
    }

    /// Takes back a hold that no caller has taken up, so that others get the lock: a future that is kept and not polled would
    /// have it for as long as it is renewed.
    fn look(&mut self, now: Timestamp, nonce: Nonce) {
        let taken_back = match self.parties.get_mut(&nonce) {
            Some(Subscriber::Queue(queue)) => match queue.reclaim(now, nonce) {
                Reclaim::NotNeeded => false,
                Reclaim::CheckAt(at) => {
                    self.machine.look_again(nonce, Some(at));
                    false
                }
                Reclaim::Reclaimed => true,
            },
            Some(Subscriber::Lease(_, laid)) => {
                laid.take().is_some_and(|laid| !laid.reclaim().is_empty())
            }
            Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => false,
        };
        if taken_back && let Some(party) = self.parties.get(&nonce) {
            report::not_taken_up(&party.key());
        }
    }

    fn confirm(&mut self, nonce: Nonce, confirmation: Confirmation) {
        self.drop_extensions(nonce);
        if let Some(slot) = self.confirmations.remove(&nonce) {
            let _ = slot.send(confirmation);
        }
    }

    fn renewals_refused(&self, nonces: &[Nonce], why: &Arc<str>) {
        let parties = || nonces.iter().filter_map(|nonce| Some((nonce, self.parties.get(nonce)?)));
        if let Some((_, first)) = parties().next() {
            report::renewals_refused(&first.key(), nonces.len(), why);
        }
        for (&nonce, party) in parties() {
            match party {
                Subscriber::Lease(lease, _) => lease.record_refusal(Arc::clone(why)),
                Subscriber::Queue(queue) => queue.refused(nonce, Arc::clone(why)),
                Subscriber::Caller(..) | Subscriber::GroupMember(..) => {}
            }
        }
    }

    /// A hold is valid for longer, which ends the wait for a renewal, unless that was sent before it was asked for.
    fn extended(&mut self, now: Timestamp, nonce: Nonce, valid_until: Timestamp) {
        match self.parties.get(&nonce) {
            Some(Subscriber::Lease(lease, _)) => lease.set_valid_until(valid_until),
            Some(Subscriber::Queue(queue)) => queue.renewed(nonce, valid_until),
            Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => {}
        }
        let about: Vec<_> = self.extensions.extract_if(.., |one| one.nonce == nonce).collect();
        for extension in about {
            if valid_until >= extension.end {
                let _ = extension.slot.send(valid_until);
            } else {
                self.extend(now, extension);
            }
        }
    }

    /// Renews a hold now. A caller that waits for that learns of the end of the hold too, by its slot.
    pub(crate) fn extend(&mut self, now: Timestamp, extension: Extension) {
        if let Some(end) = self.machine.renew_now(now, extension.nonce, extension.ttl) {
            self.extensions.push(Extension { end, ..extension });
        }
    }

    fn drop_extensions(&mut self, nonce: Nonce) {
        self.extensions.retain(|one| one.nonce != nonce);
    }

    fn granted(&mut self, now: Timestamp, nonce: Nonce, grant: Grant, valid_until: Timestamp) {
        self.lively = true;
        if let Some(Subscriber::Queue(queue)) = self.parties.get(&nonce) {
            return self.deliveries.extend(queue.granted(now, nonce, grant, valid_until));
        }
        let fence = grant.fences.first();
        match self.parties.remove(&nonce) {
            Some(Subscriber::Caller(key, slot)) => {
                let laid = UnclaimedGrant::One(slot.nudge());
                let share = self.hold(key, nonce, fence, valid_until, laid);
                self.deliveries.extend(share.map(|share| PendingGrant::new(share, slot)));
            }
            Some(Subscriber::GroupMember(key, first)) => {
                let Some(group) = self.groups.get(&first) else { return };
                let laid = UnclaimedGrant::All(group.slot.nudge());
                let share = self.hold(key, nonce, fence, valid_until, laid);
                let Some(group) = self.groups.get_mut(&first) else { return };
                group.shares.extend(share);
                if group.shares.len() == group.nonces.len()
                    && let Some(group) = self.groups.remove(&first)
                {
                    drop(group.slot.send(MultiOutcome::Granted(group.shares)));
                }
            }
            Some(Subscriber::Queue(_) | Subscriber::Lease(..)) | None => {
                self.machine.end(now, nonce)
            }
        }
    }

    fn hold(
        &mut self,
        key: Arc<str>,
        nonce: Nonce,
        fence: Fence,
        valid_until: Timestamp,
        laid: UnclaimedGrant,
    ) -> Option<LeaseRef> {
        let keeper = self.mailbox.upgrade()?.lease_backend();
        let (lease, share) = Lease::granted(key, fence, nonce, valid_until, keeper);
        self.parties.insert(nonce, Subscriber::Lease(lease, Some(laid)));
        Some(share)
    }

    fn lost(&mut self, nonce: Nonce, loss: Loss) {
        let lease = match self.parties.get(&nonce) {
            Some(Subscriber::Lease(lease, _)) => {
                lease.mark_lost(loss.clone());
                Some(Arc::clone(lease))
            }
            Some(Subscriber::Queue(queue)) => queue.lost(nonce, loss.clone()),
            Some(Subscriber::Caller(..) | Subscriber::GroupMember(..)) | None => None,
        };
        // By now those who wait for a renewal find the loss.
        self.drop_extensions(nonce);
        if let Some(lease) = lease {
            report::lost(&lease, loss);
        }
    }
}
