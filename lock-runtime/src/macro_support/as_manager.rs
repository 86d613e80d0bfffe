//! What `manager = …` takes.

use std::ops::Deref;

use crate::api::manager::LockManager;

/// A [`LockManager`], or what dereferences to one: a reference, an `Arc`, the guard of a mutex.
///
/// A trait and not a coercion, because an expected type would reach into a `match`, an `if`, a `?`
/// or an `.await`, which then could not be a reference.
#[diagnostic::on_unimplemented(
    message = "`manager` takes a `LockManager`, and this is `{Self}`",
    label = "neither a `LockManager` nor a reference to one",
    note = "for an `Option` or a `Result` write `expr?` or `expr.expect(\"…\")`, for a cell \
        `cell.get().expect(\"…\")`"
)]
pub trait AsManager {
    /// The manager itself.
    fn as_manager(&self) -> &LockManager;
}

#[diagnostic::do_not_recommend]
impl AsManager for LockManager {
    fn as_manager(&self) -> &LockManager {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: Deref<Target: AsManager>> AsManager for T {
    fn as_manager(&self) -> &LockManager {
        self.deref().as_manager()
    }
}
