//! What the server says: at times the truth, at times not.

use super::*;
use crate::protocol::machine::{CallError, CallId};
use crate::protocol::tests::lies::steps::Said;
use crate::types::fence::{Fence, FenceBlock};
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::{Call, Renewal, WAITER_LEASE};
use crate::wire::random::spoken::spoken;
use crate::wire::reply::{AcquireReply, Answer, Notice, RenewalReply, Reply, parse_notice};

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
                garbled(call.decode(mutation.apply(spoken(&call, &truth))))
            }
            Said::Astray(which) if !self.calls.is_empty() => {
                let (_, other, _) = which.get(&self.calls).clone();
                let truth = self.truth(&other);
                garbled(call.decode(spoken(&other, &truth)))
            }
            Said::Astray(_) => Err(CallError::Garbled("nothing".to_owned())),
            Said::Answer(answer) => garbled(call.decode(answer.clone())),
            Said::Granted(above) => {
                let first = (self.floor.get() + u64::from(*above)).saturating_sub(20);
                garbled(call.decode(Answer::Int(first.try_into().expect("small"))))
            }
            Said::Error(which) => Err(error(*which)),
        };
        self.learn(&call, sent, &reply);
        self.machine.reply(self.now, id, reply);
    }

    pub(crate) fn reply_again(&mut self, which: Index, answer: &Answer) {
        let id = which.index(1000) as CallId;
        if self.calls.iter().all(|&(open, ..)| open != id) {
            let reply = Reply::Acquire(AcquireReply::Granted(crate::wire::reply::Grant {
                fences: FenceBlock::new(Fence::new(self.floor.get() + 1), 1),
                waited_for: *answer == Answer::Other,
            }));
            self.machine.reply(self.now, id, Ok(reply));
        }
    }

    /// What a server does and says that does as it is told.
    pub(crate) fn truth(&mut self, call: &Call) -> Reply {
        let pushed = &mut self.pushed;
        let mut publish = |_: &str, notice| {
            pushed.push(notice);
            true
        };
        self.twin.call(self.now.as_nanos() / 1000, call, &mut publish)
    }

    pub(crate) fn message(&mut self, text: &str) {
        if let Some(notice) = parse_notice(text) {
            self.notice(notice);
        }
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        if let Notice::Granted(nonce, fences) = notice {
            if let Some(known) = self.requests.get(&nonce) {
                let until = ends(known.sent, WAITER_LEASE);
                let own = known.sent.plus(known.ttl.saturating_sub(margin(known.ttl)));
                self.grant(nonce, fences, until.min(own));
            } else {
                self.floor = self.floor.max(fences.last());
            }
        }
        self.machine.notice(self.now, notice);
    }

    /// Remembers what this reply gives to whom.
    pub(crate) fn learn(&mut self, call: &Call, sent: Timestamp, reply: &Result<Reply, CallError>) {
        match (call, reply) {
            (Call::Acquire(ask), Ok(Reply::Acquire(AcquireReply::Granted(grant)))) => {
                self.grant(ask.give.nonce, grant.fences, ends(sent, ask.ttl));
            }
            (Call::AcquireAll(asks), Ok(Reply::AcquiredAll(Some(fences)))) => {
                let mut rest = *fences;
                for ask in asks {
                    let fence = rest.take().expect("as many as were asked for");
                    self.grant(ask.give.nonce, FenceBlock::new(fence, 1), ends(sent, ask.ttl));
                }
            }
            (Call::Renew(entries), Ok(Reply::Renewed(replies))) => {
                for (entry, reply) in entries.iter().zip(replies) {
                    self.renewed(entry, *reply, sent);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn renewed(&mut self, entry: &Renewal, reply: RenewalReply, sent: Timestamp) {
        if let Renewal::Hold { nonce, ttl, .. } = entry
            && matches!(reply, RenewalReply::Renewed | RenewalReply::RenewedAndWaitedFor)
            && let Some(known) = self.requests.get_mut(nonce)
        {
            known.until = known.until.max(ends(sent, *ttl));
        }
    }

    pub(crate) fn grant(&mut self, nonce: Nonce, fences: FenceBlock, until: Timestamp) {
        self.floor = self.floor.max(fences.last());
        self.grants.push((nonce, fences, until));
        if let Some(known) = self.requests.get_mut(&nonce) {
            known.until = known.until.max(until);
        }
    }
}
