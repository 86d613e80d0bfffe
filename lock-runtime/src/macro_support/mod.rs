//! What the attribute's output calls.

pub(crate) mod call;
pub(crate) mod call_setup;
pub(crate) mod key_value;
pub(crate) mod locked_future;
pub(crate) mod return_value;
