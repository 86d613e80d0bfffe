//! The primitives that threads share: the standard library's, or those of a model checker that
//! controls the schedule.
//!
//! Only state that a model runs through is imported from here. Statics stay on the standard
//! library: they outlive a schedule, and the primitives of the checkers have no `const fn new`.

#[cfg(not(any(distlock_shuttle, distlock_loom)))]
pub(crate) use std::{
    sync::{Mutex, MutexGuard, atomic, mpsc},
    thread, thread_local,
};

#[cfg(distlock_shuttle)]
pub(crate) use shuttle::{
    sync::{Mutex, MutexGuard, atomic, mpsc},
    thread, thread_local,
};

// Loom's `thread_local!` takes no `const` initialiser and it has no `sync_channel`: none of its
// models uses either.
#[cfg(distlock_loom)]
pub(crate) use {
    loom::{
        sync::{Mutex, MutexGuard, atomic},
        thread,
    },
    std::{sync::mpsc, thread_local},
};
