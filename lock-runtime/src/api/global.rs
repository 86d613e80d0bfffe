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
            "the server's URL in DISTLOCK_URL or REDIS_URL is not UTF-8; write redis://host:port/ there",
        )),
        None => Err(LockError::config(
            "no lock server is configured; set DISTLOCK_URL (or REDIS_URL) to the server's URL, or call \
             distlock::init at the start; memory:// locks inside this process only",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The only test of this binary with a global manager.
    #[test]
    fn a_dead_io_thread_is_said_and_the_global_manager_may_be_another() {
        let manager = |name: &str| LockManager::connect(&format!("memory://{name}")).unwrap();
        init(manager("global:first")).unwrap();
        let first = global().unwrap();
        let guard = first.mutex("key").acquire_blocking().unwrap();
        assert!(init(manager("global:second")).is_err());

        let (limit, wait) = (Duration::from_secs(20), Duration::from_millis(1));
        first.core().mailbox().panic();
        let end = std::time::Instant::now() + limit;
        while guard.hold().is_valid() {
            assert!(std::time::Instant::now() < end, "its holds are lost at once");
            std::thread::sleep(wait);
        }
        let lost = guard.release_blocking().unwrap_err().to_string();
        assert!(lost.contains("the lock manager's I/O thread died"), "{lost}");
        let error = first.mutex("key").acquire_blocking().unwrap_err();
        assert!(matches!(error, LockError::Closed(_)), "{error:?}");
        assert!(error.to_string().contains("whose I/O thread died"), "{error}");
        first.shutdown_blocking();

        init(manager("global:second")).unwrap();
        global().unwrap().mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
        assert!(init(manager("global:third")).is_err());
    }
}
