//! Replaces the global manager for the code inside.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::api::manager::LockManager;
use crate::types::task;
use crate::types::task::TaskId;

/// Runs a closure in which annotated functions use `manager` instead of the global one. Tests use
/// it to run in parallel in one process, each with its own server.
///
/// It applies to the code that the closure calls. Like a hold, it is not inherited by threads and
/// spawned tasks, including those that an executor runs on this thread meanwhile. It does not
/// affect functions with a `manager` option.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{LockManager, with_manager};
///
/// let locks = LockManager::connect("memory://a test")?;
/// let fence = with_manager(&locks, || {
///     // The code under test, which calls annotated functions.
///     distlock::global()?.mutex("report").acquire_blocking().map(|guard| guard.fence())
/// })?;
/// assert!(locks.mutex("report").acquire_blocking()?.fence() > fence);
/// # Ok::<(), distlock::LockError>(())
/// ```
pub fn with_manager<R>(manager: &LockManager, body: impl FnOnce() -> R) -> R {
    let _inside = Inside::enter(manager);
    body()
}

/// Async form of [`with_manager`]: runs a future in which annotated functions use `manager` instead
/// of the global one.
///
/// ```
/// # use distlock_runtime as distlock;
/// use distlock::{LockManager, with_manager_async};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let locks = LockManager::connect("memory://another test")?;
/// with_manager_async(&locks, async {
///     distlock::global()?.mutex("report").acquire().await.map(drop)
/// })
/// .await?;
/// # Ok::<(), distlock::LockError>(())
/// # }).unwrap();
/// ```
///
/// # Cancel safety
///
/// As cancel safe as the inner future. It is dropped with `manager` in effect, wherever that
/// happens.
pub fn with_manager_async<F: Future>(
    manager: &LockManager,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    WithManager { manager: manager.clone(), future: Some(future) }
}

pin_project! {
    struct WithManager<F: Future> {
        manager: LockManager,
        #[pin]
        future: Option<F>,
    }

    impl<F: Future> PinnedDrop for WithManager<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _inside = Inside::enter(this.manager);
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for WithManager<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = Inside::enter(this.manager);
        this.future.as_pin_mut().expect("it is there until this is dropped").poll(context)
    }
}

/// A manager that replaces the global one.
struct Replacement {
    manager: LockManager,
    /// The task that runs the code inside. An executor may run others on the same stack, which this is not for.
    task: Option<TaskId>,
}

thread_local! {
    static HERE: RefCell<Option<Replacement>> = const { RefCell::new(None) };
}

/// Whether there ever was one in this process: all others are spared the look.
static REPLACED: AtomicBool = AtomicBool::new(false);

/// The manager that takes the place of the global one in the running code.
pub(crate) fn here() -> Option<LockManager> {
    if !REPLACED.load(Ordering::Relaxed) {
        return None;
    }
    let of_this_task =
        |here: &Replacement| (here.task == task::current()).then(|| here.manager.clone());
    HERE.try_with(|here| here.borrow().as_ref().and_then(of_this_task)).ok().flatten()
}

/// While this lives, a manager replaces the global one on this thread. Its drop restores the previous one, also on panic.
struct Inside {
    before: Option<Replacement>,
    /// Belongs to the thread whose context it changed.
    not_send: PhantomData<*const ()>,
}

impl Inside {
    fn enter(manager: &LockManager) -> Self {
        REPLACED.store(true, Ordering::Relaxed);
        let here = Replacement { manager: manager.clone(), task: task::current() };
        Self { before: replace(Some(here)), not_send: PhantomData }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // The last handle of a manager may go with it, outside of the borrow.
        drop(replace(self.before.take()));
    }
}

fn replace(here: Option<Replacement>) -> Option<Replacement> {
    // Fails only at the end of the thread, when its thread-locals are gone.
    HERE.try_with(|place| place.replace(here)).ok().flatten()
}
