//! The wire protocol: key names, commands, Lua scripts and replies. Pure functions, no I/O and no
//! clock.

pub(crate) mod command;
pub(crate) mod keyspace;
pub(crate) mod reply;
pub(crate) mod script;
pub(crate) mod slot;
#[cfg(test)]
pub mod tests;
