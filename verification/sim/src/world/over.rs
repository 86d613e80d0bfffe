//! What becomes of requests in the server.

use std::collections::HashSet;

use distlock_runtime::verification::{AcquireReply, Command, Reply, RequestId, RequestRef};

/// The requests that were released or cancelled: none of them is granted anything any more, however late it arrives. And
/// those that were granted: each is released or cancelled, unless something keeps its process from it.
#[derive(Default)]
pub(super) struct Over {
    ids: HashSet<RequestId>,
    /// Granted, and not given back.
    given: HashSet<RequestId>,
    /// How often one was all the same.
    pub(super) granted: u64,
}

impl Over {
    /// The server has done what it was asked.
    pub(super) fn note(&mut self, call: &Command, reply: &Reply) {
        match (call, reply) {
            (
                Command::Free(RequestRef { id, .. })
                | Command::Release(RequestRef { id, .. })
                | Command::Cancel { request: RequestRef { id, .. }, .. },
                _,
            ) => {
                self.given.remove(id);
                self.ids.insert(*id);
            }
            (Command::Acquire(ask), Reply::Acquire(AcquireReply::Granted(_))) => {
                self.grant(ask.request.id);
            }
            (Command::AcquireAll(asks), Reply::AcquiredAll(Some(_))) => {
                for ask in asks {
                    self.grant(ask.request.id);
                }
            }
            _ => {}
        }
    }

    /// It grants something.
    pub(super) fn grant(&mut self, id: RequestId) {
        if self.ids.contains(&id) {
            self.granted += 1;
        } else {
            self.given.insert(id);
        }
    }

    /// How many were granted and not given back.
    pub(super) fn kept(&self) -> u64 {
        self.given.len() as u64
    }
}
