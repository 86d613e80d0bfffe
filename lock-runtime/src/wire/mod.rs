//! The wire protocol: key names, commands, Lua scripts and replies. Pure functions, no I/O and no
//! clock.

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
