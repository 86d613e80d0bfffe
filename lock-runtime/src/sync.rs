//! What threads meet at. Under one name, because the models of `verification/shuttle` compile the same files with primitives whose
//! schedules a checker controls.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic, mpsc};
pub(crate) use std::{thread, thread_local};
