//! The manager that annotated functions use unless they name another.

use once_cell::sync::OnceCell;

use crate::{LockError, LockManager};

static GLOBAL: OnceCell<LockManager> = OnceCell::new();

/// Makes `manager` the one that annotated functions use. Call it once, before the first of them.
///
/// ```
/// # use lock_runtime as distlock;
/// distlock::init(distlock::LockManager::connect("memory://")?)?;
/// # Ok::<(), distlock::LockError>(())
/// ```
///
/// # Errors
/// [`LockError::Config`] if there is one already, by an earlier call or made from the environment.
pub fn init(manager: LockManager) -> Result<(), LockError> {
    GLOBAL.set(manager).map_err(|_| {
        LockError::config(
            "a global lock manager exists already; call `init` once, before the first locked call",
        )
    })
}

/// The global manager: that of [`init`], else one made from the URL in `DISTLOCK_URL`, else in `REDIS_URL`. An empty
/// variable counts as not set.
///
/// # Errors
/// [`LockError::Config`] if none of them is set, or if the URL makes no sense. The next call tries again.
pub fn global() -> Result<&'static LockManager, LockError> {
    GLOBAL.get_or_try_init(|| {
        let set = |name: &str| std::env::var_os(name).filter(|url| !url.is_empty());
        let url = ["DISTLOCK_URL", "REDIS_URL"].iter().find_map(|name| set(name));
        match url.as_deref().map(std::ffi::OsStr::to_str) {
            Some(Some(url)) => LockManager::connect(url),
            Some(None) => Err(LockError::config("the server's URL in DISTLOCK_URL or REDIS_URL is not UTF-8; write redis://host:port/ there")),
            None => Err(LockError::config(
                "no lock server is configured; set DISTLOCK_URL (or REDIS_URL) to the server's URL, or call \
                 distlock::init at the start; memory:// locks inside this process only",
            )),
        }
    })
}
