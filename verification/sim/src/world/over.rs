//! What becomes of requests in the server.

use std::collections::HashSet;

use distlock_runtime::verification::{AcquireReply, Call, Give, Nonce, Reply};

/// The requests that were released or cancelled: none of them is granted anything any more, however late it arrives. And
/// those that were granted: each is released or cancelled, unless something keeps its process from it.
#[derive(Default)]
pub(super) struct Over {
    nonces: HashSet<Nonce>,
    /// Granted, and not given back.
    given: HashSet<Nonce>,
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
                self.given.remove(nonce);
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
        if self.nonces.contains(&nonce) {
            self.granted += 1;
        } else {
            self.given.insert(nonce);
        }
    }

    /// How many were granted and not given back.
    pub(super) fn kept(&self) -> u64 {
        self.given.len() as u64
    }
}
