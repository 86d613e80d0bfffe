//! What the verification crates use of the runtime. Not part of the API: the module exists only
//! under `cfg(distlock_verification)`, which only the workspace of these crates sets. No cargo
//! feature sets it.

use std::time::Duration;

use crate::acquire::core::CoreSettings;
use crate::acquire::options::Options;
use crate::api::manager::LockManager;
use crate::link::effect::StatusChanges;
use crate::link::links::Links;
use crate::types::fence::Fence;
use crate::types::server_kind::ServerKind;

pub use crate::backend::memory::store::MemoryStore;
pub use crate::backend::memory::store::key_state::Publish;
#[cfg(feature = "__shuttle")]
pub use crate::backend::modelled::{Accept, ModelledConnection};
#[cfg(feature = "__shuttle")]
pub use crate::link::modelled::ModelledLink;
pub use crate::link::simulated::{ReplyTargets, SimulatedFleet, SimulatedLink};
pub use crate::link::threads::pause;
pub use crate::link::wait::{block_on, block_on_with_spin};
pub use crate::local::grant_channel::{
    AcquireOutcome, GrantReceiver, GrantSender, PendingGrant, grant_channel,
};
pub use crate::local::key_queue::{IoHandle, KeyQueue, QueueContext, QueueTable};
pub use crate::local::lease::{Answer, Callback, Lease, LeaseBackend, LeaseRef};
pub use crate::local::queue::{AcquireParams, LeaseTerms};
pub use crate::owner::context::{ContextGuard, InContext, current};
pub use crate::owner::frame::{Frame, SiblingMutex};
pub use crate::owner::frameless::FramelessSection;
pub use crate::owner::section::{OwnerScope, Section};
pub use crate::protocol::Protocol;
pub use crate::protocol::connection::ConnectErrorKind;
pub use crate::protocol::request::{
    CommandError, Failure, Loss, Redirect, ReleaseOutcome, RequestParams,
};
pub use crate::protocol::timing::{AfterFailover, Timing};
pub use crate::types::environment::{Environment, TaskId, install};
pub use crate::types::fence::FenceRange;
pub use crate::types::owner_info::{CallSite, ProcessInfo};
pub use crate::types::replicas::Replicas;
pub use crate::types::request_id::RequestId;
pub use crate::types::time::{Nanos, Timestamp};
pub use crate::wire::command::{Command, Renewal, RequestRef};
pub use crate::wire::keyspace::{
    EVERYONE, Keyspace, MAX_LISTED_WAITERS, Mark, SMALL_FENCE_RANGE, WAITER_LEASE, lease_step_for,
};
pub use crate::wire::reply::{AcquireReply, Grant, Notification, Reply};
pub use crate::wire::slot::Slot;

/// A fencing token with this value. Users get tokens only from the lock.
#[must_use]
pub const fn fence(token: u64) -> Fence {
    Fence::new(token)
}

/// A manager whose connection and keeper are simulated. `replicas`: have to confirm all its holds.
#[must_use]
pub fn simulated(
    timing: &Timing,
    inbox: String,
    ttl: Duration,
    max_handoffs: u32,
    replicas: Replicas,
) -> (SimulatedLink, LockManager) {
    let confirms = replicas != Replicas::None;
    let (link, handle) = SimulatedLink::new(timing, inbox, ttl, confirms);
    let links = Links::One(handle.clone());
    let manager = manager(timing, ttl, max_handoffs, replicas, Keyspace::new("lock:"), links);
    if confirms {
        // It has no other calls, so it needs no other link.
        manager.core().use_for_confirmed(handle);
    }
    (link, manager)
}

/// A manager of the locks of a cluster whose nodes are simulated, the link that belongs to no node,
/// and what makes the others.
#[must_use]
pub fn simulated_cluster(
    timing: &Timing,
    space: &Keyspace,
    inbox: &str,
    ttl: Duration,
    max_handoffs: u32,
) -> (SimulatedFleet, SimulatedLink, LockManager) {
    let (simulated, first, fleet) = SimulatedFleet::new(timing, space, inbox, ttl);
    let manager =
        manager(timing, ttl, max_handoffs, Replicas::None, space.clone(), Links::Cluster(fleet));
    (simulated, first, manager)
}

/// A manager and its link, which runs with its threads under shuttle. `accept` runs the server.
#[cfg(feature = "__shuttle")]
pub fn modelled(
    timing: &Timing,
    inbox: String,
    ttl: Duration,
    max_handoffs: u32,
    accept: Accept,
) -> (ModelledLink, LockManager) {
    let (link, handle) = ModelledLink::start(timing, inbox, ttl, accept);
    (
        link,
        manager(
            timing,
            ttl,
            max_handoffs,
            Replicas::None,
            Keyspace::new("lock:"),
            Links::One(handle),
        ),
    )
}

fn manager(
    timing: &Timing,
    ttl: Duration,
    max_handoffs: u32,
    replicas: Replicas,
    space: Keyspace,
    links: Links,
) -> LockManager {
    let settings = CoreSettings {
        defaults: Options { ttl: Some(ttl), replicas: Some(replicas), ..Options::DEFAULT },
        max_handoffs,
        warn_lock_order: false,
        try_once_timeout: timing.outage_timeout + timing.reply,
        clock_margin: timing.clock_margin,
        label: None,
        metrics_by_key: false,
        server: "simulated".to_owned(),
        server_kind: ServerKind::Single,
        changes: StatusChanges::default(),
        space,
    };
    LockManager::new(links, settings, None)
}
