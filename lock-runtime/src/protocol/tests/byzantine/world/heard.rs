//! What the machine makes of it, and whether it may.

use super::*;
use crate::protocol::request::Output;
use crate::types::fence::FenceRange;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe, WaitTarget};
use crate::wire::tests::calls::owner_info;

impl World {
    /// Lets time do what is due and looks at all that comes of it.
    pub(crate) fn after(&mut self) -> Checked {
        self.outputs()?;
        self.protocol.tick(self.now);
        self.outputs()?;
        let due = self.protocol.next_tick();
        prop_assert!(due.is_none_or(|due| due > self.now), "time stands still");
        prop_assert!(self.protocol.min_fence() >= self.min_fence, "a token was forgotten");
        Ok(())
    }

    pub(crate) fn outputs(&mut self) -> Checked {
        while let Some(output) = self.protocol.poll_output() {
            self.output(output)?;
        }
        Ok(())
    }

    pub(crate) fn output(&mut self, output: Output) -> Checked {
        match output {
            Output::Send(id, call) => {
                prop_assert!(self.up, "sent without a connection: {call:?}");
                self.sent(&call);
                self.calls.push((id, call, self.now));
            }
            Output::Granted { id, grant, valid_until } => {
                self.granted(id, grant.fences, valid_until)?;
            }
            Output::Extended(id, until) => {
                let known = &self.requests[&id];
                prop_assert!(until <= known.until, "{id:?} holds longer than was granted");
            }
            Output::Failed(id, _) => {
                prop_assert_eq!(self.requests[&id].stage, Stage::Wanted, "reported twice");
                self.over(id);
            }
            Output::Lost(id, _) => {
                prop_assert!(self.requests[&id].stage == Stage::Held, "lost without a hold");
                self.over(id);
            }
            Output::Reconnect => {
                self.up = false;
                self.calls.clear();
            }
            Output::Probe(id) => {
                let probe = Probe {
                    id,
                    chain: vec![RequestId::from_bits(7)],
                    target: WaitTarget::Key,
                    key: "key 0".to_owned(),
                    waited: Duration::ZERO,
                    owner: owner_info(),
                };
                self.protocol.send_probe(self.now, probe);
            }
            Output::PutBack(id) => self.protocol.put_back(self.now, id, Some(owner_info())),
            Output::NotTogether(ids) => self.let_go(ids[0]),
            Output::Contended(_)
            | Output::Reclaimed(_)
            | Output::Deadlock(..)
            | Output::NoGrantBefore(..)
            | Output::Finished(..)
            | Output::RenewalsRefused(..)
            | Output::ReleaseRefused { .. }
            | Output::ReleaseUnconfirmed(_)
            | Output::CheckClaimed(_)
            | Output::StillWaiting { .. }
            | Output::Moved(_)
            | Output::SendAsking(..)
            | Output::RefreshTopology => {}
        }
        Ok(())
    }

    pub(crate) fn sent(&mut self, call: &Command) {
        let ids: Vec<RequestId> = match call {
            Command::Acquire(ask) => vec![ask.request.id],
            Command::AcquireAll(asks) => asks.iter().map(|ask| ask.request.id).collect(),
            Command::Renew(entries) => entries.iter().map(nonce_of).collect(),
            _ => Vec::new(),
        };
        for id in ids {
            if let Some(known) = self.requests.get_mut(&id) {
                known.sent = self.now;
            }
        }
    }

    pub(crate) fn granted(
        &mut self,
        id: RequestId,
        fences: FenceRange,
        until: Timestamp,
    ) -> Checked {
        let given = self.grants.iter().find(|&&(to, ..)| to == id);
        prop_assert!(given.is_some(), "{id:?} holds what nobody granted");
        let &(_, granted, latest) = given.expect("just looked");
        let known = self.requests.get_mut(&id).expect("only what was asked for is granted");
        prop_assert_eq!(fences, granted, "under other tokens");
        prop_assert!(fences.first > known.min_fence, "under a token that is not new");
        prop_assert!(until <= latest, "{id:?} holds longer than was granted");
        prop_assert_eq!(known.stage, Stage::Wanted, "granted to one that does not wait");
        known.stage = Stage::Held;
        Ok(())
    }

    /// Members of a group that was not granted as a whole release what they hold.
    pub(crate) fn let_go(&mut self, first: RequestId) {
        for id in self.groups.remove(&first).into_iter().flatten() {
            if self.requests[&id].stage == Stage::Held {
                self.protocol.release(self.now, id);
            }
            self.over(id);
        }
    }
}
