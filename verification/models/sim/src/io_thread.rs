//! The link of a simulated process. The world plays its keeper and its server.

use std::time::Duration;

use distlock_runtime::verification::{
    self, AfterFailover, Keyspace, SimulatedFleet, SimulatedLink, Timestamp, Timing,
};
use distlock_runtime::{LockManager, Replicas};

/// The settings of a manager that a plan chooses.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The channel on which the process receives grants.
    pub(crate) inbox: String,
    pub(crate) ttl: Duration,
    pub(crate) max_handoffs: u32,
    pub(crate) data_loss_grace: bool,
    pub(crate) after_failover: AfterFailover,
    /// Have to confirm all holds.
    pub(crate) replicas: Replicas,
}

/// Makes a manager and its link in the running process.
pub(crate) fn start(settings: Settings) -> (SimulatedLink, LockManager) {
    let Settings { inbox, ttl, max_handoffs, data_loss_grace, after_failover, replicas } = settings;
    let timing = Timing { data_loss_grace, after_failover, ..Timing::default() };
    verification::simulated(&timing, inbox, ttl, max_handoffs, replicas)
}

/// The same in a cluster: what opens its links, and the link that never connects.
pub(crate) fn start_in_cluster(settings: Settings) -> (SimulatedFleet, SimulatedLink, LockManager) {
    let Settings { inbox, ttl, max_handoffs, data_loss_grace, after_failover, .. } = settings;
    let timing = Timing { data_loss_grace, after_failover, ..Timing::default() };
    let space = space();
    verification::simulated_cluster(&timing, &space, &space.inbox(&inbox), ttl, max_handoffs)
}

/// The names of the keys of a cluster.
pub(crate) fn space() -> Keyspace {
    Keyspace::new("lock:").sharded()
}

/// Whether a release is pending and nothing is scheduled for it.
pub(crate) fn has_stalled_release(link: &SimulatedLink, now: Timestamp) -> bool {
    // A release that the server refuses for long is sent every 250 ms.
    let soon = now.plus(Duration::from_millis(300));
    link.is_releasing() && !link.has_unsent() && link.due().is_none_or(|due| due > soon)
}
