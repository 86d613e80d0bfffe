//! What to do on which reply, push or timer: a state machine without I/O, clock or randomness.
//!
//! Events come in as method calls with the time, commands and news come out as [`Output`]s. The driver feeds
//! it from a real connection and a real clock, tests from whatever they like.

pub(crate) mod at_once;
pub(crate) mod backlog;
pub(crate) mod bound;
pub(crate) mod claim;
pub(crate) mod machine;
pub(crate) mod replies;
pub(crate) mod sends;
pub(crate) mod signal;
pub(crate) mod silence;
#[cfg(test)]
mod tests;
pub(crate) mod timing;
pub(crate) mod turns;
pub(crate) mod watch;
