//! The longest lease of the key space: after a data loss nothing is granted for that long.

use std::time::Duration;

use crate::protocol::in_flight::{CommandError, CommandKind};
use crate::protocol::state::Protocol;
use crate::protocol::timing::RETRY;
use crate::types::time::Timestamp;
use crate::wire::command::Command;
use crate::wire::max_lease::{DataLossGrace, lease_step_for};

/// How soon it is announced again to a server that refused it.
const RETRY_REFUSED: Duration = Duration::from_secs(1);

/// What is known of the longest lease that any process may be granted.
#[derive(Debug)]
pub(crate) struct MaxLease {
    /// The longest lease known to this process, including its own. One of the steps.
    known: Duration,
    /// As last announced.
    announced: Duration,
    /// When to announce it again after a failure.
    retry_at: Option<Timestamp>,
}

impl MaxLease {
    pub(crate) fn new(own: Duration) -> Self {
        Self { known: lease_step_for(own), announced: Duration::ZERO, retry_at: None }
    }
}

impl Protocol {
    /// What to do after a data loss. When the longest lease is over no hold from before is valid,
    /// neither one with a ttl of its own nor a grant that is still in flight.
    #[must_use]
    pub const fn data_loss_grace(&self) -> DataLossGrace {
        DataLossGrace { max_lease: self.max_lease.known, waits: self.timing.data_loss_grace }
    }

    /// Call before a command that writes this ttl: a longer lease than all before is announced
    /// first.
    pub(crate) fn ensure_max_lease(&mut self, now: Timestamp, lease: Duration) {
        if lease > self.max_lease.known {
            self.max_lease.known = lease_step_for(lease);
            self.announce_max_lease(now);
        }
    }

    /// Another process or the server reported leases of this length.
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

    /// The announcement failed.
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
