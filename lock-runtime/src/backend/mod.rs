//! Where commands are sent: a Redis server, or the in-memory store.

pub(crate) mod endpoint;
pub(crate) mod memory;
pub(crate) mod redis;

use std::pin::Pin;

use crate::protocol::connection::ConnectErrorKind;
use crate::types::fence::Fence;
use crate::wire::keyspace::DataLossGrace;
use crate::wire::reply::Notification;

/// What a client sends when it connects.
pub(crate) struct ConnectParams {
    /// The channel for its notifications.
    pub(crate) inbox: String,
    /// The highest fencing token it has seen.
    pub(crate) min_fence: Fence,
    /// What to do if the server turns out to have lost its data.
    pub(crate) data_loss_grace: DataLossGrace,
    /// Whether it was connected before: a server without a fence counter has then lost its data.
    pub(crate) connected_before: bool,
}

/// A message from the server that is not a reply.
pub(crate) enum Push {
    Notification(Notification),
    /// The connection with this number is gone.
    Disconnected(u64),
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectError {
    pub(crate) text: String,
    /// What the next attempt can achieve.
    pub(crate) kind: ConnectErrorKind,
}

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
