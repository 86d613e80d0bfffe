use std::sync::Once;
use std::time::Duration;

use distlock::{LockError, LockManager};

/// Points the process at the in-process store, once, and gives all threads a subscriber: a span
/// whose place is first reached on a thread without one would be taken for one that is not wanted.
pub(super) fn support() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let manager =
            LockManager::connect("memory://").expect("the in-process store needs no server");
        distlock::init(manager).expect("nothing else makes the global manager");
        tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("nothing else sets the subscriber");
    });
}

/// The manager, for functions that take the lock before any statement of a test has run.
pub(super) fn locks() -> LockManager {
    support();
    distlock::global().expect("made before")
}

/// The key of the innermost hold around the running code.
pub(super) fn held() -> Option<String> {
    distlock::current().map(|hold| hold.key().to_owned())
}

/// Fails if this code is inside a hold, or if another process has `key`.
pub(super) fn assert_released(key: &str) {
    assert_eq!(held(), None);
    let request = locks().mutex(key).wait(Duration::from_secs(5));
    request
        .acquire_blocking()
        .expect("it is not held any more")
        .release_blocking()
        .expect("not lost");
}

/// The everyday error of a user.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{0}")]
    Own(&'static str),
}
