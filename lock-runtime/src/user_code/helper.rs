//! Threads that run code of users for an I/O thread.

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// How many events are queued for a slow subscriber.
pub(crate) const MAX_QUEUED_EVENTS: usize = 1_024;

/// The helper threads of one I/O thread. Each starts with its first job and ends after its last one
/// when this is dropped.
pub(crate) struct Helpers {
    events: OnceCell<SyncSender<Job>>,
    /// Dropped events that were not reported yet.
    dropped: Arc<AtomicU64>,
    wakes: OnceCell<Sender<Job>>,
    calls: OnceCell<Sender<Job>>,
}

impl Helpers {
    pub(crate) fn new() -> Self {
        Self {
            events: OnceCell::new(),
            dropped: Arc::default(),
            wakes: OnceCell::new(),
            calls: OnceCell::new(),
        }
    }

    pub(crate) fn emit(&self, event: Job) {
        if self.events.get().is_none() {
            let (sender, receiver) = sync_channel(MAX_QUEUED_EVENTS);
            let dropped = Arc::clone(&self.dropped);
            if start("distlock-log", move || emit_all(&receiver, &dropped)) {
                self.events.get_or_init(|| sender);
            }
        }
        let fits = self.events.get().is_some_and(|events| events.try_send(event).is_ok());
        if !fits {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Not bounded: no wake-up may be lost, and there are no more of them than wakers.
    pub(crate) fn wake(&self, wake: Job) {
        send(&self.wakes, "distlock-wake", wake);
    }

    pub(crate) fn call(&self, callback: Job) {
        send(&self.calls, "distlock-call", callback);
    }
}

/// If the thread cannot be started, the job runs here.
fn send(jobs: &OnceCell<Sender<Job>>, name: &str, job: Job) {
    if jobs.get().is_none() {
        let (sender, receiver) = channel::<Job>();
        let run = move || receiver.into_iter().for_each(catch_panic);
        if start(name, run) {
            jobs.get_or_init(|| sender);
        }
    }
    match jobs.get() {
        Some(jobs) => drop(jobs.send(job)),
        None => catch_panic(job),
    }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> bool {
    thread::Builder::new().name(name.to_owned()).spawn(run).is_ok()
}

fn emit_all(events: &Receiver<Job>, dropped: &AtomicU64) {
    for event in events {
        catch_panic(event);
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            catch_panic(|| {
                tracing::warn!(
                    target: "distlock",
                    dropped,
                    "events were dropped: the subscriber is too slow or blocks"
                );
            });
        }
    }
}

/// Runs code of users and catches its panic.
pub(crate) fn catch_panic(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}
