//! What becomes of requests on the server.

use std::collections::HashSet;

use distlock_runtime::verification::{AcquireReply, Command, Reply, RequestId, RequestRef};

/// Tracks the requests that were released or cancelled, which must never be granted again, however
/// late they arrive, and the granted ones, each of which must be released or cancelled unless a
/// fault prevents it.
#[derive(Default)]
pub(super) struct ReleasedRequests {
    ids: HashSet<RequestId>,
    /// Granted and not released.
    given: HashSet<RequestId>,
    /// How often a released request was granted.
    pub(super) granted: u64,
}

impl ReleasedRequests {
    /// Records a call that the server has executed.
    pub(super) fn note(&mut self, call: &Command, reply: &Reply) {
        match (call, reply) {
            (
                Command::Release { request: RequestRef { id, .. }, .. }
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

    /// Records a grant.
    pub(super) fn grant(&mut self, id: RequestId) {
        if self.ids.contains(&id) {
            self.granted += 1;
        } else {
            self.given.insert(id);
        }
    }

    /// How many are granted and not released.
    pub(super) fn kept(&self) -> u64 {
        self.given.len() as u64
    }
}
