//! What is said to the server: key names, calls, scripts, replies. Pure functions, no I/O and no clock.

pub(crate) mod bound;
pub(crate) mod call;
pub(crate) mod keyspace;
pub(crate) mod probe;
#[cfg(test)]
pub mod random;
pub(crate) mod reply;
pub(crate) mod script;
pub(crate) mod together;
