//! The parts of the runtime that its verification crates build on. Not part of the API: it exists only under a `distlock_*` cfg,
//! which those crates set for themselves and no cargo feature sets.

pub use crate::environment::{Environment, TaskId, install};
