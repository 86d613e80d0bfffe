//! The contenders that are used from Rust, behind one way to acquire and one to release.

mod raw;
pub mod settings;
mod task;
mod thread;

pub use settings::TTL;
pub use task::{HeldByTask, TaskLock};
pub use thread::ThreadLock;
