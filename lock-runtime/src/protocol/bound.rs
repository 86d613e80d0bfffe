//! The longest lease of the key space, which a loss of the server's data has to be waited out for.

use std::time::Duration;

use crate::protocol::machine::{CallError, Machine, Purpose};
use crate::protocol::timing::RETRY;
use crate::types::time::Timestamp;
use crate::wire::bound::{Quarantine, bound_for};
use crate::wire::call::Call;

/// How soon it is announced again to a server that refused it and has to be repaired.
const RETRY_REFUSED: Duration = Duration::from_secs(1);

/// What is known of the longest lease that any process may be granted.
#[derive(Debug)]
pub(crate) struct Bound {
    /// As far as this process knows, and at least what it asks for itself. A step.
    known: Duration,
    /// As last announced to the server and all other processes.
    told: Duration,
    /// When to announce it again, after the server could not take it.
    retry_at: Option<Timestamp>,
}

impl Bound {
    pub(crate) fn new(own: Duration) -> Self {
        Self { known: bound_for(own), told: Duration::ZERO, retry_at: None }
    }
}

impl Machine {
    /// How a server that lost its data is to go on. When the bound is over no hold of before is valid: neither one with
    /// a ttl of its own, nor one that was pushed just before and is still on its way.
    #[must_use]
    pub const fn quarantine(&self) -> Quarantine {
        Quarantine { bound: self.bound.known, waits: self.timing.quarantine }
    }

    /// A call that is about to be sent writes this ttl into the server: one that is longer than all before is announced first.
    pub(crate) fn cover(&mut self, now: Timestamp, lease: Duration) {
        if lease > self.bound.known {
            self.bound.known = bound_for(lease);
            self.announce(now);
        }
    }

    /// Another process, or the server, knows of leases of this length.
    pub(crate) fn learn_bound(&mut self, bound: Duration) {
        self.bound.known = self.bound.known.max(bound);
        self.bound.told = self.bound.told.max(bound);
    }

    /// A new connection: its server knows of leases of this length.
    pub(crate) fn meet_bound(&mut self, now: Timestamp, bound: Duration) {
        self.bound.told = Duration::ZERO;
        self.learn_bound(bound);
        self.announce(now);
    }

    /// Announces the bound to the server and all processes, before anything else is sent.
    fn announce(&mut self, now: Timestamp) {
        let Bound { known, told, .. } = self.bound;
        if known > told && self.down_since.is_none() {
            self.bound.told = known;
            self.send(now, Purpose::Raise, Call::Raise(known));
        }
    }

    /// The server did not take it.
    pub(crate) fn announce_again(&mut self, now: Timestamp, error: &CallError) {
        let pause = if matches!(error, CallError::NotNow(_)) { RETRY } else { RETRY_REFUSED };
        self.bound.told = Duration::ZERO;
        self.bound.retry_at = Some(now.plus(pause));
    }

    pub(crate) fn announcement_due(&mut self, now: Timestamp) {
        if self.next_announcement().is_some_and(|at| at <= now) {
            self.bound.retry_at = None;
            self.announce(now);
        }
    }

    /// When to announce again; never without a connection, as the next one does it.
    pub(crate) fn next_announcement(&self) -> Option<Timestamp> {
        self.bound.retry_at.filter(|_| self.down_since.is_none())
    }
}
