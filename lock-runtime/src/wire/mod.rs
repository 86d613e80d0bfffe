//! What is said to the server: key names, calls, scripts, replies. Pure functions, no I/O and no clock.

pub(crate) mod batch;
pub(crate) mod command;
pub(crate) mod keyspace;
pub(crate) mod limits;
pub(crate) mod max_lease;
pub(crate) mod probe;
pub(crate) mod raw_reply;
pub(crate) mod reply;
pub(crate) mod script;
#[cfg(test)]
pub mod tests;
