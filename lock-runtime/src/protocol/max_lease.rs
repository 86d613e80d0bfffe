//! The longest lease of the key space, which a loss of the server's data has to be waited out for.

use std::time::Duration;

use super::in_flight::{CommandError, CommandKind};
use crate::protocol::state::Protocol;
use crate::protocol::timing::RETRY;
use crate::types::time::Timestamp;
use crate::wire::command::Command;
use crate::wire::max_lease::{DataLossGrace, lease_step_for};

/// How soon it is announced again to a server that refused it and has to be repaired.
const RETRY_REFUSED: Duration = Duration::from_secs(1);

/// What is known of the longest lease that any process may be granted.
#[derive(Debug)]
pub(crate) struct MaxLease {
    /// As far as this process knows, and at least what it asks for itself. A step.
    known: Duration,
    /// As last announced to the server and all other processes.
    announced: Duration,
    /// When to announce it again, after the server could not take it.
    retry_at: Option<Timestamp>,
}

impl MaxLease {
    pub(crate) fn new(own: Duration) -> Self {
        Self { known: lease_step_for(own), announced: Duration::ZERO, retry_at: None }
    }
}

impl Protocol {
    /// How a server that lost its data is to go on. When the bound is over no hold of before is valid: neither one with
    /// a ttl of its own, nor one that was pushed just before and is still on its way.
    #[must_use]
    pub const fn data_loss_grace(&self) -> DataLossGrace {
        DataLossGrace { max_lease: self.max_lease.known, waits: self.timing.data_loss_grace }
    }

    /// A call that is about to be sent writes this ttl into the server: one that is longer than all before is announced first.
    pub(crate) fn ensure_max_lease(&mut self, now: Timestamp, lease: Duration) {
        if lease > self.max_lease.known {
            self.max_lease.known = lease_step_for(lease);
            self.announce_max_lease(now);
        }
    }

    /// Another process, or the server, knows of leases of this length.
    pub(crate) fn learn_max_lease(&mut self, max_lease: Duration) {
        self.max_lease.known = self.max_lease.known.max(max_lease);
        self.max_lease.announced = self.max_lease.announced.max(max_lease);
    }

    /// A new connection: its server knows of leases of this length.
    pub(crate) fn max_lease_of_server(&mut self, now: Timestamp, max_lease: Duration) {
        self.max_lease.announced = Duration::ZERO;
        self.learn_max_lease(max_lease);
        self.announce_max_lease(now);
    }

    /// Announces the bound to the server and all processes, before anything else is sent.
    fn announce_max_lease(&mut self, now: Timestamp) {
        let MaxLease { known, announced, .. } = self.max_lease;
        if known > announced && self.down_since.is_none() {
            self.max_lease.announced = known;
            self.send(now, CommandKind::RaiseMaxLease, Command::RaiseMaxLease(known));
        }
    }

    /// The server did not take it.
    pub(crate) fn announcement_failed(&mut self, now: Timestamp, error: &CommandError) {
        let pause = if matches!(error, CommandError::TryAgain(_)) { RETRY } else { RETRY_REFUSED };
        self.max_lease.announced = Duration::ZERO;
        self.max_lease.retry_at = Some(now.plus(pause));
    }

    pub(crate) fn announcement_due(&mut self, now: Timestamp) {
        if self.next_announcement().is_some_and(|at| at <= now) {
            self.max_lease.retry_at = None;
            self.announce_max_lease(now);
        }
    }

    /// When to announce again; never without a connection, as the next one does it.
    pub(crate) fn next_announcement(&self) -> Option<Timestamp> {
        self.max_lease.retry_at.filter(|_| self.down_since.is_none())
    }
}
