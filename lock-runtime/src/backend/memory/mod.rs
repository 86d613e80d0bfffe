//! The in-memory backend: the same replies as from a server, for tests, demos and single-process
//! programs.

pub(crate) mod store;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::backend::memory::store::MemoryStore;
use crate::backend::{ConnectError, ConnectParams};
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::request::CommandError;
use crate::types::time;
use crate::wire::command::Command;
use crate::wire::keyspace::EVERYONE;
use crate::wire::reply::{Notification, Reply};

/// The stores of this process by name: managers with the same URL contend, as on a server.
static STORES: LazyLock<Mutex<HashMap<String, Arc<Mutex<Store>>>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Store {
    memory: MemoryStore,
    inboxes: HashMap<String, Inbox>,
    /// Whether it behaves as a server that does not run.
    is_down: bool,
}

/// What arrives at the inbox of a client.
pub(crate) enum Push {
    Notification(Notification),
    #[cfg_attr(
        not(feature = "test-util"),
        expect(dead_code, reason = "only a test ends a connection in memory")
    )]
    Disconnected,
}

type Inbox = UnboundedSender<Push>;

/// A store of this process, by name.
#[derive(Clone)]
pub(crate) struct MemoryEndpoint(Arc<Mutex<Store>>);

/// A connection to it.
pub(crate) struct MemoryConnection {
    store: Arc<Mutex<Store>>,
    inbox: String,
    pushes: Inbox,
    max_lease: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_us() -> u64 {
    time::now().as_nanos() / 1000 + EPOCH_US
}

/// The store counts from boot; its tokens are to look like those of a server, which are above
/// 10^15.
const EPOCH_US: u64 = 1_700_000_000_000_000;

impl MemoryEndpoint {
    pub(crate) fn named(name: &str) -> Self {
        Self(Arc::clone(lock(&STORES).entry(name.to_owned()).or_default()))
    }

    pub(crate) fn connect(
        &self,
        hello: ConnectParams,
        pushes: Inbox,
    ) -> Result<MemoryConnection, ConnectError> {
        let mut store = lock(&self.0);
        if store.is_down {
            return Err(ConnectError {
                text: "the store in memory is down".to_owned(),
                kind: ConnectErrorKind::Unreachable,
            });
        }
        let ConnectParams {
            inbox,
            min_fence,
            data_loss_grace,
            failover_grace,
            connected_before,
            ..
        } = hello;
        store.inboxes.insert(inbox.clone(), pushes.clone());
        let Store { memory, inboxes, .. } = &mut *store;
        let mut tell = |inbox: &str, notice| publish(inboxes, inbox, notice);
        let max_lease = memory.welcome(
            now_us(),
            min_fence,
            data_loss_grace.max_lease,
            failover_grace,
            connected_before,
            &mut tell,
        );
        drop(store);
        Ok(MemoryConnection { store: Arc::clone(&self.0), inbox, pushes, max_lease })
    }
}

/// Faults that come from outside the server.
#[cfg(feature = "test-util")]
impl MemoryEndpoint {
    /// Deletes the hold of `key`, no matter which process has it.
    pub(crate) fn delete_hold(&self, key: &str) {
        lock(&self.0).memory.delete_hold(key);
    }

    /// Forgets all data.
    pub(crate) fn flush(&self) {
        lock(&self.0).memory.flush();
    }

    /// Only so many replicas confirm from now on.
    pub(crate) fn set_replicas(&self, replicas: u8) {
        lock(&self.0).memory.set_replicas(replicas.into());
    }

    /// Ends all connections and refuses new ones, or accepts them again.
    pub(crate) fn set_down(&self, is_down: bool) {
        let mut store = lock(&self.0);
        store.is_down = is_down;
        if is_down {
            for (_, pushes) in store.inboxes.drain() {
                // A client that has gone needs no message.
                let _ = pushes.send(Push::Disconnected);
            }
        }
    }
}

/// Sends a notification, or only asks; returns whether the inbox has a receiver.
fn publish(inboxes: &HashMap<String, Inbox>, inbox: &str, notice: Option<Notification>) -> bool {
    let delivered = |inbox: &Inbox| match notice {
        Some(notice) => inbox.send(Push::Notification(notice)).is_ok(),
        None => !inbox.is_closed(),
    };
    if inbox == EVERYONE {
        return inboxes.values().filter(|inbox| delivered(inbox)).count() > 0;
    }
    inboxes.get(inbox).is_some_and(delivered)
}

impl MemoryConnection {
    pub(crate) fn send(&self, calls: &[Command]) -> Vec<Result<Reply, CommandError>> {
        let mut store = lock(&self.store);
        if store.is_down {
            return vec![Err(CommandError::ConnectionLost); calls.len()];
        }
        let Store { memory, inboxes, .. } = &mut *store;
        let mut publish = |inbox: &str, notice| publish(inboxes, inbox, notice);
        calls.iter().map(|call| memory.call(now_us(), call, &mut publish)).collect()
    }

    /// How many replicas it says that it has.
    pub(crate) fn online_replicas(&self) -> u32 {
        lock(&self.store).memory.online_replicas()
    }

    /// The longest lease of the store, as far as it was known when this was made.
    pub(crate) const fn max_lease(&self) -> Duration {
        self.max_lease
    }
}

impl Drop for MemoryConnection {
    fn drop(&mut self) {
        let mut store = lock(&self.store);
        // The process may have connected again under the same name.
        if store.inboxes.get(&self.inbox).is_some_and(|inbox| inbox.same_channel(&self.pushes)) {
            store.inboxes.remove(&self.inbox);
        }
    }
}
