//! What threads meet at: shuttle's in the place of the standard library's.

pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic, mpsc};
pub(crate) use shuttle::{thread, thread_local};
