//! Where commands are sent: a Redis server, or the in-memory store.

pub(crate) mod memory;
pub(crate) mod preflight;
pub(crate) mod redis;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::backend::memory::MemoryEndpoint;
use crate::backend::redis::RedisEndpoint;
use crate::protocol::in_flight::CommandError;
use crate::protocol::state::ConnectErrorKind;
use crate::types::fence::Fence;
use crate::wire::command::Command;
use crate::wire::keyspace::Keyspace;
use crate::wire::max_lease::DataLossGrace;
use crate::wire::reply::{Notification, Reply};

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

/// A server to connect to.
pub(crate) struct Endpoint {
    kind: Kind,
    space: Keyspace,
    connections: AtomicU64,
}

pub(crate) enum Kind {
    /// Boxed: with TLS it is much larger than the other.
    Redis(Box<RedisEndpoint>),
    Memory(MemoryEndpoint),
}

/// A connection to send commands on.
pub(crate) enum Connection {
    Redis(crate::backend::redis::RedisConnection),
    Memory(crate::backend::memory::MemoryConnection),
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

impl Endpoint {
    pub(crate) fn new(kind: Kind, space: Keyspace) -> Self {
        Self { kind, space, connections: AtomicU64::new(0) }
    }

    /// An attempt to connect; pushes of the connection arrive at `pushes`.
    pub(crate) fn connect(
        &self,
        hello: ConnectParams,
        pushes: UnboundedSender<Push>,
    ) -> Boxed<Result<Connection, ConnectError>> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.kind {
            Kind::Redis(redis) => redis.connect(number, self.space.clone(), hello, pushes),
            Kind::Memory(memory) => {
                let memory = memory.clone();
                Box::pin(
                    async move { memory.connect(number, hello, pushes).map(Connection::Memory) },
                )
            }
        }
    }

    /// Whether this is the number of the latest connection.
    pub(crate) fn is_current(&self, number: u64) -> bool {
        self.connections.load(Ordering::Relaxed) == number
    }
}

impl Connection {
    /// What the server knows of the longest lease of any process.
    pub(crate) fn max_lease(&self) -> Duration {
        match self {
            Self::Redis(redis) => redis.max_lease(),
            Self::Memory(memory) => memory.max_lease(),
        }
    }

    /// Sends calls in their order; the replies come in the same order, one for each.
    pub(crate) fn send(&self, calls: Vec<Command>) -> Boxed<Vec<Result<Reply, CommandError>>> {
        match self {
            Self::Redis(redis) => Box::pin(redis.clone().send(calls)),
            Self::Memory(memory) => Box::pin(std::future::ready(memory.send(&calls))),
        }
    }
}
