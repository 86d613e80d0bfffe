//! The manager that annotated functions use by default.

use once_cell::sync::OnceCell;

use crate::api::manager::LockManager;
use crate::api::replacement::replacement;
use crate::error::LockError;

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
/// A manager that cannot be used any more may be replaced: after a fork, or after its I/O thread
/// has panicked.
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
/// If the I/O thread of a manager made from the environment has panicked, another one is created.
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
        let rebuild = global.from_environment && global.manager.core().mailbox().has_panicked();
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

#[cfg(test)]
mod tests;
