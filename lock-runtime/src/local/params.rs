//! What a caller asks of a key.

use std::time::Duration;

use crate::types::owner_info::CallSite;
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
    /// Whether the request goes to the server by itself, so that the server alone decides on the
    /// order. Its lease is not handed to other callers.
    pub alone: bool,
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
    /// The same, alone. A lease that no other caller can take over does not linger.
    pub(super) fn alone(self) -> Self {
        Self { alone: true, linger: Duration::ZERO, ..self }
    }
}
