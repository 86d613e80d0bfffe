//! Replaces the global manager for the code inside of a closure or future.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use crate::api::manager::LockManager;
use crate::owner::scope::{BodyContext, ErasedFuture, InContext};
use crate::types::task::{self, TaskId};

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
    let _guard = ReplacementGuard::install(manager);
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
    InContext::new(ReplacedManager(manager.clone()), future)
}

/// The context of a future in which a manager replaces the global one.
struct ReplacedManager(LockManager);

impl<V> BodyContext<V> for ReplacedManager {
    type Output = V;

    fn poll(
        &mut self,
        body: &mut dyn ErasedFuture<Value = V>,
        context: &mut Context<'_>,
    ) -> Poll<V> {
        let _guard = ReplacementGuard::install(&self.0);
        body.poll(context)
    }

    fn drop_body(&mut self, body: &mut dyn ErasedFuture<Value = V>) {
        let _guard = ReplacementGuard::install(&self.0);
        body.drop_future();
    }
}

struct Replacement {
    manager: LockManager,
    /// The tokio task that installed it. It does not apply to other tasks that an executor runs on
    /// the same stack.
    task: Option<TaskId>,
}

thread_local! {
    static REPLACEMENT: RefCell<Option<Replacement>> = const { RefCell::new(None) };
}

/// Whether this process ever replaced its manager: if not, calls need not read the thread-local.
static EVER_REPLACED: AtomicBool = AtomicBool::new(false);

/// The manager that replaces the global one in the running code.
pub(crate) fn replacement() -> Option<LockManager> {
    if !EVER_REPLACED.load(Ordering::Relaxed) {
        return None;
    }
    let of_this_task =
        |here: &Replacement| (here.task == task::current()).then(|| here.manager.clone());
    REPLACEMENT.try_with(|here| here.borrow().as_ref().and_then(of_this_task)).ok().flatten()
}

/// Replaces the global manager on this thread. Its drop restores the previous one, also on panic.
struct ReplacementGuard {
    before: Option<Replacement>,
    /// Not `Send`: it restores the context of its own thread.
    not_send: PhantomData<*const ()>,
}

impl ReplacementGuard {
    fn install(manager: &LockManager) -> Self {
        EVER_REPLACED.store(true, Ordering::Relaxed);
        let here = Replacement { manager: manager.clone(), task: task::current() };
        Self { before: replace(Some(here)), not_send: PhantomData }
    }
}

impl Drop for ReplacementGuard {
    fn drop(&mut self) {
        // The last handle of a manager may be dropped here, so not while the cell is borrowed.
        drop(replace(self.before.take()));
    }
}

fn replace(here: Option<Replacement>) -> Option<Replacement> {
    // Fails only at the end of the thread, after its thread-locals were destroyed.
    REPLACEMENT.try_with(|cell| cell.replace(here)).ok().flatten()
}
