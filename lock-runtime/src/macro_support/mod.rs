//! What the attribute's output calls.

pub(crate) mod as_manager;
pub(crate) mod call;
pub(crate) mod locked_fn;
pub(crate) mod locked_future;
pub(crate) mod on_error;
pub(crate) mod returns_future;
