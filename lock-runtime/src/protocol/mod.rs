//! What to do on which reply, push or timer: a state machine without I/O, clock or randomness.
//!
//! Events come in as method calls with the time, commands and news come out as [`Output`]s. The driver feeds
//! it from a real connection and a real clock, tests from whatever they like.

mod at_once;
mod backlog;
mod bound;
mod claim;
mod machine;
mod replies;
mod sends;
mod signal;
mod silence;
mod timing;
mod turns;
mod watch;

pub use claim::{Confirmation, Failure, Loss, Request};
pub use machine::{CallError, CallId, Machine, Outlook, Output};
pub use signal::Signal;
pub use timing::{Timing, claim_time, warn_again_at, warn_at};

#[cfg(test)]
mod tests;
