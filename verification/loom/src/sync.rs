//! What threads meet at: loom's in the place of the standard library's.

pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
