use std::fmt;
use std::sync::Once;

use distlock::{LockError, LockManager};

/// Points the process at the in-process store, once.
pub(super) fn support() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let manager =
            LockManager::connect("memory://").expect("the in-process store needs no server");
        let _ = distlock::init(manager);
    });
}

/// The everyday error of a user.
#[derive(Debug)]
pub(super) enum Error {
    Lock(LockError),
    Own(&'static str),
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => error.fmt(out),
            Self::Own(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lock(error) => Some(error),
            Self::Own(_) => None,
        }
    }
}

/// Records the order in which values are dropped.
pub(super) struct Drops<'a>(
    pub(super) &'static str,
    pub(super) &'a std::sync::Mutex<Vec<&'static str>>,
);

impl Drop for Drops<'_> {
    fn drop(&mut self) {
        self.1.lock().expect("no test panics while it drops").push(self.0);
    }
}

/// One function twice, as `name::plain` and as `name::locked` under the attribute with the
/// arguments in brackets: what the second does, the first does too.
macro_rules! locked_and_plain {
    ($name:ident: [$($args:tt)*] $($function:tt)*) => {
        mod $name {
            pub(super) mod plain {
                #[allow(unused_imports, reason = "not every pair needs something from outside")]
                use super::super::*;

                pub(in super::super) $($function)*
            }

            pub(super) mod locked {
                #[allow(unused_imports, reason = "not every pair needs something from outside")]
                use super::super::*;

                #[distlock::distributed_lock($($args)*)]
                pub(in super::super) $($function)*
            }
        }
    };
}
pub(super) use locked_and_plain;

/// The key of the innermost section around the caller.
pub(super) fn current() -> Option<String> {
    distlock::current().map(|hold| hold.key().to_owned())
}

/// Whether the key is held now.
pub(super) fn is_held(key: &str) -> bool {
    distlock::global()
        .and_then(|locks| locks.inspect_blocking(key))
        .expect("in the process")
        .holder
        .is_some()
}

/// How many wait for the key now.
pub(super) fn waiting(key: &str) -> u64 {
    distlock::global()
        .and_then(|locks| locks.inspect_blocking(key))
        .expect("in the process")
        .waiting
}
