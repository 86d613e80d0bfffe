//! One interface for all Rust libraries.

mod raw;
pub mod settings;
mod task;
mod thread;

pub use settings::TTL;
pub use task::{HeldByTask, TaskLock};
pub use thread::ThreadLock;
