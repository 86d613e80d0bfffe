//! One request in the line.

use std::time::Duration;

use crate::protocol::{Request, warn_at};
use crate::time::Timestamp;
use crate::wire::{Claimant, Nonce};

/// What somebody asks of a line.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// What is asked of the server if it comes to that.
    pub(crate) request: Request,
    /// How long the hold may be kept for the next call when nobody else wants it.
    pub(crate) linger: Duration,
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
    pub(super) slot: S,
}

impl<S> Waiting<S> {
    pub(super) fn new(wish: Wish, slot: S) -> Self {
        Self { warn_at: warn_at(wish.request.since), wish, slot }
    }

    pub(super) fn nonce(&self) -> Nonce {
        self.wish.request.nonce
    }

    /// The next instant at which something is due that no server knows of.
    pub(super) fn due(&self) -> Timestamp {
        self.wish.request.deadline.map_or(self.warn_at, |deadline| deadline.min(self.warn_at))
    }
}

impl Wish {
    pub(crate) fn terms(&self) -> Terms {
        let Request { ttl, renew, max_hold, .. } = self.request;
        Terms { ttl, renew, max_hold }
    }

    pub(super) fn who(self) -> Claimant {
        self.request.who
    }
}
