//! One request in the line.

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::claim::Request;
use crate::protocol::timing::warn_at;
use crate::types::call_site::CallSite;
use crate::types::owner_info::OwnerInfo;
use crate::types::process_info::ProcessInfo;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;

/// Tells the requests of one line apart, in the order of their coming.
pub(crate) type WaiterId = u64;

/// What somebody asks of a line. Small, as most of them never reach the server.
#[derive(Clone, Copy, Debug)]
pub struct AcquireParams {
    pub since: Timestamp,
    /// When to stop waiting; `None` waits as long as it takes.
    pub deadline: Option<Timestamp>,
    /// Whether to wait behind others, or to try once.
    pub queue: bool,
    pub terms: LeaseTerms,
    /// How long the hold may be kept for the next call when nobody else wants it.
    pub linger: Duration,
    /// For others to read.
    pub call_site: CallSite,
    /// The label of the request, if it has one of its own.
    pub label: Option<&'static str>,
}

impl AcquireParams {
    /// A request to the server that comes past the line: its hold is handed on to nobody.
    pub fn request(&self, key: &Arc<str>, nonce: Nonce, process: &ProcessInfo) -> Request {
        Request {
            key: Arc::clone(key),
            nonce,
            since: self.since,
            ttl: self.terms.ttl,
            deadline: self.deadline,
            queue: self.queue,
            renew: self.terms.renew,
            max_hold: self.terms.max_hold,
            behind: false,
            expects_free: false,
            block: 1,
            who: self.owner_info(process),
        }
    }

    /// Who asks, for others to read.
    pub(crate) fn owner_info(&self, process: &ProcessInfo) -> OwnerInfo {
        let who = process.owner_info(self.terms.ttl, self.call_site, self.since);
        process.labelled(who, self.label)
    }
}

/// The terms of a hold. It is handed on only between requests with the same ones, so that nobody gets less than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    pub ttl: Duration,
    pub renew: bool,
    pub max_hold: Option<Duration>,
}

/// A request that waits for its turn.
#[derive(Debug)]
pub(crate) struct LocalWaiter<S> {
    pub(crate) params: AcquireParams,
    pub(crate) warn_at: Timestamp,
    /// Others of this process came first.
    pub(crate) behind: bool,
    pub(crate) slot: S,
}

impl<S> LocalWaiter<S> {
    pub(crate) fn new(params: AcquireParams, slot: S) -> Self {
        Self { warn_at: warn_at(params.since), behind: false, params, slot }
    }

    /// The next instant at which something is due that no server knows of.
    /// `nothing_before`: until then no request is granted the key. A request with an earlier deadline need not wait for it.
    pub(crate) fn due(&self, nothing_before: Timestamp) -> Timestamp {
        match self.params.deadline {
            Some(deadline) if deadline < nothing_before => self.params.since,
            Some(deadline) => deadline.min(self.warn_at),
            None => self.warn_at,
        }
    }
}
