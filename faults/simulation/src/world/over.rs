//! Requests that are over for the server.

use std::collections::HashSet;

use crate::wire::{AcquireReply, Call, Give, Nonce, Reply};

/// Those that were released or cancelled. None of them is granted anything any more, however late it arrives.
#[derive(Default)]
pub(super) struct Over {
    nonces: HashSet<Nonce>,
    /// How often one was all the same.
    pub(super) granted: u64,
}

impl Over {
    /// The server has done what it was asked.
    pub(super) fn note(&mut self, call: &Call, reply: &Reply) {
        match (call, reply) {
            (
                Call::Free(Give { nonce, .. })
                | Call::Release(Give { nonce, .. })
                | Call::Cancel { give: Give { nonce, .. }, .. },
                _,
            ) => {
                self.nonces.insert(*nonce);
            }
            (Call::Acquire(ask), Reply::Acquire(AcquireReply::Granted(_))) => {
                self.grant(ask.give.nonce);
            }
            (Call::AcquireAll(asks), Reply::AcquiredAll(Some(_))) => {
                for ask in asks {
                    self.grant(ask.give.nonce);
                }
            }
            _ => {}
        }
    }

    /// It grants something.
    pub(super) fn grant(&mut self, nonce: Nonce) {
        self.granted += u64::from(self.nonces.contains(&nonce));
    }
}
