//! Loom models of the smallest parts that threads share: the references of a lease, and the mutex
//! of siblings.
//!
//! `--cfg distlock_verification` and the feature `__loom` make the runtime use loom's primitives.
//! Loom runs all schedules, and a load may see any value that its memory ordering allows. Not
//! modelled: the insides of `Arc` and of tokio's `Notify`.

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a model panics where the runtime is wrong")]

#[cfg(not(distlock_verification))]
compile_error!(
    "run Cargo in verification/models/loom, where it sets `--cfg distlock_verification`"
);

pub mod lease;
pub mod sibling_mutex;

use distlock_runtime::verification::{self, Environment, RequestId, Timestamp};

/// Runs a model through every schedule. Its clock does not move: no model is about time.
fn explore(model: fn()) {
    verification::install(Environment {
        now: || Timestamp::ZERO,
        request_id: || RequestId::from_bits(1),
        current_task: || None,
        process_id: || 1,
    });
    loom::model(model);
}
