//! Catches panics of users' code.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs code of users and catches its panic.
pub(crate) fn guard(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}
