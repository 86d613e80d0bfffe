//! What the server says: at times the truth, at times not.

use super::*;
use crate::protocol::request::{CommandError, CommandId};
use crate::protocol::tests::byzantine::steps::Said;
use crate::types::fence::{Fence, FenceRange};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Renewal};
use crate::wire::keyspace::WAITER_LEASE;
use crate::wire::reply::{
    AcquireReply, Notification, RawReply, RenewalReply, Reply, parse_notification,
};
use crate::wire::tests::spoken::spoken;

impl World {
    pub(crate) fn reply(&mut self, which: Index, said: &Said) {
        if self.calls.is_empty() {
            return;
        }
        let (id, call, sent) = self.calls.remove(which.index(self.calls.len()));
        let reply = match said {
            Said::Truth => Ok(self.truth(&call)),
            Said::Changed(mutation) => {
                let truth = self.truth(&call);
                garbled(call.decode(&mutation.apply(spoken(&call, &truth))))
            }
            Said::Astray(which) if !self.calls.is_empty() => {
                let (_, other, _) = which.get(&self.calls).clone();
                let truth = self.truth(&other);
                garbled(call.decode(&spoken(&other, &truth)))
            }
            Said::Astray(_) => Err(CommandError::InvalidReply("nothing".to_owned())),
            Said::Answer(answer) => garbled(call.decode(answer)),
            Said::Granted(above) => {
                let first = (self.min_fence.get() + u64::from(*above)).saturating_sub(20);
                garbled(call.decode(&RawReply::Int(first.try_into().expect("small"))))
            }
            Said::Error(which) => Err(error(*which)),
        };
        self.learn(&call, sent, &reply);
        self.protocol.reply(self.now, id, reply);
    }

    pub(crate) fn reply_again(&mut self, which: Index, answer: &RawReply) {
        let id = which.index(1000) as CommandId;
        if self.calls.iter().all(|&(open, ..)| open != id) {
            let reply = Reply::Acquire(AcquireReply::Granted(crate::wire::reply::Grant {
                fences: FenceRange::new(Fence::new(self.min_fence.get() + 1), 1),
                contended: *answer == RawReply::Other,
            }));
            self.protocol.reply(self.now, id, Ok(reply));
        }
    }

    /// What a correct server does and answers.
    pub(crate) fn truth(&mut self, call: &Command) -> Reply {
        let granted_by_push = &mut self.granted_by_push;
        let mut publish = |_: &str, notice: Option<_>| {
            granted_by_push.extend(notice);
            true
        };
        let reply = self.memory.call(self.now.as_nanos() / 1000, call, &mut publish);
        reply.expect("one master draws tokens")
    }

    pub(crate) fn message(&mut self, text: &str) {
        if let Some(notice) = parse_notification(text) {
            self.notice(notice);
        }
    }

    pub(crate) fn notice(&mut self, notice: Notification) {
        if let Notification::Granted(id, fences) = notice {
            if let Some(known) = self.requests.get(&id) {
                let until = ends(known.sent, WAITER_LEASE);
                let own = known.sent.plus(known.ttl.saturating_sub(clock_margin(known.ttl)));
                self.grant(id, fences, until.min(own));
            } else {
                self.min_fence = self.min_fence.max(fences.last());
            }
        }
        self.protocol.notification(self.now, notice);
    }

    /// Remembers what this reply gives to whom.
    pub(crate) fn learn(
        &mut self,
        call: &Command,
        sent: Timestamp,
        reply: &Result<Reply, CommandError>,
    ) {
        match (call, reply) {
            (Command::Acquire(ask), Ok(Reply::Acquire(AcquireReply::Granted(grant)))) => {
                self.grant(ask.request.id, grant.fences, ends(sent, ask.ttl));
            }
            (Command::AcquireAll(asks), Ok(Reply::AcquiredAll(Some(fences)))) => {
                let mut rest = *fences;
                for ask in asks {
                    let fence = rest.take().expect("as many as were asked for");
                    self.grant(ask.request.id, FenceRange::new(fence, 1), ends(sent, ask.ttl));
                }
            }
            (Command::Renew(entries), Ok(Reply::Renewed(replies))) => {
                for (entry, reply) in entries.iter().zip(replies) {
                    self.renewed(entry, *reply, sent);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn renewed(&mut self, entry: &Renewal, reply: RenewalReply, sent: Timestamp) {
        if let Renewal::Hold { id, ttl, .. } = entry
            && matches!(reply, RenewalReply::Renewed | RenewalReply::RenewedContended)
            && let Some(known) = self.requests.get_mut(id)
        {
            known.until = known.until.max(ends(sent, *ttl));
        }
    }

    pub(crate) fn grant(&mut self, id: RequestId, fences: FenceRange, until: Timestamp) {
        self.min_fence = self.min_fence.max(fences.last());
        self.grants.push((id, fences, until));
        if let Some(known) = self.requests.get_mut(&id) {
            known.until = known.until.max(until);
        }
    }
}
