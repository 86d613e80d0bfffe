//! What a manager knows of its servers without asking them.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use crate::acquire::core::ManagerCore;
use crate::backend::redis::address::NodeAddress;
use crate::error::LockError;
use crate::link::state::LinkStatus;
use crate::link::wait::block_on;
use crate::types::pause::{GrantPause, PauseReason};
use crate::types::server_kind::ServerKind;
use crate::types::time::{self, Timestamp};
use crate::user_code;

/// What a manager knows of its servers, from
/// [`LockManager::status`](crate::LockManager::status) and
/// [`LockManager::watch`](crate::LockManager::watch).
///
/// With the feature `serde`, durations are serialized as milliseconds, in fields with the suffix
/// `_ms`: `down_for_ms`.
///
/// ```
/// # use distlock_runtime as distlock;
/// let locks = distlock::LockManager::connect("memory://")?;
/// println!("{}", locks.status()); // memory, ready, 0 holds, 0 waiting; memory://: connected
/// # Ok::<(), distlock::LockError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ManagerStatus {
    /// Where the locks are.
    pub server: ServerKind,
    /// The server, or the nodes of a cluster that have slots. As long as slots belong to no known
    /// node, the addresses that the manager was given are listed too, as not connected.
    pub nodes: Vec<NodeStatus>,
    /// How many leases of this manager are held by its sections and guards. One that was lost
    /// counts until its code has ended; re-entrant calls and leases that `linger` do not.
    pub holds: usize,
    /// How many requests of this manager have not got their lock yet. One for several keys may
    /// count as several.
    pub waiting: usize,
}

/// A server as its manager sees it. Part of [`ManagerStatus`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NodeStatus {
    /// Its address, without credentials. With Sentinels, that of the primary while it is connected.
    pub address: String,
    /// For how long there has been no connection: since the manager was created if there has been
    /// none. `None` while there is one. A server that stops answering counts as connected until the
    /// reply timeout, 2 s.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "down_for_ms",
            with = "time::serde_optional_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub down_for: Option<Duration>,
    /// Why there is no connection.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub error: Option<String>,
    /// Whether it grants no locks at present, as far as it has said. A manager learns of it when it
    /// connects, and when it asks for a lock. In a cluster each slot has a pause of its own; this
    /// is one that was seen.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pause: Option<GrantPause>,
}

impl ManagerStatus {
    /// Whether requests can be granted: all nodes are connected, and none pauses.
    ///
    /// A process that is not ready keeps its holds: what they protect may go on. See
    /// [`Hold::is_valid`](crate::Hold::is_valid).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.nodes.iter().all(|node| node.is_connected() && node.pause.is_none())
    }

    /// Whether all nodes are connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.nodes.iter().all(NodeStatus::is_connected)
    }
}

impl NodeStatus {
    /// Whether there is a connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.down_for.is_none()
    }
}

/// `single, ready, 2 holds, 0 waiting; 127.0.0.1:6379: connected`
impl fmt::Display for ManagerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, nodes, holds, waiting } = self;
        let ready = if self.is_ready() { "ready" } else { "not ready" };
        write!(f, "{server}, {ready}, {holds} holds, {waiting} waiting")?;
        for (index, node) in nodes.iter().enumerate() {
            write!(f, "{} {node}", if index == 0 { ';' } else { ',' })?;
        }
        Ok(())
    }
}

/// `127.0.0.1:6379: no connection for 2.1s (Connection refused)`
impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match (self.down_for, &self.pause) {
            (Some(down_for), _) => write!(f, "no connection for {down_for:.1?}")?,
            (None, Some(pause)) => write!(f, "{pause}")?,
            (None, None) => f.write_str("connected")?,
        }
        self.error.as_ref().map_or(Ok(()), |error| write!(f, " ({error})"))
    }
}

/// What a watch compares: durations change all the time.
#[derive(PartialEq, Eq)]
struct SeenNode {
    address: String,
    is_connected: bool,
    pause: Option<(Timestamp, PauseReason)>,
}

pub(crate) fn status(core: &ManagerCore) -> ManagerStatus {
    shown(core, links(core))
}

/// Each server with the state of its link. One with two links is connected if both are.
fn links(core: &ManagerCore) -> Vec<(String, LinkStatus)> {
    let mut all: Vec<(String, LinkStatus)> = Vec::new();
    for (node, link) in core.nodes() {
        let status = link.link().status().unwrap_or_else(|| closed(core));
        let address = node.as_ref().map(NodeAddress::to_string).or_else(|| status.address.clone());
        let address = address.unwrap_or_else(|| core.settings().server.clone());
        match all.iter_mut().find(|(known, _)| *known == address) {
            Some((_, known)) => {
                known.outage = known.outage.take().or(status.outage);
                known.pause = known.pause.or(status.pause);
            }
            None => all.push((address, status)),
        }
    }
    all
}

fn shown(core: &ManagerCore, links: Vec<(String, LinkStatus)>) -> ManagerStatus {
    let now = time::now();
    let nodes = links.into_iter().map(|(address, LinkStatus { outage, pause, .. })| {
        let (down_for, error) = outage.unzip();
        let pause = pause.map(|(until, reason)| GrantPause { left: until.since(now), reason });
        NodeStatus { address, down_for, error: error.filter(|why| !why.is_empty()), pause }
    });
    ManagerStatus {
        server: core.settings().server_kind,
        nodes: nodes.collect(),
        holds: core.counts().holds.load(Ordering::Relaxed),
        waiting: core.counts().waiting.load(Ordering::Relaxed),
    }
}

/// The link has ended.
fn closed(core: &ManagerCore) -> LinkStatus {
    let why = match core.closed("") {
        LockError::Closed(detail) => detail.reason.into(),
        error => error.to_string(),
    };
    LinkStatus { address: None, outage: Some((Duration::ZERO, why)), pause: None }
}

/// Yields the status of a manager when it changes, from
/// [`LockManager::watch`](crate::LockManager::watch).
///
/// ```
/// # use distlock_runtime as distlock;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use distlock::LockManager;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let locks = LockManager::connect("memory://")?;
/// let ready = Arc::new(AtomicBool::new(false)); // read by the probe
/// let mut watch = locks.watch();
/// let task = tokio::spawn({
///     let ready = Arc::clone(&ready);
///     async move {
///         while let Some(status) = watch.next().await {
///             ready.store(status.is_ready(), Ordering::Relaxed);
///         }
///         ready.store(false, Ordering::Relaxed);
///     }
/// });
/// # locks.shutdown().await;
/// # task.await.unwrap();
/// # Ok::<(), distlock::LockError>(())
/// # }).unwrap();
/// ```
///
/// # What counts as a change
///
/// A connection that is made or lost, a pause that begins, ends or is prolonged, and nodes that
/// join or leave a cluster. Not the numbers of holds and waiting requests, which change with every
/// call. Of changes in quick succession a slow watch sees the result.
///
/// A watch does not keep its manager alive. Any number of watches may exist.
pub struct StatusWatch {
    core: Weak<ManagerCore>,
    changes: watch::Receiver<()>,
    seen: Option<Vec<SeenNode>>,
}

impl StatusWatch {
    pub(crate) fn new(core: &Arc<ManagerCore>) -> Self {
        let changes = core.settings().changes.subscribe();
        Self { core: Arc::downgrade(core), changes, seen: None }
    }

    /// Blocking form of [`next`](Self::next). Blocks this thread until the status changes.
    ///
    /// ```
    /// # use distlock_runtime as distlock;
    /// let locks = distlock::LockManager::connect("memory://")?;
    /// let mut watch = locks.watch();
    /// let status = watch.next_blocking().expect("the manager is not shut down");
    /// assert!(status.is_connected());
    /// locks.shutdown_blocking();
    /// assert!(watch.next_blocking().is_none());
    /// # Ok::<(), distlock::LockError>(())
    /// ```
    #[must_use]
    pub fn next_blocking(&mut self) -> Option<ManagerStatus> {
        block_on(self.next())
    }

    /// Waits until the status differs from the one that this returned last, and returns it. The
    /// first call returns the present one at once. `None` once the manager was shut down or
    /// dropped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the future is dropped, no change is missed.
    pub async fn next(&mut self) -> Option<ManagerStatus> {
        loop {
            // Before the look: what changes after it wakes this again.
            drop(self.changes.borrow_and_update());
            let core = self.core.upgrade()?;
            if let Some(status) = self.news(&core)? {
                return Some(status);
            }
            drop(core);
            user_code::with_guarded(pin!(self.changes.changed())).await.ok()?;
        }
    }

    /// The status if it has changed. Outside that `None` once the manager has ended.
    #[expect(clippy::option_option, reason = "the two are different answers")]
    fn news(&mut self, core: &ManagerCore) -> Option<Option<ManagerStatus>> {
        if !core.link().link().is_open() || core.is_unusable() {
            return None;
        }
        let links = links(core);
        let seen = links.iter().map(|(address, LinkStatus { outage, pause, .. })| SeenNode {
            address: address.clone(),
            is_connected: outage.is_none(),
            pause: *pause,
        });
        let seen: Vec<_> = seen.collect();
        if self.seen.as_ref() == Some(&seen) {
            return Some(None);
        }
        self.seen = Some(seen);
        Some(Some(shown(core, links)))
    }
}

impl fmt::Debug for StatusWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusWatch").finish_non_exhaustive()
    }
}
