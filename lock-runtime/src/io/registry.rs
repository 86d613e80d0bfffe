//! Who is notified about a request, a lease or a reply.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::io::mailbox::{InspectAnswer, MultiOutcome};
use crate::local::grant_channel::{AcquireOutcome, GrantSender, Nudge};
use crate::local::key_queue::KeyQueue;
use crate::local::lease::{Lease, LeaseRef};
use crate::protocol::request::{CommandId, Failure};
use crate::types::request_id::RequestId;

/// Who is notified about a request and its lease.
pub enum Subscriber {
    Caller(Arc<str>, GrantSender<AcquireOutcome>),
    /// One key of a [`MultiRequest`], with the id of its first.
    GroupMember(Arc<str>, RequestId),
    /// A granted lease, which its caller may not have received yet.
    Lease(Arc<Lease>, Option<UnclaimedGrant>),
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

    /// How many calls wait through it.
    pub fn calls(&self) -> usize {
        match self {
            Self::Caller(..) | Self::GroupMember(..) => 1,
            Self::Lease(..) => 0,
            Self::Queue(queue) => queue.waiter_count(),
        }
    }
}

/// A grant that was sent and may not have been received.
pub enum UnclaimedGrant {
    One(Nudge<AcquireOutcome>),
    All(Nudge<MultiOutcome>),
}

impl UnclaimedGrant {
    /// Takes back what was not received. Dropping it releases it.
    pub fn reclaim(self) -> Vec<LeaseRef> {
        match self {
            Self::One(nudge) => match nudge.reclaim(Err(Failure::Unclaimed)) {
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

/// Several keys that are granted together or not at all.
pub struct MultiRequest {
    pub ids: Vec<RequestId>,
    /// In the order of the requests.
    pub lease_refs: Vec<LeaseRef>,
    pub sender: GrantSender<MultiOutcome>,
}

/// Who gets the reply to a command.
pub enum ReplyTo {
    Protocol(CommandId),
    Inspect(oneshot::Sender<InspectAnswer>),
}
