//! How a thread waits.

pub(crate) use loom::future::block_on;
