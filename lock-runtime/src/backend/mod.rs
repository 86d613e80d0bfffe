//! Where commands are sent: a Redis server, or the in-memory store.

pub(crate) mod memory;
#[cfg(all(distlock_verification, feature = "__shuttle"))]
pub(crate) mod modelled;
#[cfg(all(distlock_verification, feature = "__shuttle"))]
pub(crate) mod readiness;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod socket;

use std::time::Duration;

use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::request::CommandError;
use crate::types::fence::Fence;
use crate::wire::keyspace::{DataLossGrace, Mark};
use crate::wire::reply::{Notification, Reply};
use crate::wire::slot::Slot;

/// What a client sends when it connects.
pub(crate) struct ConnectParams {
    /// The channel for its notifications.
    pub(crate) inbox: String,
    /// The highest fencing token it has seen.
    pub(crate) min_fence: Fence,
    /// What to do if the server turns out to have lost its data.
    pub(crate) data_loss_grace: DataLossGrace,
    /// How long a failover is waited out at least.
    pub(crate) failover_grace: Duration,
    /// Whether it was connected before: a server without a fence counter has then lost its data.
    pub(crate) connected_before: bool,
    /// The primaries that it was connected to before the latest one.
    pub(crate) left: Vec<Mark>,
    /// A slot that the server has, if it is a node of a cluster: rights are checked on its keys.
    pub(crate) slot: Option<Slot>,
    /// Whether replicas have to confirm what is done.
    pub(crate) confirms: bool,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectError {
    pub(crate) text: String,
    /// What the next attempt can achieve.
    pub(crate) kind: ConnectErrorKind,
}

/// What arrives on a connection. `T` names who gets the reply.
pub(crate) enum Incoming<T> {
    Reply(T, Result<Reply, CommandError>),
    Notification(Notification),
}
