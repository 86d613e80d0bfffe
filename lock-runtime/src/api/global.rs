//! The manager that annotated functions use: that of `with_manager` around the running code, else
//! the global one.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use once_cell::sync::OnceCell;

use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::owner::context::{BodyContext, ErasedFuture, InContext};
use crate::types::environment::{self, TaskId};

/// The global manager, and those that replaced it after it had become unusable.
static GLOBAL: GlobalSlot = GlobalSlot::new();

type GlobalSlot = OnceCell<Box<GlobalManager>>;

struct GlobalManager {
    manager: LockManager,
    /// Whether it was built from the environment, and can be built again.
    from_environment: bool,
    next: GlobalSlot,
}

impl GlobalManager {
    fn new(manager: LockManager, from_environment: bool) -> Self {
        Self { manager, from_environment, next: GlobalSlot::new() }
    }
}

/// Sets the manager that annotated functions use by default. Call it once, before the first of
/// them.
///
/// A manager that cannot be used any more may be replaced: after a fork, or if it has stopped
/// after a panic.
///
/// ```
/// # use distlock_runtime as distlock;
/// distlock::init(distlock::LockManager::connect("memory://")?)?;
/// # Ok::<(), distlock::LockError>(())
/// ```
///
/// # Errors
///
/// [`LockError::Config`] if there is a manager already, from an earlier call or from the
/// environment.
pub fn init(manager: LockManager) -> Result<(), LockError> {
    let slot = first_slot_after(|global| global.manager.core().is_unusable());
    slot.set(Box::new(GlobalManager::new(manager, false))).map_err(|_| {
        LockError::config(
            "a global lock manager exists already; call `init` once, before the first locked call",
        )
    })
}

/// Returns the manager that annotated functions use here: that of
/// [`with_manager`](crate::with_manager) around the running code, else that of [`init`], else one
/// for the URL in `DISTLOCK_URL`, else in `REDIS_URL`. An empty variable counts as not set.
///
/// If a manager made from the environment has stopped after a panic, another one is created.
/// After a fork such a manager is kept, and its calls fail: call [`init`] in the child.
///
/// # Errors
///
/// [`LockError::Config`] if no server is configured or its URL is invalid. The next call tries
/// again.
pub fn global() -> Result<LockManager, LockError> {
    with_global(LockManager::clone)
}

/// The same, without a clone of it.
pub(crate) fn with_global<R>(with: impl FnOnce(&LockManager) -> R) -> Result<R, LockError> {
    match replacement() {
        Some(manager) => Ok(with(&manager)),
        None => of_the_process().map(with),
    }
}

fn of_the_process() -> Result<&'static LockManager, LockError> {
    let slot = first_slot_after(|global| {
        let replaced = global.next.get().is_some();
        let rebuild = global.from_environment && global.manager.core().has_panicked();
        replaced || rebuild
    });
    let global =
        slot.get_or_try_init(|| Ok(Box::new(GlobalManager::new(from_environment()?, true))))?;
    Ok(&global.manager)
}

/// The first slot that is empty or whose manager is not to be replaced.
fn first_slot_after(replaced: impl Fn(&GlobalManager) -> bool) -> &'static GlobalSlot {
    let mut slot = &GLOBAL;
    while let Some(global) = slot.get().filter(|global| replaced(global)) {
        slot = &global.next;
    }
    slot
}

fn from_environment() -> Result<LockManager, LockError> {
    let set = |name: &str| std::env::var_os(name).filter(|url| !url.is_empty());
    let url = ["DISTLOCK_URL", "REDIS_URL"].iter().find_map(|name| set(name));
    match url.as_deref().map(std::ffi::OsStr::to_str) {
        Some(Some(url)) => LockManager::connect(url),
        Some(None) => Err(LockError::config(
            "the server's URL in DISTLOCK_URL or REDIS_URL is not UTF-8; write redis://host:port/ \
             there",
        )),
        None => Err(LockError::config(
            "no lock server is configured; set DISTLOCK_URL (or REDIS_URL) to the server's URL, or \
             call distlock::init at the start; memory:// locks inside this process only",
        )),
    }
}

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
/// As cancel safe as the inner future, which is dropped with `manager` in effect.
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
    let of_this_task = |here: &Replacement| {
        (here.task == environment::current_task()).then(|| here.manager.clone())
    };
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
        let here = Replacement { manager: manager.clone(), task: environment::current_task() };
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
