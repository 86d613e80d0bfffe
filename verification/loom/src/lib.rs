//! The smallest parts of the lock that threads share, under every order of memory that is allowed.
//!
//! The runtime as in `verification/shuttle`, with loom's primitives in the place of shuttle's: a
//! lease's shares, and the turns of siblings. Here all schedules are run, and a load may see any
//! value that its order allows. What is not seen: the insides of `Arc` and of tokio's `Notify`.

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a model panics where the runtime is wrong")]

#[cfg(not(distlock_loom))]
compile_error!(
    "run Cargo from within verification/loom: its .cargo/config.toml sets `--cfg distlock_loom`"
);

pub mod shares;
pub mod turns;

use distlock_runtime::verification::{self, Environment, Nonce, Timestamp};

/// Runs a model through every schedule. Its clock stands still: no model is about time.
fn explore(model: fn()) {
    verification::install(Environment {
        now: || Timestamp::ZERO,
        nonce: || Nonce::from_bits(1),
        current_task: || None,
        process_id: || 1,
    });
    loom::model(model);
}
