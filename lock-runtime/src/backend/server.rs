//! A server and a connection to it: Redis, or the in-memory server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::backend::memory::{MemoryConnection, MemoryEndpoint, Push};
#[cfg(all(distlock_verification, feature = "__shuttle"))]
use crate::backend::modelled::{Accept, ModelledPipe};
use crate::backend::redis::RedisServer;
use crate::backend::redis::pipe::RedisPipe;
use crate::backend::socket::{Signal, Stream, wait};
use crate::backend::{ConnectError, ConnectParams, Incoming};
use crate::types::pause::GrantPause;
use crate::types::time::Timestamp;
use crate::wire::command::Command;
use crate::wire::keyspace::Mark;

pub(crate) enum Server {
    /// Boxed: it is much larger than the other.
    Redis(Box<RedisServer>),
    Memory(MemoryEndpoint),
    #[cfg(all(distlock_verification, feature = "__shuttle"))]
    Modelled(Accept),
}

/// A connection that never blocks. `T` names who gets the reply to a command.
pub(crate) enum Connection<T> {
    Redis(Box<RedisPipe<T>>),
    Memory(MemoryPipe<T>),
    #[cfg(distlock_verification)]
    Simulated(SimulatedPipe<T>),
    #[cfg(all(distlock_verification, feature = "__shuttle"))]
    Modelled(ModelledPipe<T>),
}

/// A connection to the in-memory server, which answers in place.
pub(crate) struct MemoryPipe<T> {
    connection: MemoryConnection,
    pushes: UnboundedReceiver<Push>,
    /// Wakes the party that takes in notifications.
    bell: Waker,
    answered: VecDeque<Incoming<T>>,
}

impl Server {
    pub(crate) fn in_memory(name: &str) -> Self {
        Self::Memory(MemoryEndpoint::named(name))
    }

    /// Whether [`Self::connect`] takes no time.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Memory(..))
    }

    /// Opens a connection. Blocks, unless the server is in memory. `stop` ends the attempt early;
    /// `bell` is woken when a notification comes in another way than through a socket.
    pub(crate) fn connect<T>(
        &self,
        params: ConnectParams,
        stop: &Signal,
        bell: Waker,
    ) -> Result<Connection<T>, ConnectError> {
        match self {
            Self::Redis(redis) => {
                redis.connect(&params, stop).map(|pipe| Connection::Redis(Box::new(pipe)))
            }
            Self::Memory(memory) => {
                let (sender, pushes) = unbounded_channel();
                let connection = memory.connect(params, sender)?;
                let answered = VecDeque::new();
                Ok(Connection::Memory(MemoryPipe { connection, pushes, bell, answered }))
            }
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(accept) => {
                Ok(Connection::Modelled(ModelledPipe::connect(params, accept)))
            }
        }
    }

    /// Waits until it is worth while to connect again: then at the latest, and at once if another
    /// server has become the primary.
    pub(crate) fn pause(&self, until: Timestamp, stop: &Signal) {
        match self {
            Self::Redis(redis) => redis.pause(until, stop),
            Self::Memory(_) => drop(wait(None, stop, Some(until))),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(_) => drop(wait(None, stop, Some(until))),
        }
    }
}

impl<T> Connection<T> {
    /// What the server knows of the longest lease of any process.
    pub(crate) fn max_lease(&self) -> Duration {
        match self {
            Self::Redis(redis) => redis.max_lease(),
            Self::Memory(memory) => memory.connection.max_lease(),
            #[cfg(distlock_verification)]
            Self::Simulated(pipe) => pipe.max_lease,
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => pipe.max_lease(),
        }
    }

    /// The mark of the server.
    pub(crate) fn mark(&self) -> Mark {
        match self {
            Self::Redis(redis) => redis.mark(),
            Self::Memory(_) => Mark::default(),
            #[cfg(distlock_verification)]
            Self::Simulated(pipe) => pipe.mark,
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(_) => Mark::default(),
        }
    }

    /// How many replicas of the server are online.
    pub(crate) fn online_replicas(&self) -> u32 {
        match self {
            Self::Redis(redis) => redis.online_replicas(),
            Self::Memory(memory) => memory.connection.online_replicas(),
            #[cfg(distlock_verification)]
            Self::Simulated(pipe) => pipe.online_replicas,
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(_) => 0,
        }
    }

    /// The address of the server, if it has one.
    pub(crate) fn address(&self) -> Option<&str> {
        if let Self::Redis(redis) = self { Some(redis.address()) } else { None }
    }

    /// Whether the server granted nothing when the connection was made, as far as it said.
    pub(crate) fn pause(&self) -> Option<&GrantPause> {
        if let Self::Redis(redis) = self { redis.pause() } else { None }
    }

    /// Whether nobody confirms that the server is the primary.
    pub(crate) fn is_in_doubt(&self, now: Timestamp) -> bool {
        if let Self::Redis(redis) = self { redis.is_in_doubt(now) } else { false }
    }

    /// What a party that wants to read has to wait for.
    pub(crate) fn stream(&self) -> Option<&Arc<Stream>> {
        match self {
            Self::Redis(redis) => Some(redis.stream()),
            Self::Memory(_) => None,
            #[cfg(distlock_verification)]
            Self::Simulated(_) => None,
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => Some(pipe.stream()),
        }
    }

    /// Accepts commands in their order. Each gets a reply, in any order.
    pub(crate) fn send(&mut self, batch: &mut Vec<(T, Command)>) {
        match self {
            _ if batch.is_empty() => {}
            Self::Redis(redis) => redis.send(batch),
            Self::Memory(memory) => memory.send(batch),
            #[cfg(distlock_verification)]
            Self::Simulated(pipe) => pipe.unsent.append(batch),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => pipe.send(batch),
        }
    }

    /// Writes what was accepted, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Result<(), String> {
        match self {
            Self::Redis(redis) => redis.flush().map_err(|error| error.to_string()),
            Self::Memory(_) => Ok(()),
            #[cfg(distlock_verification)]
            Self::Simulated(_) => Ok(()),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => pipe.flush(),
        }
    }

    /// Whether [`Self::flush`] has something to write.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Redis(redis) => redis.has_unsent(),
            Self::Memory(_) => false,
            // The simulation sends.
            #[cfg(distlock_verification)]
            Self::Simulated(_) => false,
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => pipe.has_unsent(),
        }
    }

    /// Whether the socket did not take everything.
    pub(crate) fn is_blocked(&self) -> bool {
        match self {
            Self::Redis(redis) => redis.is_blocked(),
            Self::Memory(_) => false,
            // The simulation sends.
            #[cfg(distlock_verification)]
            Self::Simulated(_) => false,
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(_) => false,
        }
    }

    /// How many replies are outstanding.
    pub(crate) fn in_flight(&self) -> usize {
        match self {
            Self::Redis(redis) => redis.in_flight(),
            Self::Memory(_) => 0,
            #[cfg(distlock_verification)]
            Self::Simulated(_) => 0,
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => pipe.in_flight(),
        }
    }

    /// Takes in what has arrived, up to a limit. Returns whether more may be left. An error if the
    /// connection is lost.
    pub(crate) fn receive(&mut self) -> Result<bool, String> {
        match self {
            Self::Redis(redis) => redis.receive().map_err(|error| error.to_string()),
            Self::Memory(memory) => memory.receive().map(|()| false),
            #[cfg(distlock_verification)]
            Self::Simulated(_) => Ok(false),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => pipe.receive().map(|()| false),
        }
    }

    /// The next of what was taken in.
    pub(crate) fn next(&mut self) -> Option<Incoming<T>> {
        match self {
            Self::Redis(redis) => redis.next(),
            Self::Memory(memory) => memory.answered.pop_front(),
            #[cfg(distlock_verification)]
            Self::Simulated(pipe) => pipe.arrived.pop_front(),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(pipe) => pipe.next(),
        }
    }

    /// Those that wait for a reply which will not come.
    pub(crate) fn into_unanswered(self) -> Vec<T> {
        match self {
            Self::Redis(redis) => redis.into_unanswered().collect(),
            Self::Memory(_) => Vec::new(),
            #[cfg(distlock_verification)]
            Self::Simulated(pipe) => pipe.unsent.into_iter().map(|(to, _)| to).collect(),
            #[cfg(all(distlock_verification, feature = "__shuttle"))]
            Self::Modelled(mut pipe) => pipe.take_unanswered(),
        }
    }
}

impl<T> MemoryPipe<T> {
    fn send(&mut self, batch: &mut Vec<(T, Command)>) {
        let (askers, commands): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let replies = self.connection.send(&commands);
        let answered = askers.into_iter().zip(replies);
        self.answered.extend(answered.map(|(asker, reply)| Incoming::Reply(asker, reply)));
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut context = Context::from_waker(&self.bell);
        loop {
            // First without the budget that tokio gives each task, which `poll_recv` takes from.
            let push = match self.pushes.try_recv() {
                Ok(push) => Some(push),
                Err(_) => match self.pushes.poll_recv(&mut context) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(push) => push,
                },
            };
            match push {
                Some(Push::Notification(notification)) => {
                    self.answered.push_back(Incoming::Notification(notification));
                }
                Some(Push::Disconnected) | None => {
                    return Err("the server closed the connection".to_owned());
                }
            }
        }
    }
}

/// A connection that a simulation carries.
#[cfg(distlock_verification)]
pub(crate) struct SimulatedPipe<T> {
    max_lease: Duration,
    mark: Mark,
    online_replicas: u32,
    unsent: Vec<(T, Command)>,
    arrived: VecDeque<Incoming<T>>,
}

#[cfg(distlock_verification)]
impl<T> SimulatedPipe<T> {
    pub(crate) fn new(max_lease: Duration, mark: Mark, online_replicas: u32) -> Self {
        Self { max_lease, mark, online_replicas, unsent: Vec::new(), arrived: VecDeque::new() }
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// A WAIT comes alone: what was sent before it is answered before it.
    pub(crate) fn take_unsent(&mut self) -> Vec<(T, Command)> {
        let is_wait = |(_, command): &(T, Command)| matches!(command, Command::Wait { .. });
        let before = self.unsent.iter().position(is_wait);
        let many = before.map_or(self.unsent.len(), |before| before.max(1));
        self.unsent.drain(..many).collect()
    }

    pub(crate) fn arrive(&mut self, incoming: impl IntoIterator<Item = Incoming<T>>) {
        self.arrived.extend(incoming);
    }
}
