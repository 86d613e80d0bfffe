//! A server to connect to: Redis, or the in-memory server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::backend::memory::{MemoryConnection, MemoryEndpoint};
use crate::backend::redis::RedisEndpoint;
use crate::backend::redis::connection::RedisConnection;
use crate::backend::{Boxed, ConnectError, ConnectParams, Push};
use crate::protocol::request::CommandError;
use crate::wire::command::Command;
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::Reply;

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
    Redis(RedisConnection),
    Memory(MemoryConnection),
}

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
            Kind::Redis(redis) => {
                let connected = redis.connect(number, self.space.clone(), hello, pushes);
                Box::pin(async move { connected.await.map(Connection::Redis) })
            }
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
