//! A connection for a model checker. Commands and replies go over it as they are, without bytes.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::backend::readiness::Readiness;
use crate::backend::socket::Stream;
use crate::backend::{ConnectParams, Incoming};
use crate::protocol::request::CommandError;
use crate::types::environment::{Mutex, MutexGuard};
use crate::wire::command::Command;
use crate::wire::reply::{Notification, Reply};

/// What is on the way between a client and a server. A number says what a reply is for.
#[derive(Default)]
struct Wire {
    commands: VecDeque<(u64, Command)>,
    incoming: VecDeque<Incoming<u64>>,
    server: Option<Waker>,
    closed: bool,
}

/// The end of the client. `T` names who gets the reply to a command.
pub(crate) struct ModelledPipe<T> {
    wire: Arc<Mutex<Wire>>,
    stream: Arc<Stream>,
    readable: Readiness,
    max_lease: Duration,
    unsent: Vec<(u64, Command)>,
    unanswered: BTreeMap<u64, T>,
    sent: u64,
    arrived: VecDeque<Incoming<T>>,
}

/// The end of the server.
pub struct ModelledConnection {
    wire: Arc<Mutex<Wire>>,
    readable: Readiness,
    /// The channel for its notifications.
    pub inbox: String,
}

/// Accepts connections. Returns the longest lease that the server knows of.
pub type Accept = Box<dyn Fn(ModelledConnection) -> Duration + Send + Sync>;

impl<T> ModelledPipe<T> {
    pub(crate) fn connect(params: ConnectParams, accept: &Accept) -> Self {
        let (wire, readable) = (Arc::<Mutex<Wire>>::default(), Readiness::default());
        let server = (Arc::clone(&wire), readable.clone());
        let max_lease =
            accept(ModelledConnection { wire: server.0, readable: server.1, inbox: params.inbox });
        Self {
            wire,
            stream: Arc::new(Stream::Modelled(readable.clone())),
            readable,
            max_lease,
            unsent: Vec::new(),
            unanswered: BTreeMap::new(),
            sent: 0,
            arrived: VecDeque::new(),
        }
    }

    pub(crate) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    pub(crate) fn max_lease(&self) -> Duration {
        self.max_lease
    }

    pub(crate) fn send(&mut self, batch: &mut Vec<(T, Command)>) {
        for (to, command) in batch.drain(..) {
            self.sent += 1;
            self.unanswered.insert(self.sent, to);
            self.unsent.push((self.sent, command));
        }
    }

    pub(crate) fn flush(&mut self) -> Result<(), String> {
        let mut wire = lock(&self.wire);
        if wire.closed {
            return Err("the server closed the connection".to_owned());
        }
        wire.commands.extend(self.unsent.drain(..));
        let server = wire.server.take();
        drop(wire);
        server.into_iter().for_each(Waker::wake);
        Ok(())
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.unanswered.len() - self.unsent.len()
    }

    pub(crate) fn receive(&mut self) -> Result<(), String> {
        self.readable.reset();
        let mut wire = lock(&self.wire);
        let incoming = mem::take(&mut wire.incoming);
        let closed = wire.closed;
        drop(wire);
        for incoming in incoming {
            match incoming {
                Incoming::Notification(notification) => {
                    self.arrived.push_back(Incoming::Notification(notification));
                }
                Incoming::Reply(to, reply) => {
                    let to = self.unanswered.remove(&to).expect("a command has one reply");
                    self.arrived.push_back(Incoming::Reply(to, reply));
                }
            }
        }
        if closed { Err("the server closed the connection".to_owned()) } else { Ok(()) }
    }

    pub(crate) fn next(&mut self) -> Option<Incoming<T>> {
        self.arrived.pop_front()
    }

    pub(crate) fn take_unanswered(&mut self) -> Vec<T> {
        mem::take(&mut self.unanswered).into_values().collect()
    }
}

impl<T> Drop for ModelledPipe<T> {
    fn drop(&mut self) {
        close(&self.wire);
    }
}

impl ModelledConnection {
    /// Waits for the next command. `None` once the connection is closed and all commands are taken.
    pub async fn next(&self) -> Option<(u64, Command)> {
        poll_fn(|context| {
            let mut wire = lock(&self.wire);
            match wire.commands.pop_front() {
                Some(command) => Poll::Ready(Some(command)),
                None if wire.closed => Poll::Ready(None),
                None => {
                    wire.server = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// How many commands have come and were not taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.wire).commands.len()
    }

    /// Answers a command.
    pub fn reply(&self, to: u64, reply: Result<Reply, CommandError>) {
        self.push(Incoming::Reply(to, reply));
    }

    /// Sends a notification. Returns whether the connection is open.
    pub fn notify(&self, notification: Notification) -> bool {
        self.push(Incoming::Notification(notification))
    }

    /// Breaks the connection. Commands that were not taken are lost.
    pub fn close(&self) {
        lock(&self.wire).commands.clear();
        close(&self.wire);
        self.readable.set();
    }

    fn push(&self, incoming: Incoming<u64>) -> bool {
        let mut wire = lock(&self.wire);
        let open = !wire.closed;
        if open {
            wire.incoming.push_back(incoming);
        }
        drop(wire);
        self.readable.set();
        open
    }
}

fn close(wire: &Mutex<Wire>) {
    let mut wire = lock(wire);
    wire.closed = true;
    let server = wire.server.take();
    drop(wire);
    server.into_iter().for_each(Waker::wake);
}

fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}
