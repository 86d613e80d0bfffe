//! The lock in a simulated cluster. One seed is one schedule: the same seed brings the same events, to the nanosecond.
//!
//! The library's own files are built into this crate, all but five modules: the clock, the random names, the settings, the server
//! and the I/O around the I/O thread are the simulation's. What runs in a simulated process is what runs in a real one: requests,
//! sections and their nesting, queues and hand-over, the protocol; the server is the in-process twin of the scripts, which is
//! compared with them elsewhere. Between them is a network that delays, cuts, loses and reorders, and faults befall all of it.
//!
//! - `plan`: what is to happen, drawn from a seed: who asks for what, and which faults come when. Can be made smaller.
//! - `world`: makes it happen: the agenda, the server, the network, the processes with their tasks.
//! - `stage`: where the library's files find the time, and the tasks write down what they see.
//! - `trial`: a plan, run and checked, with what only the plan says (`hindsight`); `campaign`: many of them; `shrink`: the least of a plan that still goes wrong.

#![forbid(unsafe_code)]

/// The library, file by file.
macro_rules! library {
    ($($path:literal $module:ident),* $(,)?) => {
        $(
            #[path = $path]
            #[allow(dead_code, unused_imports, missing_docs, clippy::all, clippy::pedantic)]
            mod $module;
        )*
    };
}

library! {
    "../../../lock-runtime/src/entry/mod.rs" entry,
    "../../../lock-runtime/src/error.rs" error,
    "../../../lock-runtime/src/fence.rs" fence,
    "../../../lock-runtime/src/guard.rs" guard,
    "../../../lock-runtime/src/hold.rs" hold,
    "../../../lock-runtime/src/inspect.rs" inspect,
    "../../../lock-runtime/src/keys.rs" keys,
    "../../../lock-runtime/src/lease.rs" lease,
    "../../../lock-runtime/src/length.rs" length,
    "../../../lock-runtime/src/lock.rs" lock,
    "../../../lock-runtime/src/lock_order/mod.rs" lock_order,
    "../../../lock-runtime/src/manager.rs" manager,
    "../../../lock-runtime/src/message.rs" message,
    "../../../lock-runtime/src/options.rs" options,
    "../../../lock-runtime/src/owner/mod.rs" owner,
    "../../../lock-runtime/src/place.rs" place,
    "../../../lock-runtime/src/printable.rs" printable,
    "../../../lock-runtime/src/protocol/mod.rs" protocol,
    "../../../lock-runtime/src/queue/mod.rs" queue,
    "../../../lock-runtime/src/store/memory/twin/mod.rs" twin,
    "../../../lock-runtime/src/sync.rs" sync,
    "../../../lock-runtime/src/time.rs" boot,
    "../../../lock-runtime/src/user_code/mod.rs" user_code,
    "../../../lock-runtime/src/wire/mod.rs" wire,
}

mod clock;
mod config;
mod driver;
mod identity;
mod task;
mod time;

pub mod campaign;
mod hindsight;
pub mod plan;
pub mod shrink;
mod stage;
pub mod trial;
mod world;

use error::LockError;
use fence::Fence;
use guard::LockGuard;
use hold::Hold;
use inspect::{Holder, Inspection};
use lock::LockRequest;
use manager::LockManager;
