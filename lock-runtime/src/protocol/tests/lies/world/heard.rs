//! What the machine makes of it, and whether it may.

use super::*;
use crate::protocol::machine::Output;
use crate::protocol::signal::Signal;
use crate::types::fence::FenceBlock;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::Call;
use crate::wire::probe::{Probe, Target};
use crate::wire::random::calls::owner_info;

impl World {
    /// Lets time do what is due and looks at all that comes of it.
    pub(crate) fn after(&mut self) -> Checked {
        self.outputs()?;
        self.machine.tick(self.now);
        self.outputs()?;
        let due = self.machine.next_tick();
        prop_assert!(due.is_none_or(|due| due > self.now), "time stands still");
        prop_assert!(self.machine.floor() >= self.floor, "a token was forgotten");
        Ok(())
    }

    pub(crate) fn outputs(&mut self) -> Checked {
        loop {
            while let Some(output) = self.machine.poll_output() {
                self.output(output)?;
            }
            let Some(signal) = self.machine.poll_signal() else { return Ok(()) };
            self.signal(&signal);
        }
    }

    pub(crate) fn output(&mut self, output: Output) -> Checked {
        match output {
            Output::Send(id, call) => {
                prop_assert!(self.up, "sent without a connection: {call:?}");
                self.sent(&call);
                self.calls.push((id, call, self.now));
            }
            Output::Granted { nonce, grant, valid_until } => {
                self.granted(nonce, grant.fences, valid_until)?;
            }
            Output::Extended(nonce, until) => {
                let known = &self.requests[&nonce];
                prop_assert!(until <= known.until, "{nonce:?} holds longer than was granted");
            }
            Output::Failed(nonce, _) => {
                prop_assert_eq!(self.requests[&nonce].stage, Stage::Wanted, "told twice");
                self.over(nonce);
            }
            Output::Lost(nonce, _) => {
                prop_assert!(self.requests[&nonce].stage == Stage::Held, "lost without a hold");
                self.over(nonce);
            }
            Output::Reconnect => {
                self.up = false;
                self.calls.clear();
            }
            Output::WaitedFor(_)
            | Output::NothingBefore(..)
            | Output::Ended(..)
            | Output::RenewalsRefused(..)
            | Output::EndRefused { .. }
            | Output::Unconfirmed(_)
            | Output::Look(_)
            | Output::StillWaiting { .. } => {}
        }
        Ok(())
    }

    pub(crate) fn sent(&mut self, call: &Call) {
        let nonces: Vec<Nonce> = match call {
            Call::Acquire(ask) => vec![ask.give.nonce],
            Call::AcquireAll(asks) => asks.iter().map(|ask| ask.give.nonce).collect(),
            Call::Renew(entries) => entries.iter().map(nonce_of).collect(),
            _ => Vec::new(),
        };
        for nonce in nonces {
            if let Some(known) = self.requests.get_mut(&nonce) {
                known.sent = self.now;
            }
        }
    }

    pub(crate) fn granted(
        &mut self,
        nonce: Nonce,
        fences: FenceBlock,
        until: Timestamp,
    ) -> Checked {
        let given = self.grants.iter().find(|&&(to, ..)| to == nonce);
        prop_assert!(given.is_some(), "{nonce:?} holds what nobody granted");
        let &(_, granted, latest) = given.expect("just looked");
        let known = self.requests.get_mut(&nonce).expect("only what was asked for is granted");
        prop_assert_eq!(fences, granted, "under other tokens");
        prop_assert!(fences.first() > known.floor, "under a token that is not new");
        prop_assert!(until <= latest, "{nonce:?} holds longer than was granted");
        prop_assert_eq!(known.stage, Stage::Wanted, "granted to one that does not wait");
        known.stage = Stage::Held;
        Ok(())
    }

    pub(crate) fn signal(&mut self, signal: &Signal) {
        match *signal {
            Signal::Probe(id) => {
                let probe = Probe {
                    id,
                    chain: vec![Nonce::from_bits(7)],
                    target: Target::Key,
                    key: "key 0".to_owned(),
                    waited: Duration::ZERO,
                    who: owner_info(),
                };
                self.machine.probe(self.now, probe);
            }
            Signal::NotAtOnce(first) => self.let_go(first),
            Signal::Deadlock(..) => {}
        }
    }

    /// Of a group that was not granted together, whoever was told of a hold nevertheless gives it up.
    pub(crate) fn let_go(&mut self, first: Nonce) {
        for nonce in self.groups.remove(&first).into_iter().flatten() {
            if self.requests[&nonce].stage == Stage::Held {
                self.machine.end(self.now, nonce);
            }
            self.over(nonce);
        }
    }
}
