//! One request in the line.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::Identity;
use crate::place::Place;
use crate::protocol::{Request, warn_at};
use crate::time::Timestamp;
use crate::wire::{Claimant, Nonce};

/// Tells the requests of one line apart, in the order of their coming.
pub(super) type Number = u64;

/// What somebody asks of a line. Small, as most of them never reach the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) since: Timestamp,
    /// When to stop waiting; `None` waits as long as it takes.
    pub(crate) deadline: Option<Timestamp>,
    /// Whether to wait behind others, or to try once.
    pub(crate) queue: bool,
    pub(crate) terms: Terms,
    /// How long the hold may be kept for the next call when nobody else wants it.
    pub(crate) linger: Duration,
    /// For others to read.
    pub(crate) place: Place,
    /// The label of the request, if it has one of its own.
    pub(crate) label: Option<&'static str>,
}

impl Wish {
    /// A request to the server that comes past the line: its hold is handed on to nobody.
    pub(crate) fn request(&self, key: &Arc<str>, nonce: Nonce, identity: &Identity) -> Request {
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
            who: self.claimant(identity),
        }
    }

    /// Who asks, for others to read.
    pub(super) fn claimant(&self, identity: &Identity) -> Claimant {
        let who = identity.claimant(self.terms.ttl, self.place, self.since);
        identity.labelled(who, self.label)
    }
}

/// The terms of a hold. It is handed on only between requests with the same ones, so that nobody gets less than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) ttl: Duration,
    pub(crate) renew: bool,
    pub(crate) max_hold: Option<Duration>,
}

/// A request that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting<S> {
    pub(super) wish: Wish,
    pub(super) warn_at: Timestamp,
    /// Others of this process came first.
    pub(super) behind: bool,
    pub(super) slot: S,
}

impl<S> Waiting<S> {
    pub(super) fn new(wish: Wish, slot: S) -> Self {
        Self { warn_at: warn_at(wish.since), behind: false, wish, slot }
    }

    /// The next instant at which something is due that no server knows of.
    /// `nothing_before`: until then no request is granted the key. A request with an earlier deadline need not wait for it.
    pub(super) fn due(&self, nothing_before: Timestamp) -> Timestamp {
        match self.wish.deadline {
            Some(deadline) if deadline < nothing_before => self.wish.since,
            Some(deadline) => deadline.min(self.warn_at),
            None => self.warn_at,
        }
    }
}
