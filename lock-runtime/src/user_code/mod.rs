//! Calls code of users: `tracing` subscribers, recorders of metrics, wakers and callbacks. No other
//! module does.
//!
//! Such code may panic, block, take the library's locks or write to a full pipe. It must not stop
//! the keeper of a link, which renews every lease of the process. So an I/O thread, as the keeper
//! is one, has it called on helper threads, started on first use: one for events, one for metrics,
//! one for wakers, one for callbacks. A caller that carries out what concerns others leaves such
//! code to the keeper: see [`delegated`]. On any other thread it runs directly: that is the user's
//! own thread. Panics are caught. (In a program built with `panic = "abort"` they end the program.)
//!
//! - Spans: see [`spans`].
//! - Events: use [`event!`], not `tracing`'s macros. The queue of the helper thread is bounded.
//!   Events that do not fit are dropped and counted, and a later event reports how many.
//! - Wakers: store [`guarded_waker`] of a waker, and drop it with nothing locked.
//! - Callbacks: use [`call`], or [`ask`] on a thread that may block.

pub(crate) mod metrics;
pub(crate) mod spans;
#[cfg(test)]
mod tests;

use std::cell::{OnceCell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, RawWakerVTable, Wake, Waker};
use std::{ptr, thread};

use tracing::Level;
use tracing::level_filters::LevelFilter;

/// Emits an event of this level (`WARN`, `INFO`, `DEBUG`), with fields and message as for
/// `tracing`'s macros. They move into a closure that may run later, on another thread.
macro_rules! event {
    ($level:ident, $($event:tt)+) => {
        if $crate::user_code::is_wanted(tracing::Level::$level) {
            $crate::user_code::emit(move || {
                tracing::event!(target: "distlock", tracing::Level::$level, $($event)+);
            });
        }
    };
}

pub(crate) use event;

/// Whether a subscriber may want events of this level. Calls no code of users.
pub(crate) fn is_wanted(level: Level) -> bool {
    level <= LevelFilter::current()
}

/// As [`event!`].
pub(crate) fn emit(event: impl FnOnce() + Send + 'static) {
    off_this_thread(event, Helpers::emit);
}

/// Runs a user's callback: on the helper thread for callbacks if this is an I/O thread, else here.
/// Callbacks of one I/O thread run one at a time, in order.
pub(crate) fn call(callback: impl FnOnce() + Send + 'static) {
    off_this_thread(callback, Helpers::call);
}

/// Asks a user's function for a value, on this thread. `None` if it panics.
pub(crate) fn ask<R>(function: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(function)).ok()
}

/// The waker to store instead of this one, which can be woken on any thread.
///
/// The vtables of tokio's wakers and of our own are known to be harmless, and their wakers are
/// returned as they are. Wakers of foreign executors may panic, block, or run code when they are
/// dropped. On an I/O thread, waking and dropping one happen on a helper thread.
pub(crate) fn guarded_waker(waker: &Waker) -> Waker {
    if is_harmless(waker) {
        waker.clone()
    } else {
        Waker::from(Arc::new(Guarded(Some(waker.clone()))))
    }
}

/// Polls a future that stores the waker and wakes it by itself, as a channel's receiver does.
pub(crate) fn poll_guarded<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    if is_harmless(context.waker()) {
        return future.poll(context);
    }
    future.poll(&mut Context::from_waker(&guarded_waker(context.waker())))
}

/// The same, to completion.
pub(crate) async fn with_guarded<F: Future + Unpin>(mut future: F) -> F::Output {
    std::future::poll_fn(|context| poll_guarded(Pin::new(&mut future), context)).await
}

/// The vtables of wakers that only mark a task or thread as ready.
static HARMLESS: OnceLock<Vec<&'static RawWakerVTable>> = OnceLock::new();

/// Registers vtables whose wakers are woken directly. Only the first call counts.
pub(crate) fn register_harmless(kinds: impl FnOnce() -> Vec<&'static RawWakerVTable>) {
    HARMLESS.get_or_init(kinds);
}

fn is_harmless(waker: &Waker) -> bool {
    // All wakers belong to the model checker, and wrapping them would only add schedules.
    if cfg!(all(distlock_verification, any(feature = "__shuttle", feature = "__loom"))) {
        return true;
    }
    let known = HARMLESS.get().into_iter().flatten();
    known.into_iter().any(|kind| ptr::eq(*kind, waker.vtable()))
}

/// `None` when it is being dropped.
struct Guarded(Option<Waker>);

impl Wake for Guarded {
    fn wake(self: Arc<Self>) {
        off_this_thread(move || self.0.iter().for_each(Waker::wake_by_ref), Helpers::wake);
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let waker = self.0.take();
        off_this_thread(move || drop(waker), Helpers::wake);
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// How many events are queued for a slow subscriber.
const MAX_QUEUED_EVENTS: usize = 1_024;

/// The helper threads of one I/O thread. Each starts with its first job and ends after its last one
/// when this is dropped.
#[derive(Default)]
struct Helpers {
    events: OnceCell<SyncSender<Job>>,
    /// Dropped events that were not reported yet.
    dropped: Arc<AtomicU64>,
    #[cfg(feature = "metrics")]
    metrics: OnceCell<Sender<Job>>,
    wakes: OnceCell<Sender<Job>>,
    calls: OnceCell<Sender<Job>>,
}

thread_local! {
    /// Set on an I/O thread.
    static HELPERS: OnceCell<Rc<Helpers>> = const { OnceCell::new() };
    /// Set while this thread carries out what concerns others.
    static DELEGATED: RefCell<Option<Arc<Delegated>>> = const { RefCell::new(None) };
}

/// Gives a job to its helper thread.
type Post = fn(&Helpers, Job);

/// Code of users that came up on the thread of a caller while it carried out what concerns others.
/// It waits for the I/O thread.
#[derive(Default)]
pub(crate) struct Delegated(Mutex<Vec<(Post, Job)>>);

impl Delegated {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs().is_empty()
    }

    /// Gives the jobs to the helper threads of this I/O thread.
    pub(crate) fn run(&self) {
        let jobs = mem::take(&mut *self.jobs());
        if let Some(helpers) = helpers() {
            for (post, job) in jobs {
                post(&helpers, job);
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<(Post, Job)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs our own code, with code of users that it calls delegated to the I/O thread.
pub(crate) fn delegated<R>(to: &Arc<Delegated>, run: impl FnOnce() -> R) -> R {
    // A model or simulation has no such thread.
    if cfg!(distlock_verification) {
        return run();
    }
    let before = DELEGATED.try_with(|delegated| delegated.replace(Some(Arc::clone(to))));
    let _restore = Restore(before.ok().flatten());
    run()
}

/// What was delegated to before.
struct Restore(Option<Arc<Delegated>>);

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = DELEGATED.try_with(|delegated| *delegated.borrow_mut() = self.0.take());
    }
}

/// Makes this an I/O thread, which runs code of users on helper threads.
pub(crate) fn mark_io_thread() {
    // All threads of a model run on one thread of the machine.
    if cfg!(all(distlock_verification, feature = "__shuttle")) {
        return;
    }
    HELPERS.with(|helpers| {
        helpers.get_or_init(Rc::default);
    });
}

/// Whether this thread must not wait for an I/O thread.
pub(crate) fn is_io_thread() -> bool {
    helpers().is_some()
}

/// `None` also on a thread whose thread-locals are gone: it is no I/O thread any more.
fn helpers() -> Option<Rc<Helpers>> {
    HELPERS.try_with(|helpers| helpers.get().map(Rc::clone)).ok().flatten()
}

fn off_this_thread(code: impl FnOnce() + Send + 'static, post: Post) {
    if let Some(helpers) = helpers() {
        return post(&helpers, Box::new(code));
    }
    let delegated = DELEGATED.try_with(|delegated| delegated.borrow().clone()).ok().flatten();
    match delegated {
        Some(delegated) => delegated.jobs().push((post, Box::new(code))),
        None => catch_panic(code),
    }
}

impl Helpers {
    fn emit(&self, event: Job) {
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

    /// Not bounded: a gauge would be wrong from then on. Few metrics are recorded on an I/O thread.
    #[cfg(feature = "metrics")]
    fn record(&self, record: Job) {
        post(&self.metrics, "distlock-metric", record);
    }

    /// Not bounded: no wake-up may be lost, and there are no more of them than wakers.
    fn wake(&self, wake: Job) {
        post(&self.wakes, "distlock-wake", wake);
    }

    fn call(&self, callback: Job) {
        post(&self.calls, "distlock-call", callback);
    }
}

/// If the thread cannot be started, the job runs here.
fn post(jobs: &OnceCell<Sender<Job>>, name: &str, job: Job) {
    if jobs.get().is_none() {
        let (sender, receiver) = channel::<Job>();
        if start(name, move || receiver.into_iter().for_each(catch_panic)) {
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
