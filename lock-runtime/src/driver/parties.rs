//! Whom the I/O thread acts for, and who hears of what.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::InspectAnswer;
use crate::lease::{Lease, Share};
use crate::protocol::CallId;
use crate::queue::{Answer, Queue, Usher};
use crate::wire::Nonce;

/// Who hears what becomes of a request and of its hold.
pub(super) enum Party {
    /// A caller that waits for its answer.
    Asking(Arc<str>, Usher<Answer>),
    /// One of several that are asked for at once, by the name of the first.
    Member(Arc<str>, Nonce),
    /// A hold of one section.
    Holding(Arc<Lease>),
    /// The queue of a key.
    Queue(Arc<Queue>),
}

impl Party {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Asking(key, _) | Self::Member(key, _) => key,
            Self::Holding(lease) => lease.key(),
            Self::Queue(queue) => queue.key(),
        }
    }
}

/// Several requests that are granted at once or not at all.
pub(super) struct Group {
    pub(super) nonces: Vec<Nonce>,
    /// The holds so far, in the order of the requests.
    pub(super) shares: Vec<Share>,
    pub(super) slot: oneshot::Sender<Vec<Share>>,
}

/// Who hears the reply to a call.
pub(super) enum Asker {
    /// The protocol.
    Machine(CallId),
    /// Somebody who inspects.
    Inspector(oneshot::Sender<InspectAnswer>),
}
