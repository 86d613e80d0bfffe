//! Shuttle models of the parts of the runtime that threads share.
//!
//! `--cfg distlock_verification` and the feature `__shuttle` make the runtime use [shuttle]'s
//! mutexes, atomics, threads and thread-locals. At each of them a scheduler decides which thread
//! runs next: at random, with few preemptions at random places (PCT), or, for small models,
//! exhaustively.
//!
//! [shuttle]: https://docs.rs/shuttle
//!
//! What runs is the runtime's own code: the queue of a key with its channels, the lease, the owner
//! chain with its mutex of siblings and its scopes, `block_on`, and, in `model::link`, whole
//! managers with their links and keepers. What is modelled:
//!
//! - For the models of the queue: the link with the server behind it (`server`), which grants the
//!   lock to one request at a time and injects failures, losses, renewals, other waiters, timers
//!   and time.
//! - For the models of the link (`engine`): sockets, signals, and a server that executes commands
//!   as Redis does and answers them some time later. Time passes only while all threads wait, so
//!   that a wait that only a timer ends shows.
//! - The clock and the request ids.
//!
//! What these models do not cover:
//!
//! - Memory orderings: shuttle's atomics are sequentially consistent. The loom models run the lease
//!   and the mutex of siblings under all orderings.
//! - The insides of `Arc` and of tokio's channels and `Notify`: each of their calls is one step.
//! - The protocol and the wire format: the simulation runs them.
//!
//! Cargo has to run in this folder, because `verification/models/.cargo/config.toml` sets the cfg:
//!
//! ```text
//! cargo test
//! ```
//!
//! More schedules, for each model that is not exhaustive:
//!
//! ```text
//! DISTLOCK_SCHEDULES=20000 cargo test --release -- --nocapture
//! ```
//!
//! A failure prints its schedule as hexadecimal digits between quotes. To replay it, with or
//! without the line breaks:
//!
//! ```text
//! DISTLOCK_REPLAY=9103… cargo test -- --exact callers_take_turns
//! ```
//!
//! A deadlock is a failure: a missed wake-up causes one. An exhaustive model needs no replay,
//! because it fails again.
//!
//! Miri finds little here, since the runtime forbids unsafe code. The unit tests of these parts run
//! under it, except those that draw at random or start many threads, which take hours:
//!
//! ```text
//! MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p distlock-runtime --lib -- \
//!     local:: owner:: wire:: --skip random --skip threads
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a model panics where the runtime is wrong")]

#[cfg(not(distlock_verification))]
compile_error!(
    "run Cargo in verification/models/shuttle, where it sets `--cfg distlock_verification`"
);

mod counting_backend;
mod engine;
mod environment;
mod explore;
pub mod model;
mod process;
mod section_checker;
mod server;
