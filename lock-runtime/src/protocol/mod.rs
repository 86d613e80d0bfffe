//! What to do on which reply, push or timer: a state machine without I/O, clock or randomness.
//!
//! Events come in as method calls with the time, commands and news come out as [`Output`]s. The driver feeds
//! it from a real connection and a real clock, tests from whatever they like.

pub(crate) mod backlog;
pub(crate) mod commands;
pub(crate) mod deadlock;
pub(crate) mod in_flight;
pub(crate) mod max_lease;
pub(crate) mod multi;
pub(crate) mod replies;
pub(crate) mod reply_timeout;
pub(crate) mod request;
pub(crate) mod signal;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;
pub(crate) mod timing;
