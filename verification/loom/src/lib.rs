//! The smallest parts of the lock that threads share, under every order of memory that is allowed.
//!
//! The same files of `lock-runtime` as in `verification/shuttle`, with loom's primitives in the place of shuttle's: a lease's shares, and
//! the turns of siblings. Here all schedules are run, and a load may see any value that its order allows. What is not seen:
//! the insides of `Arc` and of tokio's `Notify`.

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a model panics where the runtime is wrong")]
#![allow(
    dead_code,
    unused_imports,
    reason = "of the runtime's files each model uses what it is about"
)]

mod driver;
pub mod shares;
mod sync;
mod time;
pub mod turns;
mod user_code;

#[path = "../../../lock-runtime/src/types/fence.rs"]
mod fence;
#[path = "../../../lock-runtime/src/local/lease.rs"]
mod lease;
#[path = "../../../lock-runtime/src/protocol/mod.rs"]
mod protocol;
#[path = "../../../lock-runtime/src/owner/turn.rs"]
mod turn;
#[path = "../../../lock-runtime/src/wire/mod.rs"]
mod wire;

use fence::Fence;
