//! Whom the I/O thread acts for, and who hears of what.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::InspectAnswer;
use super::asked::AtOnce;
use crate::lease::{Lease, Share};
use crate::protocol::{CallId, Failure};
use crate::queue::{Answer, Bell, Queue, Usher};
use crate::wire::Nonce;

/// Who hears what becomes of a request and of its hold.
pub(super) enum Party {
    /// A caller that waits for its answer.
    Asking(Arc<str>, Usher<Answer>),
    /// One of several that are asked for at once, by the name of the first.
    Member(Arc<str>, Nonce),
    /// A hold of one section, and where it was laid for the request.
    Holding(Arc<Lease>, Option<Laid>),
    /// The queue of a key.
    Queue(Arc<Queue>),
}

impl Party {
    pub(super) fn key(&self) -> Arc<str> {
        match self {
            Self::Asking(key, _) | Self::Member(key, _) => Arc::clone(key),
            Self::Holding(lease, _) => lease.key().into(),
            Self::Queue(queue) => Arc::clone(queue.key()),
        }
    }

    /// How many calls wait by it.
    pub(super) fn calls(&self) -> usize {
        match self {
            Self::Asking(..) | Self::Member(..) => 1,
            Self::Holding(..) => 0,
            Self::Queue(queue) => queue.waiting(),
        }
    }
}

/// An answer that may not have been taken up yet.
pub(super) enum Laid {
    One(Bell<Answer>),
    All(Bell<AtOnce>),
}

impl Laid {
    /// Takes the holds back, if no caller has taken them up. Dropping them ends them.
    pub(super) fn take_back(self) -> Vec<Share> {
        match self {
            Self::One(bell) => match bell.take_back(Err(Failure::NotTakenUp)) {
                Some(Ok(share)) => vec![share],
                Some(Err(_)) | None => Vec::new(),
            },
            Self::All(bell) => match bell.take_back(AtOnce::NotTakenUp) {
                Some(AtOnce::Had(shares)) => shares,
                Some(AtOnce::NotTakenUp) | None => Vec::new(),
            },
        }
    }
}

/// Several requests that are granted at once or not at all.
pub(super) struct Group {
    pub(super) nonces: Vec<Nonce>,
    /// The holds so far, in the order of the requests.
    pub(super) shares: Vec<Share>,
    pub(super) slot: Usher<AtOnce>,
}

/// Who hears the reply to a call.
pub(super) enum Asker {
    /// The protocol.
    Machine(CallId),
    /// Somebody who inspects.
    Inspector(oneshot::Sender<InspectAnswer>),
}
