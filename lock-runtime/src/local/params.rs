//! What a caller asks of a key.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::request::RequestParams;
use crate::types::owner_info::{CallSite, OwnerInfo, ProcessInfo};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

/// The parameters of one acquire. They are `Copy` and small: most requests never reach the server.
#[derive(Clone, Copy, Debug)]
pub struct AcquireParams {
    /// When the caller asked.
    pub since: Timestamp,
    /// When to stop waiting; `None` waits without limit.
    pub deadline: Option<Timestamp>,
    /// Whether to wait behind others, or to try once.
    pub queue: bool,
    pub terms: LeaseTerms,
    /// How long the lease is kept for the next caller after the section, if nobody else wants it.
    pub linger: Duration,
    pub call_site: CallSite,
    /// The label of the request, if it has one of its own.
    pub label: Option<&'static str>,
}

/// The terms of a lease. A handoff needs equal terms on both sides, so that no caller gets less
/// than it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    pub ttl: Duration,
    pub renew: bool,
    pub max_hold: Option<Duration>,
}

impl AcquireParams {
    /// A request that bypasses the local queue: its lease is not handed off.
    pub fn request(&self, key: &Arc<str>, id: RequestId, process: &ProcessInfo) -> RequestParams {
        RequestParams {
            key: Arc::clone(key),
            id,
            since: self.since,
            ttl: self.terms.ttl,
            deadline: self.deadline,
            queue: self.queue,
            renew: self.terms.renew,
            max_hold: self.terms.max_hold,
            queued_locally: false,
            likely_free: false,
            fence_count: 1,
            owner: self.owner_info(process),
        }
    }

    pub(super) fn owner_info(&self, process: &ProcessInfo) -> OwnerInfo {
        let owner = process.owner_info(self.terms.ttl, self.call_site, self.since);
        process.label_owner(owner, self.label)
    }
}
