//! Managers with their links and keepers, a server, and a clock.

use std::cell::Cell;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use distlock_runtime::LockManager;
use distlock_runtime::verification::{
    self, Command, MemoryStore, ModelledConnection, ModelledLink, Notification, Timestamp, Timing,
};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{self, JoinHandle};

use crate::environment;
use crate::explore::block_on;
use crate::process::yield_randomly;

pub(crate) const TTL: Duration = Duration::from_millis(300);
const MAX_HANDOFFS: u32 = 2;

thread_local! {
    // All threads of a model run on one thread of the machine.
    static STOPPED: Cell<bool> = const { Cell::new(false) };
    static LONGEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A server, and the clock that moves while nothing else can run.
pub(crate) struct Engine {
    server: Arc<ModelServer>,
    clock: JoinHandle<()>,
}

/// A manager of one process.
#[derive(Clone)]
pub(crate) struct LinkedProcess {
    pub(crate) locks: LockManager,
    pub(crate) link: ModelledLink,
}

/// It uses mutexes of the standard library, on which no schedule depends: nothing waits while they
/// are locked.
#[derive(Default)]
struct ModelServer {
    store: Mutex<MemoryStore>,
    connections: Mutex<Vec<Arc<ModelledConnection>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The keys of requests.
    keys: Mutex<Vec<String>>,
}

impl Engine {
    /// Has to be the first that a model does: the clock is the first thread.
    pub(crate) fn start() -> Self {
        STOPPED.set(false);
        LONGEST.set(Duration::ZERO);
        let clock = thread::spawn(run_clock);
        Self { server: Arc::default(), clock }
    }

    pub(crate) fn process(&self, inbox: &str) -> LinkedProcess {
        let server = Arc::clone(&self.server);
        let accept = Box::new(move |connection| server.accept(connection));
        let (link, locks) =
            verification::modelled(&Timing::default(), inbox.to_owned(), TTL, MAX_HANDOFFS, accept);
        LinkedProcess { locks, link }
    }

    /// Shuts these down and checks that nothing is left.
    pub(crate) fn end(self, processes: impl IntoIterator<Item = LinkedProcess>) {
        let server = Arc::clone(&self.server);
        self.stop(processes);
        let now = server_time(environment::now());
        assert!(lock(&server.store).is_empty(now), "a lock is left on the server");
    }

    /// Shuts these down.
    pub(crate) fn stop(self, processes: impl IntoIterator<Item = LinkedProcess>) {
        for LinkedProcess { locks, link } in processes {
            locks.shutdown_blocking();
            assert!(!link.is_open());
        }
        // The last releases are confirmed: the threads of the server end with the connections.
        let threads = std::mem::take(&mut *lock(&self.server.threads));
        for thread in threads {
            thread.join().expect("the server does not panic");
        }
        STOPPED.set(true);
        self.clock.join().expect("the clock does not panic");
    }

    /// Breaks the connection of a process.
    pub(crate) fn disconnect(&self, inbox: &str) {
        let open = lock(&self.server.connections).clone();
        open.iter().filter(|connection| connection.inbox == inbox).for_each(|open| open.close());
    }

    /// Whether a command has named this key.
    pub(crate) fn has_seen(&self, key: &str) -> bool {
        let keys = lock(&self.server.keys);
        keys.iter().any(|seen| seen == key)
    }
}

/// The longest time for which all threads waited since the last call of this.
pub(crate) fn take_longest_wait() -> Duration {
    LONGEST.take()
}

fn run_clock() {
    while !STOPPED.get() {
        // Only if it is the only thread that can run: a wait that nobody will end.
        let passed = environment::pass_to_next_alarm().expect("a thread waits forever");
        LONGEST.set(LONGEST.get().max(passed));
        thread::yield_now();
    }
}

impl ModelServer {
    fn accept(self: &Arc<Self>, connection: ModelledConnection) -> Duration {
        let connection = Arc::new(connection);
        lock(&self.connections).push(Arc::clone(&connection));
        let server = Arc::clone(self);
        let thread = thread::spawn(move || server.serve(&connection));
        lock(&self.threads).push(thread);
        Duration::ZERO
    }

    /// Executes commands in order, and answers each of them, or several together, some time later.
    fn serve(&self, connection: &ModelledConnection) {
        while let Some((number, command)) = block_on(connection.next()) {
            let mut commands = vec![(number, command)];
            while connection.waiting() > 0 && thread_rng().gen_bool(0.5) {
                commands.extend(block_on(connection.next()));
            }
            yield_randomly();
            let mut replies = Vec::new();
            for (number, command) in commands {
                let mut notifications = Vec::new();
                let now = server_time(environment::now());
                let mut publish = |inbox: &str, notification: Option<Notification>| {
                    notifications.extend(notification.map(|it| (inbox.to_owned(), it)));
                    true
                };
                if let Command::Acquire(acquire) = &command {
                    lock(&self.keys).push(acquire.request.key.to_string());
                }
                let reply = lock(&self.store).call(now, &command, &mut publish);
                self.notify(notifications);
                replies.push((number, reply));
            }
            yield_randomly();
            for (number, reply) in replies {
                connection.reply(number, reply);
            }
        }
    }

    fn notify(&self, notifications: Vec<(String, Notification)>) {
        let connections = lock(&self.connections).clone();
        for (inbox, notification) in notifications {
            for connection in &connections {
                if connection.inbox == inbox || inbox == verification::EVERYONE {
                    connection.notify(notification);
                }
            }
        }
    }
}

fn server_time(now: Timestamp) -> u64 {
    const EPOCH_US: u64 = 1_700_000_000_000_000;
    EPOCH_US + now.as_nanos() / 1_000
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a future as a task of an executor that has a reactor. Its waker checks that nothing is
/// locked when it is woken.
pub(crate) fn run_task<F: Future>(link: &ModelledLink, future: F) -> F::Output {
    environment::set_reactor();
    let mut future = pin!(future);
    block_on(std::future::poll_fn(|context| poll_as_task(link, future.as_mut(), context)))
}

/// Polls a future as a task does.
pub(crate) fn poll_as_task<F: Future>(
    link: &ModelledLink,
    future: std::pin::Pin<&mut F>,
    context: &Context<'_>,
) -> Poll<F::Output> {
    let waker = TaskWaker { link: link.clone(), inner: context.waker().clone() };
    future.poll(&mut Context::from_waker(&Waker::from(Arc::new(waker))))
}

struct TaskWaker {
    link: ModelledLink,
    inner: Waker,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Hangs if this thread has the link locked.
        self.link.touch();
        self.inner.wake_by_ref();
    }
}

impl Drop for TaskWaker {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.link.touch();
        }
    }
}
