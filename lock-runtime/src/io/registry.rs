//! Whom the I/O thread acts for, and who hears of what.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::io::futures::MultiOutcome;
use crate::io::mailbox::InspectAnswer;
use crate::local::grant_channel::AcquireOutcome;
use crate::local::grant_channel::{GrantSender, Nudge};
use crate::local::key_queue::KeyQueue;
use crate::local::lease::{Lease, LeaseRef};
use crate::protocol::claim::Failure;
use crate::protocol::machine::CallId;
use crate::types::request_id::Nonce;

/// Who hears what becomes of a request and of its hold.
pub enum Subscriber {
    /// A caller that waits for its answer.
    Caller(Arc<str>, GrantSender<AcquireOutcome>),
    /// One of several that are asked for at once, by the name of the first.
    GroupMember(Arc<str>, Nonce),
    /// A hold of one section, and where it was laid for the request.
    Lease(Arc<Lease>, Option<UnclaimedGrant>),
    /// The queue of a key.
    Queue(Arc<KeyQueue>),
}

impl Subscriber {
    pub fn key(&self) -> Arc<str> {
        match self {
            Self::Caller(key, _) | Self::GroupMember(key, _) => Arc::clone(key),
            Self::Lease(lease, _) => lease.key().into(),
            Self::Queue(queue) => Arc::clone(queue.key()),
        }
    }

    /// How many calls wait by it.
    pub fn calls(&self) -> usize {
        match self {
            Self::Caller(..) | Self::GroupMember(..) => 1,
            Self::Lease(..) => 0,
            Self::Queue(queue) => queue.waiter_count(),
        }
    }
}

/// An answer that may not have been taken up yet.
pub enum UnclaimedGrant {
    One(Nudge<AcquireOutcome>),
    All(Nudge<MultiOutcome>),
}

impl UnclaimedGrant {
    /// Takes the holds back, if no caller has taken them up. Dropping them ends them.
    pub fn reclaim(self) -> Vec<LeaseRef> {
        match self {
            Self::One(nudge) => match nudge.reclaim(Err(Failure::NotTakenUp)) {
                Some(Ok(lease_ref)) => vec![lease_ref],
                Some(Err(_)) | None => Vec::new(),
            },
            Self::All(nudge) => match nudge.reclaim(MultiOutcome::NotTakenUp) {
                Some(MultiOutcome::Granted(lease_refs)) => lease_refs,
                Some(MultiOutcome::NotTakenUp) | None => Vec::new(),
            },
        }
    }
}

/// Several requests that are granted at once or not at all.
pub struct MultiRequest {
    pub nonces: Vec<Nonce>,
    /// The holds so far, in the order of the requests.
    pub lease_refs: Vec<LeaseRef>,
    pub sender: GrantSender<MultiOutcome>,
}

/// Who hears the reply to a call.
pub enum ReplyTo {
    /// The protocol.
    Protocol(CallId),
    /// Somebody who inspects.
    Inspect(oneshot::Sender<InspectAnswer>),
}
